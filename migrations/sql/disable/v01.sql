create or replace function modelpack.disable(me modelpack.me, model text, reason text) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- for another disable or enable, or who applies a declaration: see modelpack.hold_models
set lock_timeout = '3s'
as $modelpack$
#variable_conflict use_column
declare
  v_caller constant name := modelpack.caller(me, 'disable');
  v_approver constant boolean := pg_has_role(v_caller, 'modelpack_approver', 'member');
begin
  perform modelpack.check_text('the reason', disable.reason);
  if not v_approver then
    perform modelpack.check_grant(v_caller, disable.model, 'disable');
  end if;
  lock table modelpack.made in row share mode;  -- see modelpack.holders
  loop
    begin
      update modelpack.model as m
         set disabled = coalesce(nullif(disable.reason, ''), 'by hand'), disabled_at = clock_timestamp(), disabled_by = v_caller
       where m.model = disable.model;
      exit;
    exception when lock_not_available then
      -- no publisher keeps an approver from stopping a model
      continue when v_approver and modelpack.end_holders() > 0;
      raise;
    end;
  end loop;
  if not found then
    raise exception using
      errcode = 'undefined_object',
      message = format('there is no model %s', modelpack.shown(disable.model, 63)),
      detail = format('There are: %s.', coalesce((select string_agg(m.model, ', ' order by m.model) from modelpack.model as m), 'none'));
  end if;
  perform modelpack.switch(disable.model);
exception when lock_not_available then
  raise exception using
    errcode = 'lock_not_available',
    message = format('the model %s is not stopped: another transaction disables or enables it, or applies a declaration of it or takes it off', disable.model),
    detail = format('Processes that do so: %s.', modelpack.holders()),
    hint = 'Have that transaction end (as a superuser: select pg_terminate_backend(PID)), and disable again.';
end
$modelpack$;
comment on function modelpack.disable(modelpack.me, text, text) is 'modelpack.disable(model, reason) for who calls it.';
revoke all on function modelpack.disable(modelpack.me, text, text) from public;
create or replace function modelpack.disable(model text, reason text default '') returns void
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.disable(m, disable.model, disable.reason) from modelpack.me as m
$modelpack$;
comment on function modelpack.disable(text, text) is
  'Stops a model for all sessions, from the commit of this transaction on: events and features go on, rows that would be scored keep their last score and say ''disabled: ...''. No lock on an event or profile table. modelpack.enable takes it back.';
revoke all on function modelpack.disable(text, text) from public;
grant execute on function modelpack.disable(text, text), modelpack.disable(modelpack.me, text, text) to modelpack_publisher, modelpack_approver;
