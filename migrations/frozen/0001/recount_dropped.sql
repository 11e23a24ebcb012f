create or replace function modelpack.recount_dropped() returns event_trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- A dropped partition takes its events along, and nobody can ask it any more which customers they were of.
declare
  v_found record;
  v_before constant text := current_setting('lock_timeout');
  v_hint text;
begin
  perform set_config('lock_timeout', modelpack.patience(), true);
  for v_found in
    select distinct a.stem, a.profile, a.relation, a.on_delete
      from pg_event_trigger_dropped_objects() as d
      join pg_event_trigger_dropped_objects() as gone
        on gone.object_type = 'table' and gone.address_names = d.address_names[1:2] and not gone.is_temporary
      join pg_trigger as t on t.tgname = d.address_names[3] and not t.tgisinternal
      join modelpack.attached_tables() as a on a.relation = t.tgrelid and a.is_event
      join pg_proc as f on f.oid = t.tgfoid and f.pronamespace = 'modelpack'::regnamespace and starts_with(f.proname, a.stem)
     where d.object_type = 'trigger'
       -- triggers of a profile are called the same on all of its event tables: one that is dropped itself is no partition
       and not exists (select from modelpack.profile as p
                         join modelpack.made as m on m.profile_id = p.profile_id and m.kind = 'event'
                         join pg_event_trigger_dropped_objects() as e on e.classid = 'pg_class'::regclass and e.objid = m.relation
                        where p.relation = a.profile)
  loop
    if v_found.on_delete = 'subtract' then
      raise notice 'a partition of % was dropped: every row of % is counted again', v_found.relation, v_found.profile
        using hint = 'Quicker: ALTER TABLE ... DETACH PARTITION first, which counts only its own customers, then DROP TABLE.';
      perform modelpack.chunk('rebuild', v_found.profile, 0, null);
    else
      perform modelpack.chunk('refresh', v_found.profile, 0, null);
    end if;
  end loop;
  perform set_config('lock_timeout', v_before, true);
exception when lock_not_available then
  get stacked diagnostics v_hint = pg_exception_hint;
  if v_hint <> '' then
    raise;
  end if;
  raise exception using
    errcode = 'lock_not_available',
    message = format('%s is counted with its partitions, and another transaction holds rows or tables that this needs', v_found.relation),
    detail = format('Held by: %s.', modelpack.lockers(tables => v_found.relation::regclass || array(
      select a.profile from modelpack.attached_tables() as a where a.relation = v_found.relation and a.is_event))),
    hint = 'Have that transaction end (as a superuser: select pg_terminate_backend(PID)), and try again. How long is waited: set lock_timeout, or lock_wait of modelpack.setting.';
end
$modelpack$;
comment on function modelpack.recount_dropped() is 'Event trigger: counts a profile again when a partition of one of its event tables was dropped with its rows.';
drop event trigger if exists modelpack_dropped;
create event trigger modelpack_dropped on sql_drop when tag in ('DROP TABLE', 'DROP SCHEMA', 'DROP OWNED')
  execute function modelpack.recount_dropped();
comment on event trigger modelpack_dropped is 'keeps features exact when a partition of an event table is dropped';
