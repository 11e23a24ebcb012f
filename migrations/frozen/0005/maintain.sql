create or replace function modelpack.maintain() returns table (partition text, action text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO, MDY'
set default_tablespace = ''
as $modelpack$
#variable_conflict use_column
declare
  v_days constant integer := (select s.value::integer from modelpack.setting as s where s.name = 'log_partition_days');
  v_ahead constant integer := (select s.value::integer from modelpack.setting as s where s.name = 'log_partitions_ahead');
  v_oldest constant timestamptz := now() - (select s.value::interval from modelpack.setting as s where s.name = 'log_retention');
  -- a statement that began before a partition's end may bring its rows after it
  v_closed constant timestamptz := now() - interval '1 hour';
  v_index constant text := 'create index %I on modelpack.%I (entity_key, prediction_id)';
  v_range constant integer := (select coalesce(substring(c.reloptions::text from 'pages_per_range=([0-9]+)'), '128')
                                 from pg_class as c where c.oid = to_regclass('modelpack.prediction_entity_idx'));
  v_settings constant text := (select array_to_string(c.reloptions, ', ') from pg_class as c where c.oid = 'modelpack.prediction_default'::regclass);
  v_part record;
  v_from timestamptz;
  v_upto timestamptz;
  v_count bigint;
  v_locked boolean;
  v_setting constant text := current_setting('lock_timeout');
  v_detail text;
  v_hint text;
  -- transactions that may have a snapshot from before this moment
  v_before constant xid := pg_snapshot_xmin(pg_current_snapshot())::xid;
  v_running constant text[] := array(select l.virtualtransaction
                                       from pg_locks as l join pg_stat_activity as a on a.pid = l.pid
                                      where l.locktype = 'virtualxid' and l.pid <> pg_backend_pid() and a.datname = current_database());
begin
  -- no advisory lock, which everybody may hold
  if not modelpack.try_lock('modelpack.turn', 'share update exclusive') then
    partition := 'prediction';
    action := 'nothing was done: modelpack.maintain() is at work in another session, or in a transaction that is still open';
    return next;
    return;
  end if;
  -- partitions and their indexes lie where the log has been put
  perform set_config('default_tablespace', modelpack.tablespace('modelpack.prediction'), true);
  -- what may take long comes before all that locks others out. A B-tree, made in order, where nobody writes any more;
  -- filters of the pages that are full where somebody does (the page in hand would have its filter written with each row)
  for v_part in select l.* from modelpack.log_partitions() as l where l.upto > v_oldest and not l.indexed order by l.upto loop
    partition := v_part.partition;
    if v_part.upto <= v_closed then
      if modelpack.try_lock(format('modelpack.%I', partition)::regclass, 'share') then
        execute format(v_index, partition || '_by_key', partition);
        action := 'indexed';
      else
        action := 'not indexed: a transaction that wrote into it is still open; the next run will do it';
      end if;
      return next;
    elsif modelpack.try_lock(format('modelpack.%I', partition)::regclass, 'share update exclusive') then
      select sum(brin_summarize_range(v_part.filter, b.first)) into v_count
        from generate_series(0, pg_relation_size(format('modelpack.%I', partition)::regclass)
                                / current_setting('block_size')::bigint - v_range, v_range) as b (first);
      if v_count > 0 then
        action := format('%s ranges of %s pages summarised', v_count, v_range);
        return next;
      end if;
    end if;
  end loop;
  -- partitions for the days of whatever lies in the default partition, for this one, and for those ahead
  for v_from in
    select w.start
      from (select distinct timestamptz '2024-01-01' + v_days * interval '1 day'
                   * floor(date_part('epoch', t.at - timestamptz '2024-01-01') / (86400 * v_days)) as start
              from (select p.scored_at as at from only modelpack.prediction_default as p where p.scored_at >= v_oldest
                    union all
                    select now() + n * v_days * interval '1 day' from generate_series(0, v_ahead) as n) as t) as w
     order by w.start
  loop
    v_upto := v_from + v_days * interval '1 day';
    -- where log_partition_days was changed, those that are there keep what they have
    select greatest(v_from, max(l.upto)) into v_from from modelpack.log_partitions() as l where l.since < v_upto and l.upto > v_from;
    if v_from >= v_upto then
      continue;
    end if;
    partition := 'prediction_' || to_char(v_from, 'YYYYMMDD');
    if not modelpack.try_lock('modelpack.prediction_default', 'access exclusive') then
      action := 'not made: transactions that use the log are still open; the next run will do it';
      return next;
      exit;
    end if;
    execute format('create table modelpack.%I (like modelpack.prediction including all excluding identity) using heap%s',
                   partition, ' with (' || v_settings || ')');
    execute format('alter table modelpack.%I owner to modelpack_owner', partition);
    -- modelpack.observe() finds new rows by it
    execute format('create index %I on modelpack.%I using brin (prediction_id) with (pages_per_range = 32)', partition || '_by_number', partition);
    -- the filter of the first pages was made with the index, and would be written again with each of their rows
    perform brin_desummarize_range(x.indexrelid, 0)
       from pg_index as x join pg_class as n on n.oid = x.indexrelid join pg_am as m on m.oid = n.relam
      where x.indrelid = format('modelpack.%I', partition)::regclass and m.amname = 'brin';
    execute format('with moved as (delete from modelpack.prediction_default where scored_at >= %L and scored_at < %L returning *) '
                   'insert into modelpack.%I select * from moved', v_from, v_upto, partition);
    get diagnostics v_count = row_count;
    action := case when v_count = 0 then 'made' else format('made, %s rows moved in', v_count) end;
    execute format('alter table modelpack.prediction attach partition modelpack.%I for values from (%L) to (%L)',
                   partition, v_from, v_upto);
    if exists (select from modelpack.log_partitions() as l where l.partition = maintain.partition and l.upto <= v_closed and not l.indexed) then
      execute format(v_index, partition || '_by_key', partition);
      action := action || ', indexed';
    end if;
    return next;
  end loop;
  delete from modelpack.prediction_default as p where p.scored_at < v_oldest;
  delete from modelpack.failure_log as f
   where f.at < now() - (select s.value::interval from modelpack.setting as s where s.name = 'failure_retention');
  for v_part in select l.* from modelpack.log_partitions() as l where l.upto <= v_oldest order by l.upto loop
    partition := v_part.partition;
    action := 'not dropped: transactions that use the log are still open; the next run will do it';
    v_locked := coalesce(v_locked, modelpack.try_lock('modelpack.prediction', 'access exclusive'));
    -- every event waits for the log by now: whoever reads one partition alone is not waited for
    if v_locked and modelpack.try_lock(format('modelpack.%I', partition)::regclass, 'access exclusive', wait => false) then
      begin
        perform set_config('lock_timeout', '10ms', true);
        perform modelpack.drop_object(format('drop table modelpack.%I', partition), 'pg_class', format('modelpack.%I', partition)::regclass);
        action := 'dropped';
        perform set_config('lock_timeout', v_setting, true);
      exception
        when dependent_objects_still_exist then
          get stacked diagnostics v_detail = pg_exception_detail, v_hint = pg_exception_hint;
          action := format('not dropped: %s. %s %s', sqlerrm, v_detail, v_hint);
        when lock_not_available then  -- a view of it is in use
          null;
      end;
    end if;
    return next;
  end loop;
  -- Where events that were ignored meet their profile: once no transaction is left that began before, nobody can overlook
  -- the other there. Whatever is locked is in use.
  if not exists (select from pg_locks as l where l.locktype = 'virtualxid' and l.virtualtransaction = any (v_running)) then
    delete from modelpack.ignored as i
     where i.ctid = any (array(select j.ctid from modelpack.ignored as j where age(j.xmin) > age(v_before) for update skip locked));
  end if;
  -- what rooms around the core keep; what was made for a profile has its stem in the comment
  for v_part in
    select f.proname as function from pg_proc as f
     where f.pronamespace = 'modelpack'::regnamespace and starts_with(f.proname, 'maintain_') and f.pronargs = 0
       and right(obj_description(f.oid, 'pg_proc'), 1) <> ']'
     order by f.proname
  loop
    return query execute format('select * from modelpack.%I()', v_part.function);
  end loop;
end
$modelpack$;
comment on function modelpack.maintain() is
  'Keeps the prediction log: makes partitions ahead, indexes those where nobody writes any more by customer, and drops those older than the setting log_retention. Says what it did, and what open transactions made it leave to the next run. Run it every day; a log without it still takes every row.';
revoke all on function modelpack.maintain() from public;
grant execute on function modelpack.maintain() to modelpack_monitor;
