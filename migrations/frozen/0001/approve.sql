create or replace function modelpack.approve(me modelpack.me, model text, version integer, reason text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_caller constant name := modelpack.caller(me, 'approve');
  v_version_id constant integer := modelpack.get_version(approve.model, approve.version);
  v_published record;
begin
  perform modelpack.check_text('the reason', approve.reason);
  perform modelpack.check_not_retired(approve.model, approve.version);
  select v.created_by, v.created_login into v_published from modelpack.version as v where v.version_id = v_version_id;
  -- neither the role nor who logged in: SET ROLE makes no second pair of eyes
  if v_caller in (v_published.created_by, v_published.created_login) or session_user in (v_published.created_by, v_published.created_login) then
    raise exception using
      errcode = 'insufficient_privilege',
      message = format('%s published %s version %s', v_published.created_by, approve.model, approve.version),
      hint = 'Somebody else has to approve it, a member of modelpack_approver.';
  end if;
  insert into modelpack.approval (version_id, reason, by) values (v_version_id, approve.reason, v_caller) on conflict do nothing;
  insert into modelpack.promotion (model, alias, action, version, reason, by)
  values (approve.model, null, 'approve', approve.version, approve.reason, v_caller);
end
$modelpack$;
comment on function modelpack.approve(modelpack.me, text, integer, text) is 'modelpack.approve(model, version, reason) for who calls it.';
revoke all on function modelpack.approve(modelpack.me, text, integer, text) from public;
create or replace function modelpack.approve(model text, version integer, reason text default '') returns void
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.approve(m, approve.model, approve.version, approve.reason) from modelpack.me as m
$modelpack$;
comment on function modelpack.approve(text, integer, text) is
  'Approves a version, so that it may be promoted where the model requires approval. Whoever published it cannot.';
revoke all on function modelpack.approve(text, integer, text) from public;
grant execute on function modelpack.approve(text, integer, text), modelpack.approve(modelpack.me, text, integer, text) to modelpack_approver;
