create or replace function modelpack.kin(relation regclass) returns text
language sql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select case
         when c.relispartition then
           format('is a partition of %s', (select a.root from pg_partition_ancestors(c.oid) with ordinality as a (root, level) order by a.level desc limit 1))
         when exists (select from pg_inherits as i where i.inhrelid = c.oid) then
           format('inherits from %s', (select min(i.inhparent::regclass::text) from pg_inherits as i where i.inhrelid = c.oid))
         when c.relkind = 'r' then
           (select format('has %s, which inherits from it', min(i.inhrelid::regclass::text)) from pg_inherits as i where i.inhparent = c.oid having count(*) > 0)
         when c.relkind = 'p' then
           (select format('has the partition %s, a foreign table', min(f.oid::regclass::text))
              from pg_partition_tree(c.oid) as t join pg_class as f on f.oid = t.relid and f.relkind = 'f' having count(*) > 0)
       end
  from pg_class as c
 where c.oid = kin.relation
$modelpack$;
comment on function modelpack.kin(regclass) is
  'How statements on another table change rows of a table past its own statement triggers; NULL where none can.';
