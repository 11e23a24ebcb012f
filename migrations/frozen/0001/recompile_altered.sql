create or replace function modelpack.recompile_altered() returns event_trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- PL/pgSQL keeps the types of a row's columns for the life of a session: after ALTER COLUMN ... TYPE every session that has
-- run a trigger before would fail in it. A function whose row in pg_proc is new is compiled again by all of them.
declare
  v_functions oid[];
  v_profile record;
begin
  select array_agg(distinct f.oid)
    into v_functions
    from pg_event_trigger_ddl_commands() as d
    join pg_class as altered on altered.oid = d.objid
         -- ALTER TYPE ... CASCADE changes the tables OF the type, too
    join pg_class as r on r.oid = altered.oid or r.reloftype = nullif(altered.reltype, 0)
    join pg_trigger as t on t.tgrelid = r.oid and not t.tgisinternal
    join pg_proc as g on g.oid = t.tgfoid and g.pronamespace = 'modelpack'::regnamespace
         -- what the triggers of a profile call with its row, too
    join pg_proc as f on f.oid = g.oid
      or f.pronamespace = 'modelpack'::regnamespace and f.proname in (
           select p.stem || '_scored' from modelpack.profile as p where p.relation = t.tgrelid
           union all
           select s.stem || '_packed' from modelpack.profile as p join modelpack.score as s using (profile_id) where p.relation = t.tgrelid)
   where d.classid = 'pg_class'::regclass
         -- a column that this transaction has made or changed
     and exists (select from pg_attribute as c where c.attrelid = r.oid and c.attnum > 0 and age(c.xmin) <= 0);
  if v_functions is null then
    return;
  end if;
  -- the table is locked by now, and its traffic waits. No promotion changes these functions, so nothing is held but their own rows
  for i in 1 .. cardinality(v_functions) loop
    perform modelpack.do_soon(format('alter function %s cost 100', v_functions[i]::regprocedure),
                              format('the function %s', v_functions[i]::regprocedure), 'pg_proc', v_functions[i]);
  end loop;
  -- what makes a row of a profile has to make one of the columns that there are
  for v_profile in
    select distinct p.profile_id
      from modelpack.attached_tables() as a join modelpack.profile as p on p.relation = a.profile
      join pg_event_trigger_ddl_commands() as d on d.classid = 'pg_class'::regclass
      join pg_class as altered on altered.oid = d.objid
      join pg_class as r on r.oid = a.relation and (r.oid = altered.oid or r.reloftype = nullif(altered.reltype, 0))
     where p.declaration -> 'scores' <> '[]' and exists (select from pg_class as c where c.oid = p.relation)
     order by 1
  loop
    perform modelpack.as_owner(format('select modelpack.shape(p) from modelpack.profile as p where p.profile_id = %s', v_profile.profile_id));
  end loop;
end
$modelpack$;
comment on function modelpack.recompile_altered() is 'Event trigger: sessions compile the triggers of a table anew after a column of it was changed.';
drop event trigger if exists modelpack_altered;
create event trigger modelpack_altered on ddl_command_end when tag in ('ALTER TABLE', 'ALTER TYPE')
  execute function modelpack.recompile_altered();
comment on event trigger modelpack_altered is 'lets open sessions go on after a column of an event or profile table got another type';
