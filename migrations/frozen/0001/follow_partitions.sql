create or replace function modelpack.follow_partitions() returns event_trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Runs as a superuser, since whoever makes a partition need not know of modelpack. It runs no code of anybody else:
-- COUNT triggers run as modelpack_owner.
declare
  v_table record;
  v_found record;
  v_before constant text := current_setting('lock_timeout');
  v_hint text;
begin
  if not exists (select from pg_event_trigger_ddl_commands() as d
                   join pg_class as c on c.oid = d.objid
                  where d.object_type = 'table' and (c.relispartition or c.relkind = 'p')) then
    return;
  end if;
  -- the partition is locked by now: whoever keeps rows of the profile keeps its traffic waiting
  perform set_config('lock_timeout', modelpack.patience(), true);
  for v_table in
    select a.relation, bool_or(a.is_event) as is_event
      from modelpack.attached_tables() as a
      join pg_class as c on c.oid = a.relation and c.relkind = 'p'
     group by a.relation
     order by a.relation
  loop
    -- partitions that have left: they still have the triggers
    for v_found in
      select t.tgrelid::regclass as partition, array_agg(t.tgname) as triggers,
             not exists (select from pg_inherits as i
                          where i.inhrelid = t.tgrelid
                            and exists (select from pg_trigger as o where o.tgrelid = i.inhparent and o.tgfoid = any (array_agg(t.tgfoid)))) as topmost
        from pg_trigger as t
       where not t.tgisinternal
         and t.tgfoid in (select r.tgfoid from pg_trigger as r
                            join pg_proc as f on f.oid = r.tgfoid and f.pronamespace = 'modelpack'::regnamespace
                           where r.tgrelid = v_table.relation and r.tgtype & 1 = 0)
         and t.tgrelid not in (select p.relid from pg_partition_tree(v_table.relation) as p)
       group by t.tgrelid
       order by t.tgrelid
    loop
      for i in 1 .. cardinality(v_found.triggers) loop
        execute format('drop trigger %I on %s', v_found.triggers[i], v_found.partition);
      end loop;
      if v_table.is_event and v_found.topmost then
        perform modelpack.count_partition(v_table.relation, v_found.partition, joins => false);
      end if;
    end loop;
    -- partitions that have joined: they have none yet
    for v_found in
      select p.relid::regclass as partition, p.parentrelid = v_table.relation
             or exists (select from pg_trigger as t where t.tgrelid = p.parentrelid and t.tgfoid in (select r.tgfoid from pg_trigger as r where r.tgrelid = v_table.relation and r.tgtype & 1 = 0)) as topmost
        from pg_partition_tree(v_table.relation) as p
       where p.level > 0
         and not exists (select from pg_trigger as t
                           join pg_trigger as r on r.tgrelid = v_table.relation and r.tgfoid = t.tgfoid and r.tgtype & 1 = 0
                           join pg_proc as f on f.oid = r.tgfoid and f.pronamespace = 'modelpack'::regnamespace
                          where t.tgrelid = p.relid and not t.tgisinternal)
       order by p.level, p.relid
    loop
      if v_table.is_event and v_found.topmost then
        perform modelpack.count_partition(v_table.relation, v_found.partition, joins => true);
      end if;
    end loop;
    perform modelpack.cover_partitions(v_table.relation::text);
  end loop;
  perform set_config('lock_timeout', v_before, true);
exception when lock_not_available then
  get stacked diagnostics v_hint = pg_exception_hint;
  if v_hint <> '' then
    raise;
  end if;
  raise exception using
    errcode = 'lock_not_available',
    message = format('%s is counted with its partitions, and another transaction holds rows or tables that this needs', v_table.relation),
    detail = format('Held by: %s.', modelpack.lockers(tables => v_table.relation::regclass || array(
      select a.profile from modelpack.attached_tables() as a where a.relation = v_table.relation and a.is_event))),
    hint = 'Have that transaction end (as a superuser: select pg_terminate_backend(PID)), and try again. How long is waited: set lock_timeout, or lock_wait of modelpack.setting.';
end
$modelpack$;
comment on function modelpack.follow_partitions() is
  'Event trigger: a partition that joins an event table gets its triggers and counts as an INSERT of its rows, one that leaves counts as a DELETE.';
drop event trigger if exists modelpack_partitions;
create event trigger modelpack_partitions on ddl_command_end when tag in ('CREATE TABLE', 'ALTER TABLE', 'CREATE SCHEMA')
  execute function modelpack.follow_partitions();
comment on event trigger modelpack_partitions is 'keeps features exact when partitions of an event table come and go';
