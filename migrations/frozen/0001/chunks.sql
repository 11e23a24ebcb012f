create or replace function modelpack.chunks(relation regclass, chunk_blocks bigint, share integer default 1, shares integer default 1) returns table (first_block bigint, last_block bigint)
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- The blocks of a table, or of all its partitions side by side, in steps; the last step has no end.
select b, case when b + s.step <= s.blocks then b + s.step - 1 end
  from (select coalesce(max(pg_relation_size(t.relid)), 0) / current_setting('block_size')::bigint as blocks,
               greatest(1, chunk_blocks / greatest(1, count(*))) as step
          from (select relid from pg_partition_tree(relation) where isleaf
                union all
                select relation where (select c.relkind from pg_class as c where c.oid = relation) = 'r') as t) as s,
       generate_series(0, s.blocks, s.step) as b
 where modelpack.falls_to(share, shares, b / s.step)
$modelpack$;
comment on function modelpack.chunks(regclass, bigint, integer, integer) is 'Ranges of blocks that together cover a table, or one of several equal shares of them.';
