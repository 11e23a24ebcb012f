create or replace function modelpack.ensure_index(profile text, event text, key_columns text[], time_column text) returns void
language plpgsql security invoker
set search_path = pg_catalog, pg_temp
set default_tablespace = ''
as $modelpack$
-- Features are read again by key, windows by key and time. An index whose first columns are these serves.
declare
  v_wanted text[] := key_columns || case when time_column is null then '{}'::text[] else array[time_column] end;
  v_name text;
begin
  if exists (
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
                  = time_column)
     ) then
    return;
  end if;
  v_name := modelpack.index_name(event::regclass, v_wanted);
  perform set_config('default_tablespace', modelpack.tablespace(event::regclass), true);
  execute format('create index if not exists %I on %s (%s)', v_name, event::regclass,
                 (select string_agg(format('%I', c), ', ' order by place) from unnest(v_wanted) with ordinality as w (c, place)));
  update modelpack.profile as p
     set added_indexes = p.added_indexes || format('%I.%I',
           (select n.nspname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace where c.oid = event::regclass), v_name)
   where p.relation = profile::regclass;
end
$modelpack$;
comment on function modelpack.ensure_index(text, text, text[], text) is
  'Makes the index that reading an event table by key (and time) needs, unless one is there. For a large table make it yourself before, with CREATE INDEX CONCURRENTLY.';
