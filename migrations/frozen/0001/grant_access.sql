create or replace function modelpack.grant_access(relation text, runner regrole default null) returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $modelpack$
-- What is granted is noted, so that detaching takes back just that.
declare
  v_right record;
  v_object text;
begin
  for v_right in
    select r.* from modelpack.needed_rights(grant_access.runner) as r
      join modelpack.profile as p using (profile_id)
     where p.relation = grant_access.relation::regclass and not r.granted
  loop
    if v_right.relation is not null then
      perform modelpack.do_soon(format('grant %s on %s to %s', v_right.privilege, v_right.relation, v_right.role),
                                format('the table %s', v_right.relation), 'pg_class', v_right.relation);
    elsif v_right.schema <> 'modelpack'::regnamespace then
      perform modelpack.do_soon(format('grant %s on schema %s to %s', v_right.privilege, v_right.schema, v_right.role),
                                format('the schema %s', v_right.schema), 'pg_namespace', v_right.schema);
    else
      -- by the same role whoever applies, who can then take it back
      v_object := coalesce('schema ' || v_right.schema::text, 'function ' || v_right.routine::text);
      perform modelpack.do_soon(format('select modelpack.as_owner(%L)', format('grant %s on %s to %s', v_right.privilege, v_object, v_right.role)),
                                'the ' || v_object, case when v_right.schema is null then 'pg_proc' else 'pg_namespace' end::regclass,
                                coalesce(v_right.schema::oid, v_right.routine::oid));
    end if;
    insert into modelpack.lent (role, role_name, relation, schema, routine, privilege)
    values (v_right.role, pg_get_userbyid(v_right.role), v_right.relation, (select n.nspname from pg_namespace as n where n.oid = v_right.schema),
            v_right.routine::text, v_right.privilege);
  end loop;
end
$modelpack$;
comment on function modelpack.grant_access(text, regrole) is
  'Grants the role that a profile''s functions run as (see modelpack.runs_as) what it lacks on its tables. Row security has to show it every row.';
