create or replace function modelpack.timed(version modelpack.version, fed modelpack.scored[]) returns double precision[]
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_row record;
  v_before timestamptz;
  v_times double precision[] := '{}';
  v_warm boolean := false;
begin
  for v_row in select f.inputs, f.text_inputs from unnest(timed.fed) as f where f.inputs is not null
  loop
    if not v_warm then  -- the first call reads the model
      perform modelpack.score((timed.version).version_id, v_row.inputs, v_row.text_inputs);
      v_warm := true;
    end if;
    v_before := clock_timestamp();
    perform modelpack.score((timed.version).version_id, v_row.inputs, v_row.text_inputs);
    v_times := v_times || extract(epoch from clock_timestamp() - v_before)::double precision * 1000000;
  end loop;
  return v_times;
end
$modelpack$;
comment on function modelpack.timed(modelpack.version, modelpack.scored[]) is 'How many microseconds a version takes for each of some rows of what it is fed, one after the other, once it is loaded.';
revoke all on function modelpack.timed(modelpack.version, modelpack.scored[]) from public;
