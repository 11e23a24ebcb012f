create or replace function modelpack.follow_switches() returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
begin
  insert into modelpack.happening (kind, model, what)
  values (case when new.disabled is null then 'enable' else 'disable' end, new.model,
          case when new.disabled is null then 'it scores again' else format('it scores nothing, by %s: %s', new.disabled_by, new.disabled) end);
  return null;
end
$modelpack$;
comment on function modelpack.follow_switches() is 'Trigger: notes in modelpack.happening when a model is disabled or enabled.';
revoke all on function modelpack.follow_switches() from public;
drop trigger if exists follow_switches on modelpack.model;
create trigger follow_switches after update on modelpack.model for each row when (new.disabled is distinct from old.disabled) execute function modelpack.follow_switches();
comment on trigger follow_switches on modelpack.model is 'lets modelpack.timeline tell of models that were disabled';
