create or replace function modelpack.keep_owners() returns event_trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Runs as a superuser, reads the catalog alone and calls functions of superusers. After ALTER TABLE the
-- functions on a table must still be its owner's and see all of its rows, or they would count wrongly, or fail.
declare
  v_table record;
begin
  for v_table in
    select t.tgrelid::regclass as name, f.proowner::regrole as role, bool_or(t.tgtype & 1 = 1) as is_profile
      from pg_trigger as t
           -- partitions are read as their parent, by its rights
      join pg_class as c on c.oid = t.tgrelid and not c.relispartition
      join pg_proc as f on f.oid = t.tgfoid and f.pronamespace = 'modelpack'::regnamespace and f.prosecdef
     where not t.tgisinternal
       -- what rooms put on a profile is theirs, whoever owns the table
       and not exists (select from modelpack.made as m where m.kind = 'room' and m.object = f.proname)
       and t.tgrelid in (select d.objid from pg_event_trigger_ddl_commands() as d where d.classid = 'pg_class'::regclass)
     group by 1, 2
  loop
    if v_table.is_profile and modelpack.runs_as(v_table.name) <> v_table.role then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s gets another owner, and its functions run as %s', v_table.name, v_table.role),
        detail = 'They keep features and scores as the owner of the table, who has to be the same for both.',
        hint = format('First, in the same transaction: select modelpack.run_as(%L, %L);', v_table.name::text,
                      modelpack.runs_as(v_table.name)::text);
    elsif modelpack.hides_rows(v_table.name, v_table.role) then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('row security of %s would hide rows from %s, as whom functions of modelpack run on it', v_table.name, v_table.role),
        detail = 'Features are exact only over all rows.',
        hint = format('alter table %s no force row level security; or as a superuser: alter role %s bypassrls; or modelpack remove the declaration.',
                      v_table.name, v_table.role);
    elsif not has_table_privilege(v_table.role, v_table.name, 'SELECT') then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s, as whom functions of modelpack run on %s, may not read it any more', v_table.role, v_table.name),
        hint = format('First, in the same transaction: grant select on %s to %s;', v_table.name, v_table.role);
    end if;
  end loop;
end
$modelpack$;
comment on function modelpack.keep_owners() is
  'Event trigger: refuses ALTER TABLE where the functions on a table would not be its owner''s any more, or not see all of its rows.';
drop event trigger if exists modelpack_owners;
create event trigger modelpack_owners on ddl_command_end when tag in ('ALTER TABLE')
  execute function modelpack.keep_owners();
comment on event trigger modelpack_owners is 'keeps the functions of a profile with the owner of its table, who has to see all rows';
