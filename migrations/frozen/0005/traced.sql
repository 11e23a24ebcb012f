create or replace function modelpack.traced(personal modelpack.personal, out condition text, out at text)
language sql stable security invoker
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $modelpack$
select format('t.%I = $2 and ', (personal).key_column)
       || case when (personal).through is null then 't.profile = $1'
               else format('(%s) in (select %s from modelpack.%I as x where x.profile = $1)',
                           (select string_agg(format('t.%I', c.name), ', ' order by c.place) from unnest((personal).through_columns) with ordinality as c (name, place)),
                           (select string_agg(format('x.%I', c.name), ', ' order by c.place) from unnest((personal).through_columns) with ordinality as c (name, place)),
                           (personal).through) end,
       case when (personal).time_column is null then 'null::timestamptz' else format('t.%I', (personal).time_column) end
  from pg_class as c
 where c.oid = to_regclass(format('modelpack.%I', (personal).relation))
$modelpack$;
comment on function modelpack.traced(modelpack.personal) is
  'SQL that finds the rows t of an entity in a table of modelpack.personal ($1: the profile, $2: the key or its hash), and that says when they are of; NULL where there is no such table.';
revoke all on function modelpack.traced(modelpack.personal) from public;
