create or replace function modelpack.check_not_retired(model text, version integer) returns void
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_retired record;
begin
  select r.at as retired_at, r.by as retired_by, r.reason into v_retired
    from modelpack.retirement as r where r.version_id = modelpack.get_version(check_not_retired.model, check_not_retired.version);
  if found then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('%s version %s is retired', check_not_retired.model, check_not_retired.version),
      detail = format('By %s, at %s: %s', v_retired.retired_by, v_retired.retired_at, coalesce(nullif(v_retired.reason, ''), 'no reason given')),
      hint = 'Publish the model again as a new version.';
  end if;
end
$modelpack$;
comment on function modelpack.check_not_retired(text, integer) is 'Refuses a version that is retired, or that there is not.';
