create or replace function modelpack.score_first(version_id integer, numbers double precision[], texts text[]) returns double precision
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- What a subtransaction a row would cost is paid once a session: a library that is loaded stays loaded. What the
-- session remembers is a setting that anybody may change, so it decides nothing but whether this way is taken.
declare
  v_score double precision;
begin
  v_score := modelpack.score(version_id, numbers, texts);
  perform set_config('modelpack.plpython', 'loaded', false);
  return v_score;
exception when undefined_file then
  if sqlerrm not like '%plpython%' then
    raise;
  end if;
  return null;  -- modelpack.no_score finds the same and says so
end
$modelpack$;
comment on function modelpack.score_first(integer, double precision[], text[]) is
  'The first call of modelpack.score in a session, by the score triggers: a server whose PL/Python library is missing costs rows their scores, not events.';
