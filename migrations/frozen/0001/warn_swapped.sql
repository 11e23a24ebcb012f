create or replace function modelpack.warn_swapped() returns event_trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Runs as a superuser after anybody's DDL: it reads rows of declarations and the catalog, runs no text of theirs, and
-- whatever is wrong with these rows, the DDL goes on.
declare
  v_found record;
begin
  -- a relation gets its name together with its row type (ALTER TABLE of columns leaves that alone), or with its schema
  if not exists (
       select from pg_event_trigger_ddl_commands() as d
         left join pg_class as c on d.classid = 'pg_class'::regclass and c.oid = d.objid
         left join pg_type as t on t.oid = c.reltype
        where age(t.xmin) <= 0 or d.classid = 'pg_namespace'::regclass)
  then
    return;
  end if;
  for v_found in
    select m.declared, p.name as profile, m.declared = p.name as is_profile, m.relation::oid::regclass::text as now_called,
           exists (select from pg_class as o where o.oid = m.relation) as is_there, c.relkind,
           format('%s %s', c.oid, m.relation::oid) as swap
      from modelpack.profile as p
     cross join lateral modelpack.misplaced(p.profile_id) as m
      join pg_namespace as n on n.nspname = (parse_ident(m.declared))[1]
      join pg_class as c on c.relnamespace = n.oid and c.relname = (parse_ident(m.declared))[2]
     where m.taken
       and exists (select from pg_event_trigger_ddl_commands() as d
                    where d.classid = 'pg_class'::regclass and d.objid = c.oid or d.classid = 'pg_namespace'::regclass and d.objid = n.oid)
     order by p.name, m.declared
  loop
    -- a later change of the same transaction is not the swap
    continue when v_found.swap = any (string_to_array(current_setting('modelpack.swapped', true), ','));
    perform set_config('modelpack.swapped', concat_ws(',', nullif(current_setting('modelpack.swapped', true), ''), v_found.swap), true);
    raise warning using
      message = format('%s is now another %s than the %s that the declaration of %s means', v_found.declared,
                       case v_found.relkind when 'v' then 'relation (a view)' when 'm' then 'relation (a materialized view)'
                                            when 'f' then 'relation (a foreign table)' when 'r' then 'table' when 'p' then 'table' else 'relation' end,
                       case when v_found.is_profile then 'profile table' else 'event table' end, v_found.profile),
      detail = case when v_found.is_there then format('That is called %s now.', v_found.now_called) else 'That was dropped.' end
               || case when v_found.is_profile then ' Events are refused that belong to its rows.'
                       when v_found.is_there then format(' Rows of %s are not counted, and %s refuses rows.', v_found.declared, v_found.now_called)
                       else format(' Rows of %s are not counted.', v_found.declared) end,
      hint = case when v_found.is_profile and v_found.is_there
                  then format('select modelpack.detach(%L); then modelpack apply DECLARATION for the table that has the name now, which counts its features anew.', v_found.now_called)
                  when v_found.is_profile
                  then format('select modelpack.detach_dropped(%L); then modelpack apply DECLARATION for the table that has the name now.', v_found.profile)
                  when v_found.relkind in ('r', 'p')
                  then 'modelpack apply DECLARATION, which counts the table that has the name now in its place.'
                  else 'Events are counted from tables alone: declare the table behind it, and modelpack apply.' end
             || case when v_found.is_there then ' Or rename both back.' else '' end;
  end loop;
exception when others then
  null;  -- modelpack.doctor() says so, too
end
$modelpack$;
comment on function modelpack.warn_swapped() is
  'Event trigger: warns whoever gives another relation the name of an event or profile table, and says what to run.';
drop event trigger if exists modelpack_swapped;
create event trigger modelpack_swapped on ddl_command_end
  when tag in ('ALTER TABLE', 'ALTER VIEW', 'ALTER MATERIALIZED VIEW', 'ALTER FOREIGN TABLE', 'ALTER SCHEMA', 'CREATE SCHEMA', 'CREATE TABLE',
               'CREATE TABLE AS', 'SELECT INTO', 'CREATE VIEW', 'CREATE MATERIALIZED VIEW', 'CREATE FOREIGN TABLE', 'IMPORT FOREIGN SCHEMA')
  execute function modelpack.warn_swapped();
comment on event trigger modelpack_swapped is 'says at once that another relation has taken the name of a table that is counted';
