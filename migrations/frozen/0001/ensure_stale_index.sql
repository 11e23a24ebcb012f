create or replace function modelpack.ensure_stale_index(profile text, key_columns text[], stale_columns text[]) returns void
language plpgsql security invoker
set search_path = pg_catalog, pg_temp
set default_tablespace = ''
as $modelpack$
-- Finds stale rows. Only a row that becomes stale or fresh changes what the index looks at, so that all
-- other updates stay heap-only.
declare
  v_name constant text := modelpack.index_name(profile::regclass, array['stale'] || stale_columns);
  v_called constant text := format('%I.%I', (select n.nspname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace where c.oid = profile::regclass), v_name);
begin
  perform set_config('default_tablespace', modelpack.tablespace(profile::regclass), true);
  if to_regclass(v_called) is null then
    execute format('create index if not exists %I on %s (%s) where %s', v_name, profile::regclass,
                   (select string_agg(format('%I', c), ', ' order by place) from unnest(key_columns) with ordinality as w (c, place)),
                   (select string_agg(format('%I is not null', c), ' or ' order by place) from unnest(stale_columns) with ordinality as w (c, place)));
  end if;
  update modelpack.profile as p
     set added_indexes = p.added_indexes || v_called
   where p.relation = profile::regclass and v_called <> all (p.added_indexes);
end
$modelpack$;
comment on function modelpack.ensure_stale_index(text, text[], text[]) is 'Makes the index of a profile that holds its stale rows alone.';
