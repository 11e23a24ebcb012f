create or replace function modelpack.score_many(version_id integer, numbers bytea, texts text[]) returns text
language plpython3u volatile security invoker
as $modelpack$
if not numbers and not texts:
    return "{}"
if version_id not in SD.get("cache", {}):
    plpy.execute(f"select modelpack.load({version_id})")
    SD["cache"] = GD["modelpack"]
many = SD["cache"][version_id].many
if not many:
    return "{}"
try:
    # hexadecimal: exact, and the quickest to write and to read
    return "{" + ",".join(map(float.hex, many(numbers, texts))) + "}"
except MemoryError:
    return "{}"  # one row at a time needs less
$modelpack$;
comment on function modelpack.score_many(integer, bytea, text[]) is
  'Scores rows of numbers (array_send of a float8[][], NaN for NULL; NULL where the version takes none) and of texts (text[][], or NULL) with a version, in their order. Gives the text of a float8[]: NaN for a row that modelpack.score has to look at, since only that knows what is wrong with it; {} where the model scores no row, or not so many at once.';
revoke all on function modelpack.score_many(integer, bytea, text[]) from public;
