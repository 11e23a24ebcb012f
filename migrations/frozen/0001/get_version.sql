create or replace function modelpack.get_version(model text, version integer) returns integer
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_version_id integer;
begin
  select v.version_id into v_version_id
    from modelpack.version as v where v.model = get_version.model and v.version = get_version.version;
  if not found then
    raise exception using
      errcode = 'undefined_object',
      message = format('the model %s has no version %s', modelpack.shown(get_version.model, 63), get_version.version),
      detail = format('It has: %s.', coalesce((select string_agg(v.version::text, ', ' order by v.version)
                                                 from modelpack.version as v where v.model = get_version.model), 'no versions')),
      hint = 'select model, version, aliases from modelpack.versions lists what there is.';
  end if;
  return v_version_id;
end
$modelpack$;
comment on function modelpack.get_version(text, integer) is 'The version_id of a version, or an error that lists those that the model has.';
