create or replace function modelpack.grant_model(model text, role name) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
begin
  if not exists (select from pg_roles as r where r.rolname = grant_model.role) then
    raise exception using
      errcode = 'undefined_object',
      message = format('there is no role %s', grant_model.role),
      hint = format('create role %I', grant_model.role);
  end if;
  -- also before the first version, so that a name can be kept for somebody
  insert into modelpack.model (model) values (grant_model.model) on conflict do nothing;
  insert into modelpack.permission (model, role) values (grant_model.model, grant_model.role) on conflict do nothing;
end
$modelpack$;
comment on function modelpack.grant_model(text, name) is
  'Lets a role (and its members) promote, roll back, alias, tag and retire versions of a model. Whoever publishes the first version of a model has it granted.';
revoke all on function modelpack.grant_model(text, name) from public;
