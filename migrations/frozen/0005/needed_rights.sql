create or replace function modelpack.needed_rights(runner regrole default null)
returns table (profile_id integer, role regrole, relation regclass, schema regnamespace, routine regprocedure, privilege text, granted boolean)
language sql stable security invoker
set search_path = pg_catalog, pg_temp
set jit = off
as $modelpack$
-- without jit: it looks costly enough for a compiler, which would take ten times as long as the query
with needed as (
  select p.profile_id, coalesce(needed_rights.runner, modelpack.runs_as(p.relation)) as role, t.relation, t.wanted
    from modelpack.profile as p
    join pg_class as c on c.oid = p.relation
   cross join lateral (
     select p.relation, array['SELECT', 'INSERT', 'UPDATE']
      union all
     -- to_regclass would need the very right that may be missing
     select r.oid, array['SELECT']
       from jsonb_array_elements(p.declaration -> 'events') as e
      -- as modelpack.qualified() has them
      cross join string_to_array(case when position('.' in e.value ->> 'table') = 0 then 'public.' else '' end || (e.value ->> 'table'), '.') as d
       join pg_namespace as n on n.nspname = d[1]
       join pg_class as r on r.relnamespace = n.oid and r.relname = d[2]) as t (relation, wanted)
), schemas as (
  select distinct n.profile_id, r.role, s.schema
    from needed as n
    join pg_class as c on c.oid = n.relation
   cross join lateral (values (c.relnamespace), ('modelpack'::regnamespace)) as s (schema)
   -- modelpack_owner looks names up
   cross join lateral (values (n.role), ('modelpack_owner'::regrole)) as r (role)
)
select n.profile_id, n.role, n.relation, null::regnamespace, null::regprocedure, w.privilege, has_table_privilege(n.role, n.relation, w.privilege)
  from needed as n cross join unnest(n.wanted) as w (privilege)
union all
select s.profile_id, s.role, null, s.schema, null, 'USAGE', has_schema_privilege(s.role, s.schema, 'USAGE')
  from schemas as s
union all
-- the arithmetic of features, inputs and keys; and what the owner of a table calls before he retypes or drops a column
select s.profile_id, s.role, null, null, f.oid, 'EXECUTE', has_function_privilege(s.role, f.oid, 'EXECUTE')
  from schemas as s
  join pg_proc as f on f.oid in (select a.routine from modelpack.arithmetic() as a (routine)
                                union all
                                values ('modelpack.listen(regclass, boolean)'::regprocedure), ('modelpack.heard(regclass, boolean)'::regprocedure))
 where s.schema = 'modelpack'::regnamespace
union all
-- what names the champion, and what rooms have made
select n.profile_id, n.role, null, null, f.oid, 'EXECUTE', has_function_privilege(n.role, f.oid, 'EXECUTE')
  from (select distinct n.profile_id, n.role from needed as n) as n
  join modelpack.made as m on m.profile_id = n.profile_id and m.kind in ('seam', 'room')
  join pg_proc as f on f.pronamespace = 'modelpack'::regnamespace and f.proname = m.object
$modelpack$;
comment on function modelpack.needed_rights(regrole) is
  'What the role that a profile''s functions run as needs: on its tables, their schemas and the functions that they call, and whether it has it. runner: another role than runs_as() says.';
