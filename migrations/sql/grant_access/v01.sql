create or replace function modelpack.grant_access(relation text, is_profile boolean) returns void
language plpgsql security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- What the triggers need, as the role modelpack_owner: to read events, and to read and write profiles.
declare
  v_schema text;
begin
  select n.nspname into v_schema
    from pg_class as c join pg_namespace as n on n.oid = c.relnamespace where c.oid = relation::regclass;
  execute format('grant usage on schema %I to modelpack_owner', v_schema);
  execute format('grant %s on %s to modelpack_owner',
                 case when is_profile then 'select, insert, update' else 'select' end, relation::regclass);
end
$modelpack$;
comment on function modelpack.grant_access(text, boolean) is
  'Grants modelpack_owner what the triggers need on an event or profile table. Row security does not apply to that role.';
