create or replace function modelpack.examine_rights() returns table (status text, "check" text, found text, expected text, mend text)
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
-- A dump without owners and privileges (pg_dump -O -x) makes a database in which triggers run as whoever restored it, a superuser
-- as a rule, and in which everybody may call what was granted to few.
declare
  v_mend constant text := 'as a superuser: modelpack install --repair';
begin
  return query
  select 'fail', 'owner of functions',
         format('%s functions that run as their owner belong to %s, such as modelpack.%s()', count(*), pg_get_userbyid(f.proowner), min(f.proname)),
         'modelpack_owner, which is no superuser', v_mend
    from pg_proc as f
   where f.pronamespace = 'modelpack'::regnamespace and f.prosecdef and f.prorettype <> 'event_trigger'::regtype and f.proname not in ('arm_table', 'crossing_table', 'end_holders', 'erase_golden', 'erase_row', 'listen_for', 'lockers', 'shadow_table')
     and f.proowner <> 'modelpack_owner'::regrole
     and not exists (select from modelpack.made as m where m.object = f.proname)  -- of a declaration: see modelpack.examine_triggers
     and not exists (select from modelpack.profile as p where right(obj_description(f.oid, 'pg_proc'), length(p.stem) + 2) = format('[%s]', p.stem))
   group by f.proowner
   order by 3;
  return query
  select 'fail', 'rights on tables', format('modelpack_owner may not read %s', string_agg('modelpack.' || c.relname, ', ' order by c.relname)),
         'select, as which role the triggers run', v_mend
    from pg_class as c
   where c.relnamespace = 'modelpack'::regnamespace and c.relkind in ('r', 'p', 'v') and not c.relispartition
     and not has_table_privilege('modelpack_owner', c.oid, 'select')
  having count(*) > 0;
  return query
  select 'fail', 'rights of everybody', format('PUBLIC may use %s, such as modelpack.%s', string_agg(distinct o.kind, ' and '), min(o.name)),
         'nothing: each role has what it was granted', v_mend
    from (select 'functions' as kind, f.proname || '()' as name, coalesce(f.proacl, acldefault('f', f.proowner)) as acl
            from pg_proc as f
           where f.pronamespace = 'modelpack'::regnamespace
             -- BEFORE DELETE, for each row: see modelpack.follow_moves
             and (f.prosecdef or not exists (select from pg_trigger as t where t.tgfoid = f.oid and t.tgtype & 11 = 11))
          union all
          select 'tables', c.relname::text, c.relacl from pg_class as c where c.relnamespace = 'modelpack'::regnamespace) as o
   cross join lateral aclexplode(o.acl) as a
   where a.grantee = 0
  having count(*) > 0;
  return query
  select 'fail', 'rights of roles', format('%s may not use the schema modelpack', string_agg(r.name, ', ' order by r.name)),
         'usage, and what docs/security.md lists', v_mend
    from unnest(array['modelpack_owner', 'modelpack_publisher', 'modelpack_approver', 'modelpack_reader', 'modelpack_monitor']) as r (name)
   where not has_schema_privilege(r.name, 'modelpack'::regnamespace, 'usage')
  having count(*) > 0;
end
$modelpack$;
comment on function modelpack.examine_rights() is
  'Owners and rights of the schema, against what was installed. No row: all is right.';
