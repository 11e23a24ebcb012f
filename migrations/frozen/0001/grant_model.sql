create or replace function modelpack.grant_model(me modelpack.me, model text, role name, may text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_caller constant name := modelpack.caller(me, 'grant_model');
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
      message = format('a grant of %s is unknown', coalesce(modelpack.shown(grant_model.may), 'NULL')),
      hint = 'Expected: manage or predict.';
  end if;
  -- also before the first version, so that a name can be kept for somebody
  insert into modelpack.model (model, created_by) values (grant_model.model, v_caller) on conflict do nothing;
  insert into modelpack.permission as p (model, role, may, granted_by) values (grant_model.model, grant_model.role, grant_model.may, v_caller)
  on conflict on constraint permission_pkey do update set may = 'manage', granted_at = now(), granted_by = excluded.granted_by
                                                    where excluded.may = 'manage' and p.may <> 'manage';
end
$modelpack$;
comment on function modelpack.grant_model(modelpack.me, text, name, text) is 'modelpack.grant_model(model, role, may) for who calls it.';
revoke all on function modelpack.grant_model(modelpack.me, text, name, text) from public;
create or replace function modelpack.grant_model(model text, role name, may text default 'manage') returns void
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.grant_model(m, grant_model.model, grant_model.role, grant_model.may) from modelpack.me as m
$modelpack$;
comment on function modelpack.grant_model(text, name, text) is
  'Lets a role (and its members) promote, roll back, alias, tag and retire versions of a model and score ad hoc with it (may: manage), or score ad hoc alone (predict). A grant takes nothing away: see modelpack.revoke_model. Whoever publishes the first version of a model has it granted.';
revoke all on function modelpack.grant_model(text, name, text) from public;
