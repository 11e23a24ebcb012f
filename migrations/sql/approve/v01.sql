create or replace function modelpack.approve(model text, version integer, reason text default '') returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_version_id constant integer := modelpack.find_version(approve.model, approve.version);
  v_by name;
begin
  perform modelpack.check_live(approve.model, approve.version);
  select v.created_by into v_by from modelpack.version as v where v.version_id = v_version_id;
  -- who logged in counts: SET ROLE makes no second pair of eyes
  if v_by = session_user then
    raise exception using
      errcode = 'insufficient_privilege',
      message = format('%s published %s version %s', session_user, approve.model, approve.version),
      hint = 'Somebody else has to approve it, a member of modelpack_approver.';
  end if;
  insert into modelpack.approval (version_id, reason) values (v_version_id, approve.reason) on conflict do nothing;
  insert into modelpack.promotion (model, alias, action, version, reason)
  values (approve.model, null, 'approve', approve.version, approve.reason);
end
$modelpack$;
comment on function modelpack.approve(text, integer, text) is
  'Approves a version, so that it may be promoted where the model requires approval. Whoever published it cannot.';
revoke all on function modelpack.approve(text, integer, text) from public;
grant execute on function modelpack.approve(text, integer, text) to modelpack_approver;
