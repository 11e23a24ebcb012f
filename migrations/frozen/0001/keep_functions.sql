create or replace function modelpack.keep_functions() returns event_trigger
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- The functions of a declaration belong to the owner of its table, so that they run as he does. Roles that may do more
-- than he call them (modelpack_owner, a superuser): he may drop them, but change neither what they do nor as whom.
begin
  if exists (select from pg_event_trigger_ddl_commands() as d where d.classid = 'pg_proc'::regclass and d.schema_name = 'modelpack')
     and not pg_has_role(current_user, 'modelpack_owner', 'member') then
    raise exception using
      errcode = 'insufficient_privilege',
      message = format('functions of the schema modelpack are not for %I to change', current_user),
      detail = 'They run as their owner and are called by roles that may do more than he.',
      hint = 'Change the declaration and run modelpack apply, as a member of modelpack_owner.';
  end if;
end
$modelpack$;
comment on function modelpack.keep_functions() is 'Event trigger: the functions of a declaration are changed by members of modelpack_owner alone, though they belong to the owner of its table.';
drop event trigger if exists modelpack_functions;
create event trigger modelpack_functions on ddl_command_end
  when tag in ('ALTER FUNCTION', 'ALTER PROCEDURE', 'ALTER ROUTINE', 'CREATE FUNCTION', 'CREATE PROCEDURE', 'CREATE AGGREGATE', 'ALTER AGGREGATE')
  execute function modelpack.keep_functions();
comment on event trigger modelpack_functions is 'keeps the owner of a profile table from changing functions that others call';
