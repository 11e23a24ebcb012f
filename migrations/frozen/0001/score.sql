create or replace function modelpack.score(version_id integer, numbers double precision[], texts text[]) returns double precision
language plpython3u volatile security invoker
as $modelpack$
try:
    version: Any = SD["cache"][version_id]
except KeyError:
    plpy.execute(f"select modelpack.load({version_id})")
    SD["cache"] = GD["modelpack"]
    version = GD["modelpack"][version_id]
found: float | None = version.run(numbers, texts)
# PL/Python hands a number over as text: hexadecimal is exact, and the quickest to write and to read
return None if found is None else found.hex()
$modelpack$;
comment on function modelpack.score(integer, double precision[], text[]) is
  'Scores one row with a version: packed inputs in, score out. NULL where there is no score; modelpack.failure() says why. Called once a row by the score triggers, which have pinned the search_path: it names nothing itself.';
revoke all on function modelpack.score(integer, double precision[], text[]) from public;
