create or replace function modelpack.caller() returns name
language sql stable security invoker parallel safe
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Inside a SECURITY DEFINER function current_user is the owner; SET ROLE needs membership, so its setting can be believed.
select coalesce(nullif(current_setting('role'), 'none')::name, session_user)
$modelpack$;
comment on function modelpack.caller() is 'The role that calls: that of SET ROLE, else the one that logged in. Grants for a model are looked up for it.';
