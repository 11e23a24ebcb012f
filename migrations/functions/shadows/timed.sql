create or replace function modelpack.timed(version modelpack.version, rows jsonb) returns double precision[]
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
  for v_row in
    select coalesce(array_agg(case jsonb_typeof(r.value -> (i.value ->> 'name')) when 'number' then modelpack.to_double((r.value -> (i.value ->> 'name'))::numeric)
                                   when 'boolean' then (r.value -> (i.value ->> 'name'))::boolean::integer end order by i.ordinality)
                    filter (where i.value ->> 'type' = 'number'), '{}') as numbers,
           array_agg(r.value ->> (i.value ->> 'name') order by i.ordinality) filter (where i.value ->> 'type' = 'text') as texts
      from jsonb_array_elements(timed.rows) with ordinality as r cross join jsonb_array_elements((timed.version).signature -> 'inputs') with ordinality as i
     group by r.ordinality
  loop
    if not v_warm then  -- the first call reads the model
      perform modelpack.score((timed.version).version_id, v_row.numbers, v_row.texts);
      v_warm := true;
    end if;
    v_before := clock_timestamp();
    perform modelpack.score((timed.version).version_id, v_row.numbers, v_row.texts);
    v_times := v_times || extract(epoch from clock_timestamp() - v_before)::double precision * 1000000;
  end loop;
  return v_times;
end
$modelpack$;
comment on function modelpack.timed(modelpack.version, jsonb) is 'How many microseconds a version takes for each of some rows of named inputs, one after the other, once it is loaded.';
revoke all on function modelpack.timed(modelpack.version, jsonb) from public;
