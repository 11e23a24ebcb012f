create or replace function modelpack.no_score(profile integer, score text, version integer, failure text) returns text
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- The cold path: everything is looked up, nothing is part of a function's text. The last score stands, with its version
-- and time; whoever called decides what becomes of it.
declare
  v_found record;
  v_failure text := no_score.failure;
begin
  select s.on_error, s.model, m.disabled, p.name, v.version_id
    into strict v_found
    from modelpack.score as s
    join modelpack.profile as p using (profile_id)
    left join modelpack.model as m on m.model = s.model
    left join modelpack.version as v on v.model = s.model and v.version = no_score.version
   where s.profile_id = no_score.profile and s.score = no_score.score;
  if v_found.disabled is not null then
    return 'disabled: ' || v_found.disabled;
  elsif v_found.version_id is null then
    return format('no version of the model %s has been promoted', v_found.model);
  end if;
  if v_failure is null then
    begin
      v_failure := modelpack.failure();
    exception when undefined_file then
      if sqlerrm not like '%plpython%' then
        raise;
      end if;
      v_failure := 'the server cannot load PL/Python: ' || sqlerrm || '; install postgresql-plpython3 for its version';
    end;
  end if;
  v_failure := coalesce(v_failure, 'another version was promoted at this moment');
  if v_found.on_error = 'raise' then
    raise exception using
      errcode = 'data_exception',
      message = format('%s version %s gives no score for a row of %s: %s', v_found.model, no_score.version, v_found.name, v_failure),
      hint = 'The score is declared with on_error="raise": nothing is written without it.';
  end if;
  if current_setting('modelpack.plpython', true) = 'loaded' then
    perform modelpack.record_failure(v_found.version_id, v_found.name, v_failure);
  end if;
  return v_failure;
end
$modelpack$;
comment on function modelpack.no_score(integer, text, integer, text) is
  'Why a row gets no score: the model is disabled, no version was promoted, or the failure, which is recorded; refuses the statement where the score is declared with on_error="raise".';
