create or replace function modelpack.maintain() returns table (partition text, action text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $modelpack$
#variable_conflict use_column
declare
  v_days constant integer := (select s.value::integer from modelpack.setting as s where s.name = 'log_partition_days');
  v_ahead constant integer := (select s.value::integer from modelpack.setting as s where s.name = 'log_partitions_ahead');
  v_oldest constant timestamptz := now() - (select s.value::interval from modelpack.setting as s where s.name = 'log_retention');
  v_from timestamptz;
  v_upto timestamptz;
  v_moved bigint;
  v_old record;
begin
  perform pg_advisory_xact_lock(hashtext('modelpack.maintain'));
  -- partitions for the weeks of whatever lies in the default partition, for this one, and for those ahead
  for v_from in
    select w.start
      from (select distinct timestamptz '2024-01-01' + v_days * interval '1 day'
                   * floor(date_part('epoch', t.at - timestamptz '2024-01-01') / (86400 * v_days)) as start
              from (select p.scored_at as at from only modelpack.prediction_default as p where p.scored_at >= v_oldest
                    union all
                    select now() + n * v_days * interval '1 day' from generate_series(0, v_ahead) as n) as t) as w
     where to_regclass('modelpack.prediction_' || to_char(w.start, 'YYYYMMDD')) is null
     order by w.start
  loop
    v_upto := v_from + v_days * interval '1 day';
    partition := 'prediction_' || to_char(v_from, 'YYYYMMDD');
    execute format('create table modelpack.%I (like modelpack.prediction including all excluding identity)', partition);
    execute format('alter table modelpack.%I owner to modelpack_owner', partition);
    execute format('with moved as (delete from modelpack.prediction_default where scored_at >= %L and scored_at < %L returning *) '
                   'insert into modelpack.%I select * from moved', v_from, v_upto, partition);
    get diagnostics v_moved = row_count;
    execute format('alter table modelpack.prediction attach partition modelpack.%I for values from (%L) to (%L)',
                   partition, v_from, v_upto);
    action := case when v_moved = 0 then 'made' else format('made, %s rows moved in', v_moved) end;
    return next;
  end loop;
  for v_old in
    select c.relname, (regexp_match(pg_get_expr(c.relpartbound, c.oid), $$TO \('([^']+)'\)$$))[1]::timestamptz as upto
      from pg_inherits as i join pg_class as c on c.oid = i.inhrelid
     where i.inhparent = 'modelpack.prediction'::regclass and c.relname <> 'prediction_default'
  loop
    if v_old.upto <= v_oldest then
      execute format('drop table modelpack.%I', v_old.relname);
      partition := v_old.relname;
      action := 'dropped';
      return next;
    end if;
  end loop;
  delete from modelpack.prediction_default as p where p.scored_at < v_oldest;
  delete from modelpack.failure_log as f
   where f.at < now() - (select s.value::interval from modelpack.setting as s where s.name = 'failure_retention');
end
$modelpack$;
comment on function modelpack.maintain() is
  'Makes partitions of the prediction log ahead and drops those older than the setting log_retention. Run it every day; a log without it still takes every row.';
revoke all on function modelpack.maintain() from public;
grant execute on function modelpack.maintain() to modelpack_monitor;
