create or replace function modelpack.model_of(profile modelpack.profile, score text) returns text
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_model constant text := (select s.model from modelpack.score as s where s.profile_id = (model_of.profile).profile_id and s.score = model_of.score);
begin
  if v_model is null then
    raise exception using
      errcode = 'undefined_object',
      message = format('%s has no score %s', (model_of.profile).name, coalesce(modelpack.shown(model_of.score, 63), 'NULL')),
      detail = format('It has: %s.', coalesce((select string_agg(s.score, ', ' order by s.position) from modelpack.score as s where s.profile_id = (model_of.profile).profile_id), 'none')),
      hint = 'Name one of these.';
  end if;
  return v_model;
end
$modelpack$;
comment on function modelpack.model_of(modelpack.profile, text) is 'The model of a score of a profile; an error that names its scores where there is none of that name.';
revoke all on function modelpack.model_of(modelpack.profile, text) from public;
