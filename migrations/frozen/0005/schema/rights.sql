-- What runs as whoever calls it stays the superuser's, since superusers call it, too: nobody else may replace it. So do
-- PL/Python, whose rights are those of the server, the functions of event triggers, and what ends a session. What runs with other rights than its
-- caller's (SECURITY DEFINER) runs as modelpack_owner; modelpack.keep_shipped() refuses to let the owner change it.
-- Nobody else may run any of it, but for what is granted by name.

do $rights$
declare
  v_routine record;
begin
  for v_routine in
    select p.oid::regprocedure as name,
           p.prosecdef and p.prorettype <> 'event_trigger'::regtype and p.proname not in ('arm_table', 'crossing_table', 'end_holders', 'erase_golden', 'erase_row', 'listen_for', 'lockers', 'shadow_table') as is_owners
      from pg_catalog.pg_proc as p where p.pronamespace = 'modelpack'::regnamespace
       -- not those of declarations, which belong to whom they run as
       and coalesce(pg_catalog.obj_description(p.oid, 'pg_proc'), '') !~ '\[[^][]+\]$'
  loop
    execute format('revoke all on routine %s from public', v_routine.name);
    if v_routine.is_owners then
      execute format('alter routine %s owner to modelpack_owner', v_routine.name);
    else
      execute format('grant execute on routine %s to modelpack_owner', v_routine.name);
    end if;
  end loop;
end
$rights$;
-- applying a declaration grants them to the owner of its table
do $rights$
declare
  v_function regprocedure;
begin
  for v_function in
    select a.routine from modelpack.arithmetic() as a (routine) union all values ('modelpack.listen(regclass, boolean)'::pg_catalog.regprocedure)
  loop
    execute format('grant execute on function %s to modelpack_owner with grant option', v_function);
  end loop;
end
$rights$;
grant execute on function modelpack.chunks(regclass, bigint, integer, integer), modelpack.falls_to(integer, integer, bigint) to modelpack_publisher;
grant execute on function modelpack.get_profile(regclass) to modelpack_publisher, modelpack_monitor;
-- so is a declaration held against its tables
grant execute on function modelpack.column_type(regclass, text), modelpack.check_key_columns(text, text[], text, text[]),
      modelpack.view_meaning(text), modelpack.kin(regclass), modelpack.resolve(text, text, text, boolean, text, text)
   to modelpack_publisher, modelpack_reader, modelpack_monitor;
do $rights$
declare
  v_function regprocedure;
begin
  for v_function in select p.oid from pg_catalog.pg_proc as p where p.pronamespace = 'modelpack'::regnamespace and p.proname = 'key_value' loop
    execute format('grant execute on function %s to modelpack_monitor', v_function);
  end loop;
end
$rights$;
-- a training set is computed by who reads the events, with the arithmetic of the triggers
grant execute on function modelpack.amount(numeric), modelpack.amount(smallint), modelpack.amount(integer), modelpack.amount(bigint),
      modelpack.amount(double precision), modelpack.amount(real),
      modelpack.decay(double precision, double precision, double precision), modelpack.to_double(numeric)
   to modelpack_publisher, modelpack_reader, modelpack_monitor;
-- whoever uses the package asks first whether it fits the schema
grant select on modelpack.alembic_version to modelpack_owner, modelpack_publisher, modelpack_approver, modelpack_reader, modelpack_monitor;
-- what modelpack.keep_shipped() keeps as it is stands in its text: no table has to be readable by everybody
do $shipped$
begin
  execute (select replace(replace(pg_catalog.pg_get_functiondef('modelpack.keep_shipped()'::pg_catalog.regprocedure),
                                  '''{@names@}''', quote_literal(array_agg(distinct f.proname order by f.proname))),
                          '''{@routines@}''', quote_literal(array_agg(f.oid::pg_catalog.regprocedure::text order by f.oid)))
             from pg_catalog.pg_proc as f
            where f.pronamespace = 'modelpack'::pg_catalog.regnamespace
              and coalesce(pg_catalog.obj_description(f.oid, 'pg_proc'), '') !~ '\[[^][]+\]$');
end
$shipped$;
