create or replace function modelpack.generated(stem text) returns setof name
language sql stable security invoker parallel safe
set search_path = pg_catalog, pg_temp
as $modelpack$
-- The functions that a declaration generated carry a comment that says so, and the stem in their names.
select f.proname
  from pg_proc as f
 where f.pronamespace = 'modelpack'::regnamespace
   and f.oid in (select d.objoid from pg_description as d
                  where d.classoid = 'pg_proc'::regclass and right(d.description, length(stem) + 2) = '[' || stem || ']')
$modelpack$;
comment on function modelpack.generated(text) is 'Names of the functions that were generated for a profile.';
