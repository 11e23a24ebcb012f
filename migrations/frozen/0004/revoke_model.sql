create or replace function modelpack.revoke_model(me modelpack.me, model text, role name) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
begin
  perform modelpack.caller(me, 'revoke_model');
  -- a promotion with an older snapshot, in which the role still has its grant, gets a serialization failure
  perform modelpack.take_turn(revoke_model.model);
  delete from modelpack.permission as p where p.model = revoke_model.model and p.role = revoke_model.role;
end
$modelpack$;
comment on function modelpack.revoke_model(modelpack.me, text, name) is 'modelpack.revoke_model(model, role) for who calls it.';
revoke all on function modelpack.revoke_model(modelpack.me, text, name) from public;
create or replace function modelpack.revoke_model(model text, role name) returns void
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.revoke_model(m, revoke_model.model, revoke_model.role) from modelpack.me as m
$modelpack$;
comment on function modelpack.revoke_model(text, name) is 'Takes back all that modelpack.grant_model gave.';
revoke all on function modelpack.revoke_model(text, name) from public;
