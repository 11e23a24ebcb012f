create or replace function modelpack.log_partitions()
returns table (partition text, since timestamptz, upto timestamptz, indexed boolean, filter regclass)
language sql stable security invoker
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO, MDY'
as $modelpack$
select c.relname::text, b.bounds[1]::timestamptz, b.bounds[2]::timestamptz,
       exists (select from pg_index as x join pg_class as n on n.oid = x.indexrelid join pg_am as m on m.oid = n.relam
                where x.indrelid = c.oid and x.indisvalid and x.indpred is null and m.amname = 'btree'
                  and (select a.attname from pg_attribute as a where a.attrelid = c.oid and a.attnum = x.indkey[0]) = 'entity_key'),
       (select x.indexrelid::regclass from pg_inherits as h join pg_index as x on x.indexrelid = h.inhrelid
         where h.inhparent = to_regclass('modelpack.prediction_entity_idx') and x.indrelid = c.oid)
  from pg_inherits as i
  join pg_class as c on c.oid = i.inhrelid
 cross join lateral regexp_match(pg_get_expr(c.relpartbound, c.oid), $$FROM \('([^']+)'\) TO \('([^']+)'\)$$) as b (bounds)
 where i.inhparent = 'modelpack.prediction'::regclass
$modelpack$;
comment on function modelpack.log_partitions() is
  'Partitions of the prediction log: their bounds (NULL for the default one), whether they have a B-tree by customer, and their part of prediction_entity_idx (NULL where a DBA has dropped that).';
