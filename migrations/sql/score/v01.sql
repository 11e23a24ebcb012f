create or replace function modelpack.score(version_id integer, numbers double precision[], texts text[]) returns double precision
language plpython3u volatile security invoker
as $modelpack$
try:
    run: Any = SD["cache"][version_id]
except KeyError:
    plpy.execute(f"select modelpack.load({version_id})")
    SD["cache"] = GD["modelpack"]
    run = GD["modelpack"][version_id]
return run(numbers, texts)  # type: ignore[no-any-return]
$modelpack$;
comment on function modelpack.score(integer, double precision[], text[]) is
  'Scores one row with a version: packed inputs in, score out. NULL where there is no score; modelpack.failure() says why. Called once a row by the score triggers, which have pinned the search_path: it names nothing itself.';
revoke all on function modelpack.score(integer, double precision[], text[]) from public;
