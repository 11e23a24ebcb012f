create or replace function modelpack.require_approval(me modelpack.me, model text, required boolean) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_caller constant name := modelpack.caller(me, 'require_approval');
begin
  perform modelpack.take_turn(require_approval.model);  -- not while a version is promoted that nobody approved
  perform modelpack.hold(array[require_approval.model]);
  insert into modelpack.model (model, requires_approval, created_by) values (require_approval.model, require_approval.required, v_caller)
  on conflict (model) do update set requires_approval = excluded.requires_approval;
end
$modelpack$;
comment on function modelpack.require_approval(modelpack.me, text, boolean) is 'modelpack.require_approval(model, required) for who calls it.';
revoke all on function modelpack.require_approval(modelpack.me, text, boolean) from public;
create or replace function modelpack.require_approval(model text, required boolean default true) returns void
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.require_approval(m, require_approval.model, require_approval.required) from modelpack.me as m
$modelpack$;
comment on function modelpack.require_approval(text, boolean) is
  'From now on a version of the model scores only after modelpack.approve by somebody other than its publisher. A rollback to a version that scored before needs no new approval.';
revoke all on function modelpack.require_approval(text, boolean) from public;
