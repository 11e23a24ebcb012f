import pathlib
from typer.testing import CliRunner
from modelpack.cli.app import app
from looked_at import make_shop
import pytest
pytestmark = pytest.mark.prepared(setup=make_shop)
def test_x(psql, database):
    for q in ("select * from modelpack.response order by day desc limit 3","select model,input,against,day,rows,psi,critical,drifted from modelpack.drift order by day desc limit 12","select * from modelpack.alert","select * from modelpack.staleness","select * from modelpack.timeline"):
        for r in psql.execute(q): print(r)
    r=CliRunner().invoke(app,["report","churn","-o","/tmp/lookshot/real.html","--dsn",database]); print(r.output, r.exception)
    r=CliRunner().invoke(app,["status","churn","--dsn",database]); print(r.output, r.exception)
    r=CliRunner().invoke(app,["metrics","--dsn",database]); print(r.output, r.exception)
