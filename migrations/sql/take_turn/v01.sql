create or replace function modelpack.take_turn(name text) returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
begin
  insert into modelpack.turn (name) values (take_turn.name) on conflict do nothing;
  perform from modelpack.turn as t where t.name = take_turn.name for update;
end
$modelpack$;
comment on function modelpack.take_turn(text) is
  'Waits until nobody else works under this name (of a model, for what its names stand for), to the end of the transaction. No row of modelpack.model is locked: modelpack.disable waits for none of them.';
