create or replace function modelpack.score_many(version_id integer, numbers bytea) returns text
language plpython3u volatile security invoker
as $modelpack$
if not numbers:
    return "{}"
if version_id not in SD.get("cache", {}):
    plpy.execute(f"select modelpack.load({version_id})")
    SD["cache"] = GD["modelpack"]
many = getattr(SD["cache"][version_id], "many", None)
# hexadecimal: exact, and the quickest to write and to read
return "{" + ",".join(map(float.hex, many(numbers))) + "}" if many else "{}"
$modelpack$;
comment on function modelpack.score_many(integer, bytea) is
  'Scores rows of numbers (array_send of a float8[][], NaN for NULL) with a version, in their order. Gives the text of a float8[]: NaN for a row that modelpack.score has to look at, since only that knows what is wrong with it; {} where the model scores no row.';
revoke all on function modelpack.score_many(integer, bytea) from public;
