create or replace function modelpack.event_tables(profile regclass) returns table (name text, relation regclass, key text)
language sql stable security definer
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $modelpack$
select t.name, c.oid::regclass,
       (select string_agg(format('e.%I', k.name), ', ' order by k.place) from jsonb_array_elements_text(t.key) with ordinality as k (name, place))
  from modelpack.get_profile(event_tables.profile) as p
 cross join jsonb_array_elements(p.declaration -> 'events') with ordinality as e
 cross join lateral (select modelpack.qualified(e.value ->> 'table') as name, coalesce(nullif(e.value -> 'key', 'null'), p.declaration -> 'key') as key) as t
  left join pg_class as c on c.oid = to_regclass(t.name) and modelpack.plain(c.oid, array(select jsonb_array_elements_text(t.key)))
 order by e.ordinality
$modelpack$;
comment on function modelpack.event_tables(regclass) is
  'The event tables of a profile, as they are declared, and the columns of each that hold the key of the profile, as SQL over the row e. relation is NULL where the name is no plain table with these columns any more.';
revoke all on function modelpack.event_tables(regclass) from public;
grant execute on function modelpack.event_tables(regclass) to modelpack_monitor;
