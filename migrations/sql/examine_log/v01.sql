create or replace function modelpack.examine_log() returns table (status text, "check" text, found text, expected text, mend text)
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_last timestamptz;
  v_days constant integer := (select s.value::integer from modelpack.setting as s where s.name = 'log_partition_days');
begin
  select max((regexp_match(pg_get_expr(c.relpartbound, c.oid), $$TO \('([^']+)'\)$$))[1]::timestamptz) into v_last
    from pg_inherits as i join pg_class as c on c.oid = i.inhrelid
   where i.inhparent = 'modelpack.prediction'::regclass and c.relname <> 'prediction_default';
  return query
  select 'warn', 'partitions of the prediction log', coalesce('the last one ends ' || v_last, 'none'),
         format('partitions for %s days ahead', v_days), 'select modelpack.maintain(); run it every day'
   where v_last is null or v_last < now() + v_days * interval '1 day';
  return query
  select 'warn', 'default partition of the prediction log', 'it has rows', 'empty: rows there are dropped one by one',
         'select modelpack.maintain(); run it every day'
   where exists (select from modelpack.prediction_default);
end
$modelpack$;
comment on function modelpack.examine_log() is
  'Partitions of the prediction log. No row: all is right.';
