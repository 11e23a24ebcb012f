"""A row trigger that unpickles a scikit-learn model once a session and predicts."""

from __future__ import annotations

import pickle

import sklearn

from benchmarks.ground import Ground
from benchmarks.models import FEATURES, Workload, train

_PREDICT = {
    "array": "SD['model'].predict_proba(numpy.array([row]))[0, 1]",
    "frame": "SD['model'].predict_proba(pandas.DataFrame([row], columns=SD['names']))[0, 1]",
}


def make(ground: Ground, schema: str, workload: Workload, *, given: str) -> None:
    """Put the trigger on the profile of a schema that has its counters.

    `given`: "array", a numpy row (scikit-learn warns that names are missing), or "frame", a pandas row with the
    names that the model was trained with, which is what the model asks for.
    """
    estimator, _ = train(workload)
    site = sklearn.__file__.rsplit("/sklearn/", 1)[0]
    ground.run(f"alter table {schema}.customer add column churn double precision")
    ground.run(f"create table {schema}.model (bytes bytea)")
    ground.run(f"grant select on {schema}.model to modelpack_owner")
    ground.run(f"insert into {schema}.model values (%s)", (pickle.dumps(estimator),))
    columns = ", ".join(f"float(new['{name}'] or 0)" for name in FEATURES)
    ground.run(
        f"create function {schema}.score() returns trigger language plpython3u as $$\n"
        "if 'model' not in SD:\n"
        f"    import sys, pickle, warnings\n    sys.path.append('{site}')\n    warnings.simplefilter('ignore')\n"
        f"    SD['model'] = pickle.loads(plpy.execute('select bytes from {schema}.model')[0]['bytes'])\n"
        f"    SD['names'] = {list(FEATURES)!r}\n"
        f"import numpy{', pandas' if given == 'frame' else ''}\n"
        f"new = TD['new']\nrow = [{columns}]\n"
        f"new['churn'] = float({_PREDICT[given]})\nreturn 'MODIFY'\n$$"
    )
    ground.run(
        f"create trigger zzz_pickled before update on {schema}.customer for each row execute function {schema}.score()"
    )
