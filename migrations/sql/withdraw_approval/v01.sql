create or replace function modelpack.withdraw_approval(model text, version integer, reason text default '') returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_version_id constant integer := modelpack.find_version(withdraw_approval.model, withdraw_approval.version);
begin
  perform from modelpack.model as m where m.model = withdraw_approval.model for update;  -- not while it is promoted
  delete from modelpack.approval as a where a.version_id = v_version_id;
  if not found then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('%s version %s is not approved', withdraw_approval.model, withdraw_approval.version),
      hint = 'select model, version, approved_by from modelpack.versions lists what is.';
  end if;
  insert into modelpack.promotion (model, alias, action, version, reason)
  values (withdraw_approval.model, null, 'withdraw', withdraw_approval.version, withdraw_approval.reason);
end
$modelpack$;
comment on function modelpack.withdraw_approval(text, integer, text) is
  'Takes the approval of a version back: it cannot be promoted, and a rollback passes it over, until it is approved again. Where it is the champion it scores on: modelpack.rollback or modelpack.disable end that.';
revoke all on function modelpack.withdraw_approval(text, integer, text) from public;
grant execute on function modelpack.withdraw_approval(text, integer, text) to modelpack_approver;
