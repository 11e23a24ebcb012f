create or replace function modelpack.disable(me modelpack.me, model text, reason text) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- only who may promote the model, or applies a declaration, can hold what it waits for
set lock_timeout = '3s'
as $modelpack$
#variable_conflict use_column
declare
  v_caller constant name := modelpack.caller(me, 'disable');
begin
  perform modelpack.check_text('the reason', disable.reason);
  if not pg_has_role(v_caller, 'modelpack_approver', 'member') then
    perform modelpack.check_grant(v_caller, disable.model, 'disable');
  end if;
  update modelpack.model as m
     set disabled = coalesce(nullif(disable.reason, ''), 'by hand'), disabled_at = clock_timestamp(), disabled_by = v_caller
   where m.model = disable.model;
  if not found then
    raise exception using
      errcode = 'undefined_object',
      message = format('there is no model %s', modelpack.shown(disable.model, 63)),
      detail = format('There are: %s.', coalesce((select string_agg(m.model, ', ' order by m.model) from modelpack.model as m), 'none'));
  end if;
  perform modelpack.bind_model(disable.model);
exception when lock_not_available then
  raise exception using
    errcode = 'lock_not_available',
    message = format('the model %s is not stopped: a promotion or a declaration is under way in another transaction', disable.model),
    detail = format('Processes that work on it: %s.',
                    (select coalesce(string_agg(distinct format('%s (%s)', a.pid, a.usename), ', '), 'none any more')
                       from pg_locks as l join pg_stat_activity as a using (pid)
                      where l.relation = 'modelpack.profile'::regclass and l.mode <> 'AccessShareLock' and l.granted and l.pid <> pg_backend_pid())),
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
