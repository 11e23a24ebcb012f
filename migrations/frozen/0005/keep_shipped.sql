create or replace function modelpack.keep_shipped() returns event_trigger
language plpgsql security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Superusers call functions that run as modelpack_owner, and write the log: whoever may act as modelpack_owner must not
-- make them run anything as the superuser who calls. Runs as whoever changes something, with what everybody may read.
declare
  v_found text;
begin
  if (select r.rolsuper from pg_roles as r where r.rolname = current_user) then
    return;
  end if;
  if tg_event = 'sql_drop' then
    select d.object_identity into v_found
      from pg_event_trigger_dropped_objects() as d
     where d.schema_name = 'modelpack' and d.object_type in ('function', 'procedure', 'aggregate') and d.address_names[2] = any ('{@names@}'::name[])
     limit 1;
  elsif tg_tag like '%FUNCTION' or tg_tag like '%PROCEDURE' or tg_tag like '%ROUTINE' or tg_tag like '%AGGREGATE' or tg_tag = 'COMMENT' then
    -- a function under a name of ours would be taken for it where its arguments fit better; and a trigger's that runs as
    -- whoever writes is for the owner of the table alone, who may put any trigger on it
    select f.oid::regprocedure::text into v_found
      from pg_event_trigger_ddl_commands() as d
      join pg_proc as f on f.oid = d.objid and d.classid = 'pg_proc'::regclass
      join pg_namespace as n on n.oid = f.pronamespace and n.nspname = 'modelpack'
     where f.proname = any ('{@names@}'::name[])
        -- the guard of a profile calls it, as whoever writes
        or right(f.proname, 7) = '_scored' and (not f.prosecdef or f.proargtypes[0] <> 'anyelement'::regtype or f.prokind <> 'f')
        or not f.prosecdef and exists (select from pg_trigger as t join pg_class as c on c.oid = t.tgrelid
                                        where t.tgfoid = f.oid and not pg_has_role(current_user, c.relowner, 'member'))
     limit 1;
    -- another name, another schema
    if v_found is null and tg_tag like 'ALTER %' and has_schema_privilege(current_user, 'modelpack', 'usage') then
      select s.routine into v_found from unnest('{@routines@}'::text[]) as s (routine) where to_regprocedure(s.routine) is null limit 1;
    end if;
  else
    select c.oid::regclass::text into v_found
      from pg_partition_tree((select c.oid from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
                               where n.nspname = 'modelpack' and c.relname = 'prediction')) as p
      join pg_class as c on c.oid = p.relid
     where c.relhasrules or c.relrowsecurity or c.relforcerowsecurity
        or exists (select from pg_trigger as t where t.tgrelid = c.oid)
        or exists (select from pg_attrdef as d where d.adrelid = c.oid)
        or exists (select from pg_constraint as k where k.conrelid = c.oid and k.contype in ('c', 'f'))
        or exists (select from pg_policy as y where y.polrelid = c.oid)
        or exists (select from pg_index as i where i.indrelid = c.oid and (i.indexprs is not null or i.indpred is not null))
     limit 1;
  end if;
  if v_found is not null then
    raise exception using
      errcode = 'insufficient_privilege',
      message = format('%s: %s is not for %I to change', tg_tag, v_found, current_user),
      detail = 'It came with modelpack or is a trigger of somebody else''s table, so others run it, superusers among them.',
      hint = 'Give a function of your own another name, or another schema.';
  end if;
end
$modelpack$;
comment on function modelpack.keep_shipped() is
  'Event trigger: refuses to anybody but a superuser to change the functions that came with the schema, and to put code of any kind on the prediction log.';
drop event trigger if exists modelpack_shipped;
create event trigger modelpack_shipped on ddl_command_end
  when tag in ('CREATE FUNCTION', 'ALTER FUNCTION', 'CREATE PROCEDURE', 'ALTER PROCEDURE', 'ALTER ROUTINE', 'CREATE AGGREGATE', 'ALTER AGGREGATE',
               'CREATE TRIGGER', 'CREATE RULE', 'CREATE POLICY', 'CREATE TABLE', 'ALTER TABLE', 'CREATE INDEX',
               -- what a declaration generated is told by its comment
               'COMMENT')
  execute function modelpack.keep_shipped();
comment on event trigger modelpack_shipped is 'nobody but a superuser changes what came with modelpack';
drop event trigger if exists modelpack_shipped_drop;
create event trigger modelpack_shipped_drop on sql_drop execute function modelpack.keep_shipped();
comment on event trigger modelpack_shipped_drop is 'nobody but a superuser drops what came with modelpack';
