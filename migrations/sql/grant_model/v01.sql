create or replace function modelpack.grant_model(model text, role name, may text default 'manage') returns void
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
  if grant_model.may is null or grant_model.may not in ('manage', 'predict') then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('a grant of %s is unknown', coalesce(grant_model.may, 'NULL')),
      hint = 'Expected: manage or predict.';
  end if;
  -- also before the first version, so that a name can be kept for somebody
  insert into modelpack.model (model) values (grant_model.model) on conflict do nothing;
  insert into modelpack.permission as p (model, role, may) values (grant_model.model, grant_model.role, grant_model.may)
  on conflict on constraint permission_pkey do update set may = 'manage' where excluded.may = 'manage' and p.may <> 'manage';
end
$modelpack$;
comment on function modelpack.grant_model(text, name, text) is
  'Lets a role (and its members) promote, roll back, alias, tag and retire versions of a model and score ad hoc with it (may: manage), or score ad hoc alone (predict). A grant takes nothing away: see modelpack.revoke_model. Whoever publishes the first version of a model has it granted.';
revoke all on function modelpack.grant_model(text, name, text) from public;
