create or replace function modelpack.withdraw_approval(me modelpack.me, model text, version integer, reason text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_caller constant name := modelpack.caller(me, 'withdraw_approval');
  v_version_id constant integer := modelpack.get_version(withdraw_approval.model, withdraw_approval.version);
begin
  perform modelpack.check_text('the reason', withdraw_approval.reason);
  perform modelpack.take_turn(withdraw_approval.model);  -- not while it is promoted
  delete from modelpack.approval as a where a.version_id = v_version_id;
  if not found then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('%s version %s is not approved', withdraw_approval.model, withdraw_approval.version),
      hint = 'select model, version, approved_by from modelpack.versions lists what is.';
  end if;
  insert into modelpack.promotion (model, alias, action, version, reason, by)
  values (withdraw_approval.model, null, 'withdraw', withdraw_approval.version, withdraw_approval.reason, v_caller);
end
$modelpack$;
comment on function modelpack.withdraw_approval(modelpack.me, text, integer, text) is 'modelpack.withdraw_approval(model, version, reason) for who calls it.';
revoke all on function modelpack.withdraw_approval(modelpack.me, text, integer, text) from public;
create or replace function modelpack.withdraw_approval(model text, version integer, reason text default '') returns void
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.withdraw_approval(m, withdraw_approval.model, withdraw_approval.version, withdraw_approval.reason) from modelpack.me as m
$modelpack$;
comment on function modelpack.withdraw_approval(text, integer, text) is
  'Takes the approval of a version back: it cannot be promoted, and a rollback passes it over, until it is approved again. Where it is the champion it scores on: modelpack.rollback or modelpack.disable end that.';
revoke all on function modelpack.withdraw_approval(text, integer, text) from public;
grant execute on function modelpack.withdraw_approval(text, integer, text), modelpack.withdraw_approval(modelpack.me, text, integer, text) to modelpack_approver;
