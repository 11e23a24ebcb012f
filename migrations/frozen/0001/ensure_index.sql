create or replace function modelpack.ensure_index(profile text, event text, key_columns text[], time_column text) returns void
language plpgsql security invoker
set search_path = pg_catalog, pg_temp
set default_tablespace = ''
as $modelpack$
-- Features are read again by key, windows by key and time. An index whose first columns are these serves.
declare
  v_wanted constant text[] := key_columns || case when time_column is null then '{}'::text[] else array[time_column] end;
  v_name constant text := modelpack.index_wanted(event, key_columns, time_column);
  v_called constant text := format('%I.%I', (select n.nspname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace where c.oid = event::regclass),
                                   modelpack.index_name(event::regclass, v_wanted));
begin
  if v_name is null then
    -- made for us before, beside running traffic
    update modelpack.profile as p
       set added_indexes = p.added_indexes || v_called
     where p.relation = profile::regclass and to_regclass(v_called) is not null
       and not exists (select from modelpack.profile as o where o.added_indexes @> array[v_called]);
    return;
  end if;
  perform set_config('default_tablespace', modelpack.tablespace(event::regclass), true);
  execute format('create index if not exists %I on %s (%s)', v_name, event::regclass,
                 (select string_agg(format('%I', c), ', ' order by place) from unnest(v_wanted) with ordinality as w (c, place)));
  update modelpack.profile as p
     set added_indexes = p.added_indexes || v_called
   where p.relation = profile::regclass;
end
$modelpack$;
comment on function modelpack.ensure_index(text, text, text[], text) is
  'Makes the index that reading an event table by key (and time) needs, unless one is there. For a large table make it yourself before, with CREATE INDEX CONCURRENTLY.';
