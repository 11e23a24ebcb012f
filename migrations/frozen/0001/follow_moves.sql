create or replace function modelpack.follow_moves(relation text, moves name, moved name, function name) returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- A row can move where a column changes that partitions are told apart by, on any level. Row triggers of a partitioned table
-- are those of its partitions, too.
declare
  v_changed text;
begin
  if (select c.relkind from pg_class as c where c.oid = relation::regclass) <> 'p' then
    return;
  end if;
  select case when bool_or(k.place = 0) then 'old.* is distinct from new.*'
              else string_agg(distinct format('pg_catalog.record_image_ne(row(old.%1$I), row(new.%1$I))', a.attname), ' or ') filter (where k.place > 0)
              end
    into v_changed
    from pg_partition_tree(relation::regclass) as t
    join pg_partitioned_table as p on p.partrelid = t.relid
   cross join unnest(p.partattrs::smallint[]) as k (place)
    left join pg_attribute as a on a.attrelid = p.partrelid and a.attnum = k.place;
  execute format('create or replace trigger %I before update on %s for each row when (%s) execute function modelpack.%I()',
                 moves, relation::regclass, v_changed, function);
  execute format('create or replace trigger %I before delete on %s for each row execute function modelpack.%I()',
                 moved, relation::regclass, function);
  -- whoever makes a partition makes its triggers; the function notes something of the row that its caller writes, and no more
  execute format('grant execute on function modelpack.%I() to public', function);
end
$modelpack$;
comment on function modelpack.follow_moves(text, name, name, name) is
  'Has rows of a partitioned event table noted that move to another partition, so that MERGE is refused where it moves one; a step of applying a declaration.';
