create or replace function modelpack.put_trigger(relation text, name name, function name, type integer, statement text) returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Every DDL runs the event triggers of the database while the table is locked: a trigger that is right is left alone.
begin
  if not exists (select from pg_trigger as t join pg_proc as f on f.oid = t.tgfoid
                  where t.tgrelid = put_trigger.relation::regclass and t.tgname = put_trigger.name and t.tgtype = put_trigger.type and t.tgenabled = 'O'
                    and f.pronamespace = 'modelpack'::regnamespace and f.proname = put_trigger.function
                    and coalesce(t.tgnewtable, 'new_rows') = 'new_rows' and (t.tgnewtable is not null) = (put_trigger.type & 20 > 0)
                    and coalesce(t.tgoldtable, 'old_rows') = 'old_rows' and (t.tgoldtable is not null) = (put_trigger.type & 24 > 0)) then
    execute put_trigger.statement;
  end if;
end
$modelpack$;
comment on function modelpack.put_trigger(text, name, name, integer, text) is
  'Runs the statement that makes a trigger of COUNT on an event table, unless it is there as it is wanted; type: as pg_trigger has it; a step of replacing a declaration online.';
