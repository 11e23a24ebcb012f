"""Counters and a score as somebody writes them who knows about transition tables: a statement's rows at once.

Two UPDATEs, one for the counters and one for the scores of one call of onnxruntime. INSERT alone is kept up with; there
is no log, no order of locks, no word for a row that cannot be scored, and the columns may be written by anybody.
"""

from __future__ import annotations

from benchmarks.ground import Ground
from benchmarks.models import FEATURES, Workload, packed
from benchmarks.rivals import handwritten


def make(ground: Ground, schema: str, workload: Workload) -> None:
    """Columns, model and the trigger on tables of `Ground.tables`. The model takes the eight features alone."""
    handwritten.columns(ground, schema)
    ground.run(f"alter table {schema}.customer add column churn double precision")
    ground.run(f"create table {schema}.model (bytes bytea)")
    ground.run(f"insert into {schema}.model values (%s)", (packed(workload).onnx,))
    ground.run(
        f"create function {schema}.scores(numbers float8[]) returns float8[] language plpython3u as $$\n"
        "if 'model' not in SD:\n"
        "    import sys\n"
        "    sys.path.insert(0, plpy.execute('select modelpack.server_wheels() as path')[0]['path'] or '')\n"
        "    import onnxruntime\n"
        "    options = onnxruntime.SessionOptions()\n"
        "    options.intra_op_num_threads = options.inter_op_num_threads = 1\n"
        f"    found = plpy.execute('select bytes from {schema}.model')[0]['bytes']\n"
        "    SD['model'] = onnxruntime.InferenceSession(found, options, providers=['CPUExecutionProvider'])\n"
        "import numpy\n"
        "return SD['model'].run(['score'], {'number': numpy.array(numbers, numpy.float32)})[0].ravel().tolist()\n$$"
    )
    numbers = ", ".join(f"coalesce(p.{name}::float8, 'nan')" for name in FEATURES)
    ground.run(
        f"create function {schema}.keep() returns trigger language plpgsql as $$\n"
        "declare\n  keys bigint[];\n  numbers float8[];\nbegin\n"
        f"  update {schema}.customer as p\n"
        "     set events_n = p.events_n + d.n,\n"
        "         amount_sum = p.amount_sum + d.total,\n"
        "         amount_mean = ((p.amount_sum + d.total) / (p.events_n + d.n))::float8,\n"
        "         amount_min = least(p.amount_min, d.least),\n"
        "         amount_max = greatest(p.amount_max, d.most),\n"
        "         big_n = p.big_n + d.big,\n"
        "         small_n = p.small_n + d.small,\n"
        "         last_amount = case when p.last_at > d.last_at then p.last_amount else d.last_amount end,\n"
        "         last_at = greatest(p.last_at, d.last_at)\n"
        "    from (select e.customer_id, count(*) as n, sum(e.amount) as total, min(e.amount) as least,\n"
        "                 max(e.amount) as most, count(*) filter (where e.amount > 50) as big,\n"
        "                 count(*) filter (where e.amount < 5) as small, max(e.at) as last_at,\n"
        "                 (array_agg(e.amount order by e.at desc))[1] as last_amount\n"
        "            from came as e group by e.customer_id) as d\n"
        "   where p.customer_id = d.customer_id;\n"
        f"  select array_agg(p.customer_id), array_agg(array[{numbers}])\n"
        f"    into keys, numbers from {schema}.customer as p\n"
        "   where p.customer_id in (select e.customer_id from came as e);\n"
        f"  update {schema}.customer as p set churn = u.score\n"
        f"    from unnest(keys, {schema}.scores(numbers)) as u (key, score) where p.customer_id = u.key;\n"
        "  return null;\nend\n$$"
    )
    ground.run(
        f"create trigger keep after insert on {schema}.event referencing new table as came "
        f"for each statement execute function {schema}.keep()"
    )
    ground.run(f"vacuum analyze {schema}.customer")
