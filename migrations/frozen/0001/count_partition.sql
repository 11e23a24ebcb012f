create or replace function modelpack.count_partition(relation regclass, partition regclass, joins boolean) returns void
language plpgsql security invoker
set search_path = pg_catalog, pg_temp
set default_table_access_method = heap
as $modelpack$
-- A partition that joins an event table counts as an INSERT of its rows, one that leaves as a DELETE: its rows go through
-- a temporary table with the very COUNT trigger. It is read as whoever calls, an event trigger of a superuser, who may read
-- the partition; the trigger is fired as modelpack_owner, who may have another function in its place.
declare
  v_columns text;
  v_filled boolean;
  v_table constant text := 'modelpack_' || md5(clock_timestamp()::text || random()::text);
  v_trigger record;
begin
  execute format('select exists (select from %s)', partition) into v_filled;
  if not v_filled then
    return;
  end if;
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using
      errcode = 'feature_not_supported',
      message = format('the partition %s %s %s in a transaction that is %s', partition,
                       case when joins then 'joins' else 'leaves' end, relation, current_setting('transaction_isolation')),
      detail = 'Its snapshot is older than the lock, so events of other sessions could be missed.',
      hint = 'Do it at read committed.';
  end if;
  -- no event of another session is on its way while the partition is counted
  execute format('lock table %s in share row exclusive mode', relation);
  select string_agg(format('%I', a.attname), ', ' order by a.attnum) into v_columns
    from pg_attribute as a where a.attrelid = relation and a.attnum > 0 and not a.attisdropped;
  execute format('create temporary table %I as select %s from %s', v_table || '_rows', v_columns, partition);
  execute format('create temporary table %I as select * from pg_temp.%I where %L', v_table, v_table || '_rows', not joins);
  execute format('grant select, insert, delete on pg_temp.%I, pg_temp.%I to modelpack_owner', v_table, v_table || '_rows');
  for v_trigger in
    select t.tgname, f.proname
      from pg_trigger as t
      join pg_proc as f on f.oid = t.tgfoid and f.pronamespace = 'modelpack'::regnamespace
     where t.tgrelid = relation and not t.tgisinternal and t.tgtype = case when joins then 4 else 8 end
     order by t.tgname
  loop
    execute format('create trigger %I after %s on pg_temp.%I referencing %s table as %s for each statement '
                   'execute function modelpack.%I()',
                   v_trigger.tgname, case when joins then 'insert' else 'delete' end, v_table, case when joins then 'new' else 'old' end,
                   case when joins then 'new_rows' else 'old_rows' end, v_trigger.proname);
  end loop;
  perform modelpack.as_owner(format(case when joins then 'insert into pg_temp.%I select * from pg_temp.%I' else 'delete from pg_temp.%I' end,
                                    v_table, v_table || '_rows'));
  execute format('drop table pg_temp.%I, pg_temp.%I', v_table, v_table || '_rows');
end
$modelpack$;
comment on function modelpack.count_partition(regclass, regclass, boolean) is
  'Counts the rows of a partition that has joined or left an event table, as an INSERT or DELETE of them would.';
