create or replace function modelpack.set_reference(me modelpack.me, model text, version integer, reference jsonb, background jsonb) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_caller constant name := modelpack.caller(me, 'set_reference');
  v_version modelpack.version;
begin
  select v.* into v_version from modelpack.version as v where v.model = set_reference.model and v.version = set_reference.version;
  -- who publishes a version of somebody else's model says what he made it from
  if v_version.created_by is distinct from v_caller then
    perform modelpack.check_grant(v_caller, set_reference.model, 'set the reference of a version of');
  end if;
  perform modelpack.check_not_retired(set_reference.model, set_reference.version);
  perform modelpack.check_reference(v_version.signature, set_reference.reference, set_reference.background);
  insert into modelpack.reference (version_id, reference, background, created_by)
  values (v_version.version_id, set_reference.reference, set_reference.background, v_caller)
  on conflict do nothing;
  if not found then
    raise exception using
      errcode = 'restrict_violation',
      message = format('%s version %s has a reference already, and what was published does not change', set_reference.model, set_reference.version),
      hint = 'Publish a new version instead.';
  end if;
end
$modelpack$;
comment on function modelpack.set_reference(modelpack.me, text, integer, jsonb, jsonb) is 'modelpack.set_reference(model, version, reference, background) for who calls it.';
revoke all on function modelpack.set_reference(modelpack.me, text, integer, jsonb, jsonb) from public;
create or replace function modelpack.set_reference(model text, version integer, reference jsonb, background jsonb default null) returns void
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.set_reference(m, set_reference.model, set_reference.version, set_reference.reference, set_reference.background) from modelpack.me as m
$modelpack$;
comment on function modelpack.set_reference(text, integer, jsonb, jsonb) is
  'Stores what the sample of a version was like, and rows of it that explanations compare with (NULL: none), once; modelpack publish does so. For its publisher, and who may manage the model.';
revoke all on function modelpack.set_reference(text, integer, jsonb, jsonb) from public;
grant execute on function modelpack.set_reference(text, integer, jsonb, jsonb), modelpack.set_reference(modelpack.me, text, integer, jsonb, jsonb) to modelpack_publisher;
