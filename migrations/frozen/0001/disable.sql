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
  v_before text[];
  v_blame record;
begin
  perform modelpack.check_text('the reason', disable.reason);
  if not v_approver then
    perform modelpack.check_grant(v_caller, disable.model, 'disable');
  end if;
  perform modelpack.hold(array[disable.model]);
  if v_approver then
    v_before := array(select h.transaction from modelpack.holders(array[disable.model]) as h);
  end if;
  loop
    begin
      update modelpack.model as m
         set disabled = coalesce(nullif(disable.reason, ''), 'by hand'), disabled_at = clock_timestamp(), disabled_by = v_caller
       where m.model = disable.model;
      exit;
    exception when lock_not_available then
      -- no publisher keeps an approver from stopping a model; who came to hold it a moment ago may end by himself, once
      if not v_approver or modelpack.end_holders(disable.model, v_before) = 0 then
        raise;
      end if;
      v_before := null;
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
  v_blame := modelpack.blame(array[disable.model], 'Then disable again.');
  raise exception using
    errcode = 'lock_not_available',
    message = format('the model %s is not stopped: another transaction disables or enables it, or applies a declaration of it or takes it off', disable.model),
    detail = v_blame.detail,
    hint = v_blame.hint;
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
