create or replace function modelpack.run_as(relation text, runner regrole default null) returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $modelpack$
-- Whoever applies a declaration is a member of both roles, or a superuser. A new owner of functions needs CREATE on their
-- schema, for this moment alone.
declare
  v_profile constant modelpack.profile := modelpack.get_profile(run_as.relation::regclass);
  v_runner constant regrole := coalesce(run_as.runner, modelpack.runs_as(v_profile.relation));
  v_lacks constant boolean := not has_schema_privilege(v_runner, 'modelpack', 'create')
    and not (select r.rolsuper from pg_roles as r where r.rolname = current_user)
    and exists (select from pg_proc as f
                 where f.pronamespace = 'modelpack'::regnamespace and f.proowner <> v_runner
                   and f.proname in (select g from modelpack.generated(v_profile.stem) as g)
                   and not exists (select from modelpack.made as m
                                    where m.profile_id = v_profile.profile_id and m.kind in ('seam', 'switch', 'room') and m.object = f.proname));
  -- what the text of a key depends on, if it is a time, an interval or bytes; others would only pay for the clauses
  v_pinned constant boolean := exists (
    select from pg_attribute as a join pg_type as t on t.oid = a.atttypid
     where a.attrelid = v_profile.relation and v_profile.declaration -> 'key' ? a.attname
       and (t.typcategory in ('D', 'T') or 'bytea'::regtype in (t.oid, t.typbasetype)));
  v_function record;
begin
  -- whoever disables the model replaces its switch, which cannot be given rights at the same moment
  if exists (select from modelpack.made as m
               join pg_proc as f on f.pronamespace = 'modelpack'::regnamespace and f.proname = m.object
              where m.profile_id = v_profile.profile_id and m.kind = 'switch'
                and (f.proowner <> 'modelpack_owner'::regrole or not has_function_privilege(v_runner, f.oid, 'EXECUTE')
                     or exists (select from aclexplode(f.proacl) as x where x.grantee not in (f.proowner, v_runner)))) then
    perform modelpack.hold_models(array(select distinct s.model from modelpack.score as s where s.profile_id = v_profile.profile_id));
  end if;
  if v_lacks then
    perform modelpack.do_soon(format('grant create on schema modelpack to %s', v_runner), 'the schema modelpack', 'pg_namespace', 'modelpack'::regnamespace);
  end if;
  for v_function in
    select f.oid, f.oid::regprocedure as name, f.proowner, f.prosecdef, f.prorettype = 'trigger'::regtype as fires, f.proconfig
      from pg_proc as f
     where f.pronamespace = 'modelpack'::regnamespace and f.proname in (select g from modelpack.generated(v_profile.stem) as g)
       and not exists (select from modelpack.made as m
                        where m.profile_id = v_profile.profile_id and m.kind in ('seam', 'switch', 'room') and m.object = f.proname)
  loop
    if v_function.proowner <> v_runner then
      perform modelpack.do_soon(format('alter function %s owner to %s', v_function.name, v_runner),
                                format('the function %s', v_function.name), 'pg_proc', v_function.oid);
    end if;
    if not v_function.fires and not has_function_privilege('modelpack_owner', v_function.oid, 'EXECUTE') then
      perform modelpack.do_soon(format('grant execute on function %s to modelpack_owner', v_function.name),
                                format('the function %s', v_function.name), 'pg_proc', v_function.oid);
    end if;
    if v_pinned and v_function.prosecdef
       and not coalesce(v_function.proconfig, '{}') @> array['DateStyle=ISO, MDY', 'IntervalStyle=postgres', 'bytea_output=hex'] then
      perform modelpack.do_soon(format('alter function %s set datestyle = ''ISO, MDY'' set intervalstyle = postgres set bytea_output = hex', v_function.name),
                                format('the function %s', v_function.name), 'pg_proc', v_function.oid);
    end if;
  end loop;
  if v_lacks then
    perform modelpack.do_soon(format('revoke create on schema modelpack from %s', v_runner), 'the schema modelpack', 'pg_namespace', 'modelpack'::regnamespace);
  end if;
  for v_function in
    select f.oid, f.oid::regprocedure as name, f.proowner, a.grantee
      from modelpack.made as m
      join pg_proc as f on f.pronamespace = 'modelpack'::regnamespace and f.proname = m.object
      left join lateral (select x.grantee from aclexplode(f.proacl) as x where x.grantee not in (f.proowner, v_runner)) as a on true
     where m.profile_id = v_profile.profile_id and m.kind in ('seam', 'switch', 'room')
  loop
    if v_function.proowner <> 'modelpack_owner'::regrole then
      perform modelpack.do_soon(format('alter function %s owner to modelpack_owner', v_function.name),
                                format('the function %s', v_function.name), 'pg_proc', v_function.oid);
    end if;
    if v_function.grantee is not null then
      perform modelpack.do_soon(format('revoke all on function %s from %s', v_function.name,
                                       case when v_function.grantee = 0 then 'public' else v_function.grantee::regrole::text end),
                                format('the function %s', v_function.name), 'pg_proc', v_function.oid);
    end if;
  end loop;
  perform modelpack.grant_access(run_as.relation, v_runner);
  -- see modelpack.follow_moves
  for v_function in
    select distinct f.oid::regprocedure as name
      from pg_trigger as t join pg_proc as f on f.oid = t.tgfoid
     where f.pronamespace = 'modelpack'::regnamespace and f.proname in (select g from modelpack.generated(v_profile.stem) as g)
       and t.tgtype & 11 = 11 and not f.prosecdef  -- BEFORE DELETE, for each row
  loop
    execute format('grant execute on function %s to public', v_function.name);
  end loop;
  -- the guard is told who writes by right
  if exists (select from modelpack.heard(v_profile.relation) as h where not h.fits) then
    perform modelpack.listen(v_profile.relation);
  end if;
end
$modelpack$;
comment on function modelpack.run_as(text, regrole) is
  'Gives the functions of a profile to the role that they run as (see modelpack.runs_as), with what it needs. Attaching does it; before the table gets another owner, name him: select modelpack.run_as(''customer'', ''him''); alter table customer owner to him.';
