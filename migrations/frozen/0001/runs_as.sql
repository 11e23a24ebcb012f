create or replace function modelpack.runs_as(relation regclass) returns regrole
language sql stable security invoker parallel safe
set search_path = pg_catalog, pg_temp
as $modelpack$
-- A superuser's function would run with all rights what modelpack_owner may replace.
select case when r.rolsuper then 'modelpack_owner'::regrole else r.oid::regrole end
  from pg_class as c join pg_roles as r on r.oid = c.relowner
 where c.oid = relation
$modelpack$;
comment on function modelpack.runs_as(regclass) is
  'The role that the functions of a profile run as, and with them triggers, defaults and expressions of its tables: the owner of the profile table, or modelpack_owner where that is a superuser.';
