-- Everything belongs to modelpack_owner and is nobody else's to run, but for what is granted by name.
-- server_wheels stays the superuser's: whoever owns it decides where the server's Python imports from. So do the
-- functions of the event triggers, which an event trigger needs.

do $rights$
declare
  v_routine record;
begin
  for v_routine in
    select p.oid::regprocedure as name, p.proname, p.prokind = 'p' as is_procedure
      from pg_catalog.pg_proc as p where p.pronamespace = 'modelpack'::regnamespace
  loop
    if v_routine.proname not in ('server_wheels', 'follow_partitions', 'recount_dropped', 'recompile_altered') then
      execute format('alter routine %s owner to modelpack_owner', v_routine.name);
    end if;
    execute format('revoke all on routine %s from public', v_routine.name);
  end loop;
end
$rights$;
grant execute on function modelpack.server_wheels() to modelpack_owner;
grant execute on function modelpack.chunks(regclass, bigint, integer, integer), modelpack.falls_to(integer, integer, bigint) to modelpack_publisher;
grant execute on function modelpack.find_profile(regclass) to modelpack_publisher, modelpack_monitor;
-- so is a declaration held against its tables
grant execute on function modelpack.column_type(regclass, text), modelpack.check_key_columns(text, text[], text, text[]),
      modelpack.view_meaning(text), modelpack.resolve(text, text, text, boolean, text, text)
   to modelpack_publisher, modelpack_reader, modelpack_monitor;
-- a training set is computed by who reads the events, with the arithmetic of the triggers
grant execute on function modelpack.amount(numeric), modelpack.amount(smallint), modelpack.amount(integer), modelpack.amount(bigint),
      modelpack.amount(double precision), modelpack.amount(real),
      modelpack.decay(double precision, double precision, double precision), modelpack.to_double(numeric)
   to modelpack_publisher, modelpack_reader, modelpack_monitor;
-- whoever uses the package asks first whether it fits the schema
grant select on modelpack.alembic_version to modelpack_owner, modelpack_publisher, modelpack_approver, modelpack_reader, modelpack_monitor;
