create or replace function modelpack.scorable(caller name, model text, version integer) returns modelpack.version
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_disabled text;
  v_version modelpack.version;
begin
  perform modelpack.check_grant(scorable.caller, scorable.model, 'score with', 'predict');
  select m.disabled into v_disabled from modelpack.model as m where m.model = scorable.model;
  if v_disabled is not null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('the model %s is disabled: %s', scorable.model, modelpack.shown(v_disabled)),
      hint = format('select modelpack.enable(%L);', scorable.model);
  end if;
  select v.* into v_version
    from modelpack.version as v
   where v.model = scorable.model
     and v.version = coalesce(scorable.version,
                              (select a.version from modelpack.alias as a where a.model = scorable.model and a.alias = 'champion'));
  if not found then
    raise exception using
      errcode = 'undefined_object',
      message = case when scorable.version is null then format('no version of the model %s has been promoted', scorable.model)
                     else format('the model %s has no version %s', scorable.model, scorable.version) end,
      hint = 'select model, version, aliases from modelpack.versions lists what there is.';
  end if;
  return v_version;
end
$modelpack$;
comment on function modelpack.scorable(name, text, integer) is
  'A version (NULL: the champion) that the caller may score with ad hoc; an error where there is none, the model is disabled or is not granted.';
revoke all on function modelpack.scorable(name, text, integer) from public;
