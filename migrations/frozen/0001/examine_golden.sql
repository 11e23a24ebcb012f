create or replace function modelpack.examine_golden(version_id integer) returns text
language plpython3u volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
import json

found = plpy.execute(
    f"select v.signature, v.golden from modelpack.version as v where v.version_id = {version_id}"
)[0]
inputs, golden = json.loads(found["signature"])["inputs"], json.loads(found["golden"])
texts = [n for n, i in enumerate(inputs) if i["type"] == "text"]
GD.get("modelpack", {}).pop(version_id, None)
plpy.execute(f"select modelpack.load({version_id})")
run = GD["modelpack"][version_id].run
for place, (row, expected) in enumerate(zip(golden["rows"], golden["scores"], strict=True), start=1):
    words = [row[n] for n in texts]
    GD["modelpack_failure"] = None
    score = run([row[n] for n, i in enumerate(inputs) if i["type"] == "number"], words if texts else None)
    if score is None or expected is None:
        same = score is expected
    else:
        same = abs(score - expected) <= 1e-6 * max(1.0, abs(expected))
    if not same:
        given = GD["modelpack_failure"] if score is None else score
        return f"golden row {place} gives {given}, expected {expected}"
return None
$modelpack$;
comment on function modelpack.examine_golden(integer) is
  'The first golden row of a version that does not give the expected score in this session, in words; NULL: all do. Writes nothing.';
revoke all on function modelpack.examine_golden(integer) from public;
