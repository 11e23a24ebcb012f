create or replace function modelpack.unobserved(batch integer) returns table (partition text, indexed boolean)
language sql volatile security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $modelpack$
-- A partition with an index is asked for rows above the watermark, unless there are so many that it is read from end to end.
-- One without is read from end to end, where nobody writes any more only if rows came: the server counts them.
with part as (
  select c.relname::text as partition, c.oid,
         pg_relation_size(c.oid) / current_setting('block_size')::bigint as blocks, pg_stat_get_tuples_inserted(c.oid) as inserted,
         exists (select from pg_index as x where x.indrelid = c.oid and x.indisvalid and x.indpred is null
                  and (select a.attname from pg_attribute as a where a.attrelid = c.oid and a.attnum = x.indkey[0]) = 'prediction_id') as indexed,
         l.upto
    from pg_inherits as i
    join pg_class as c on c.oid = i.inhrelid and c.relkind = 'r'
    left join modelpack.log_partitions() as l on l.partition = c.relname
   where i.inhparent = 'modelpack.prediction'::regclass
)
select p.partition, p.indexed and coalesce(pg_sequence_last_value('modelpack.prediction_prediction_id_seq'), 0) - o.low < 10 * unobserved.batch
  from part as p
 cross join modelpack.observed as o
  left join modelpack.observed_part as d on d.partition = p.partition
 where p.blocks > 0
   and (p.indexed or d.partition is null or d.blocks <> p.blocks or d.inserted <> p.inserted or coalesce(p.upto, 'infinity') > now() - interval '1 day')
 order by p.upto nulls last
$modelpack$;
comment on function modelpack.unobserved(integer) is
  'Partitions of the log that modelpack.observe has to look at, and whether by their index.';
revoke all on function modelpack.unobserved(integer) from public;
grant execute on function modelpack.unobserved(integer) to modelpack_publisher, modelpack_monitor;
