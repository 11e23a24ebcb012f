create or replace procedure modelpack.erase(
  profile regclass, entity_key text, keep_scores boolean default false, delete_row boolean default false, events_stay boolean default false,
  inout receipt jsonb default null
)
language plpgsql security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
begin
  receipt := (select modelpack.erase_entity(m, erase.profile, erase.entity_key, erase.keep_scores, erase.delete_row, erase.events_stay) from modelpack.me as m);
end
$modelpack$;
comment on procedure modelpack.erase(regclass, text, boolean, boolean, boolean, jsonb) is
  'Erases all that is kept of an entity, in the transaction of who calls it: log and inputs, cohorts, outcomes, assignments, shadows, background and golden rows that are its own; its profile row is as a new one (delete_row => true: deleted). keep_scores => true leaves scores and outcomes as evidence, without inputs. Refuses while there are events, unless events_stay => true. Where the key has several columns, entity_key is a JSON array. Gives a receipt, which modelpack.erasure keeps.';
revoke all on procedure modelpack.erase(regclass, text, boolean, boolean, boolean, jsonb) from public;
