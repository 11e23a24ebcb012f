create or replace function modelpack.promote(me modelpack.me, model text, version integer, reason text) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_caller constant name := modelpack.caller(me, 'promote', 'set_alias');
  v_version_id integer;
begin
  perform modelpack.check_grant(v_caller, promote.model, 'promote a version of');
  perform modelpack.take_turn(promote.model);
  if exists (select from modelpack.alias as a
              where a.model = promote.model and a.alias = 'champion' and a.version = promote.version) then
    return;  -- it is the champion already
  end if;
  v_version_id := modelpack.get_version(promote.model, promote.version);
  perform modelpack.check_not_retired(promote.model, promote.version);
  if (select m.requires_approval from modelpack.model as m where m.model = promote.model)
     and not exists (select from modelpack.approval as a where a.version_id = v_version_id) then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('%s version %s is not approved', promote.model, promote.version),
      detail = format('The model %s requires approval by somebody other than the publisher.', promote.model),
      hint = format('As a member of modelpack_approver: select modelpack.approve(%L, %s), or modelpack approve %s %s.',
                    promote.model, promote.version, promote.model, promote.version);
  end if;
  perform modelpack.set_champion(v_caller, promote.model, promote.version, 'promote', promote.reason);
end
$modelpack$;
comment on function modelpack.promote(modelpack.me, text, integer, text) is 'modelpack.promote(model, version, reason) for who calls it.';
revoke all on function modelpack.promote(modelpack.me, text, integer, text) from public;
create or replace function modelpack.promote(model text, version integer, reason text default '') returns void
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.promote(m, promote.model, promote.version, promote.reason) from modelpack.me as m
$modelpack$;
comment on function modelpack.promote(text, integer, text) is
  'Makes a version the one that scores. Other sessions switch when this commits. Rows keep their scores until something happens to them or CALL modelpack.rescore.';
revoke all on function modelpack.promote(text, integer, text) from public;
grant execute on function modelpack.promote(text, integer, text), modelpack.promote(modelpack.me, text, integer, text) to modelpack_publisher;
