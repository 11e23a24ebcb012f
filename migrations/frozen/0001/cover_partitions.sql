create or replace function modelpack.cover_partitions(relation text) returns integer
language plpgsql security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- A statement trigger of a partitioned table does not fire for a statement that names a partition: each partition
-- gets the same triggers.
declare
  v_missing record;
  v_made integer := 0;
begin
  for v_missing in
    select p.relid::regclass as partition, t.tgname, f.proname, t.tgtype::integer as type, t.tgoldtable, t.tgnewtable
      from pg_partition_tree(relation::regclass) as p
      join pg_trigger as t on t.tgrelid = relation::regclass and not t.tgisinternal
      -- one that runs as whoever writes is no COUNT trigger, and not for the owner of a table to put on that of another
      join pg_proc as f on f.oid = t.tgfoid and f.pronamespace = 'modelpack'::regnamespace and f.prosecdef
     where p.level > 0
       and t.tgtype & 1 = 0   -- row triggers follow by themselves
       and not exists (select from pg_trigger as o where o.tgrelid = p.relid and o.tgname = t.tgname)
     order by 1, 2
  loop
    execute format('create trigger %I after %s on %s%s%s%s for each statement execute function modelpack.%I()',
      v_missing.tgname,
      case when v_missing.type & 4 <> 0 then 'insert' when v_missing.type & 8 <> 0 then 'delete'
           when v_missing.type & 16 <> 0 then 'update' else 'truncate' end,
      v_missing.partition,
      case when v_missing.tgoldtable is null and v_missing.tgnewtable is null then '' else ' referencing' end,
      case when v_missing.tgoldtable is null then '' else format(' old table as %I', v_missing.tgoldtable) end,
      case when v_missing.tgnewtable is null then '' else format(' new table as %I', v_missing.tgnewtable) end,
      v_missing.proname);
    v_made := v_made + 1;
  end loop;
  return v_made;
end
$modelpack$;
comment on function modelpack.cover_partitions(text) is 'Puts the triggers of a partitioned event or profile table on its partitions; returns how many were missing. Attaching does it, and the event trigger modelpack_partitions for partitions that come later.';
