create or replace function modelpack.index_wanted(event text, key_columns text[], time_column text) returns text
language sql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Features are read again by key, windows by key and time. An index whose first columns are these serves.
select modelpack.index_name(event::regclass, key_columns || case when time_column is null then '{}'::text[] else array[time_column] end)
 where not exists (
         select from pg_index as i
          where i.indrelid = event::regclass and i.indisvalid and i.indpred is null and i.indexprs is null
            and (select array_agg(a.attname::text order by a.attname)
                   from unnest(i.indkey::smallint[]) with ordinality as k (attnum, place)
                   join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
                  where k.place <= cardinality(key_columns))
                = (select array_agg(c order by c) from unnest(key_columns) as c)
            and (time_column is null
                 or (select a.attname from pg_attribute as a
                      where a.attrelid = i.indrelid and a.attnum = (i.indkey::smallint[])[cardinality(key_columns)])
                    = time_column))
$modelpack$;
comment on function modelpack.index_wanted(text, text[], text) is
  'The name of the index that reading an event table by key (and time) needs; NULL where one is there that serves.';
