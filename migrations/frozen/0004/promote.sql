create or replace function modelpack.promote(me modelpack.me, model text, version integer, reason text, require text default null) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_caller constant name := modelpack.caller(me, 'promote', 'set_alias');
  v_version_id integer;
begin
  perform modelpack.check_grant(v_caller, promote.model, 'promote a version of');
  if btrim(promote.require) = '' then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'the requirement is empty',
      hint = 'Leave it out, or say for example: auc not below champion by 0.01 at 95%.';
  end if;
  perform modelpack.take_turn(promote.model);
  perform modelpack.check_grant(v_caller, promote.model, 'promote a version of');  -- it may have been taken away in the meantime
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
  -- whoever judges follows the promotion, reads what is required, and takes it away
  perform set_config('modelpack.require', coalesce(promote.require, ''), true);
  perform modelpack.set_champion(v_caller, promote.model, promote.version, 'promote', promote.reason);
  if current_setting('modelpack.require') <> '' then
    raise exception using
      errcode = 'feature_not_supported',
      message = 'nothing here can judge a requirement',
      hint = 'Promote without require, or install the schema with its requirements: modelpack install.';
  end if;
end
$modelpack$;
comment on function modelpack.promote(modelpack.me, text, integer, text, text) is 'modelpack.promote(model, version, reason, require) for who calls it.';
revoke all on function modelpack.promote(modelpack.me, text, integer, text, text) from public;
create or replace function modelpack.promote(model text, version integer, reason text default '', require text default null) returns void
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.promote(m, promote.model, promote.version, promote.reason, promote.require) from modelpack.me as m
$modelpack$;
comment on function modelpack.promote(text, integer, text, text) is
  'Makes a version the one that scores. Other sessions switch when this commits. Rows keep their scores until something happens to them or CALL modelpack.rescore. require: only where settled outcomes show it, as auc not below champion by 0.01 at 95%; else it is refused with the figures.';
revoke all on function modelpack.promote(text, integer, text, text) from public;
grant execute on function modelpack.promote(text, integer, text, text), modelpack.promote(modelpack.me, text, integer, text, text) to modelpack_publisher;
