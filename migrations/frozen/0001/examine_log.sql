create or replace function modelpack.examine_log() returns table (status text, "check" text, found text, expected text, mend text)
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_last constant timestamptz := (select max(l.upto) from modelpack.log_partitions() as l);
  -- half of what maintain() makes ahead
  v_days constant numeric := (select s.value::numeric from modelpack.setting as s where s.name = 'log_partition_days')
                             * (select s.value::numeric from modelpack.setting as s where s.name = 'log_partitions_ahead') / 2;
  v_daily constant text := 'select * from modelpack.maintain(); run it every day';
begin
  return query
  select 'warn', 'partitions of the prediction log', coalesce('the last one ends ' || v_last, 'none'),
         format('partitions for %s days ahead', trim_scale(v_days)), v_daily
   where v_last is null or v_last < now() + v_days * interval '1 day';
  return query
  select 'warn', 'default partition of the prediction log', 'it has rows', 'empty: rows there are dropped one by one', v_daily
   where exists (select from modelpack.prediction_default);
  return query
  select 'warn', 'indexes of the prediction log', format('%s without a B-tree by customer, such as %s', count(*), min(l.partition)),
         'every partition that ended two days ago has one, for modelpack.history()', v_daily
    from modelpack.log_partitions() as l
   where l.upto < now() - interval '2 days' and not l.indexed
  having count(*) > 0;
end
$modelpack$;
comment on function modelpack.examine_log() is
  'Partitions and indexes of the prediction log. No row: all is right.';
