create or replace function modelpack.score_fed(rival modelpack.version, fed modelpack.scored[])
returns table (place bigint, prediction double precision)
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_variable
declare
  v_many double precision[];
  v_row record;
begin
  -- one call of the model for all that it can score together, as SCORE makes it of many rows; the others alone
  v_many := (select modelpack.score_many((rival).version_id,
                      array_send(array_replace(array_agg(f.inputs order by f.ordinality) filter (where f.inputs <> '{}'), null, 'NaN')),
                      array_agg(f.text_inputs order by f.ordinality) filter (where f.text_inputs is not null))::double precision[]
               from unnest(fed) with ordinality as f where f.inputs is not null);
  for v_row in
    select f.inputs, f.text_inputs, f.ordinality, case when f.inputs is not null then nullif(v_many[count(f.inputs) over (order by f.ordinality)], 'NaN') end as score
      from unnest(fed) with ordinality as f
     order by f.ordinality
  loop
    place := v_row.ordinality;
    prediction := v_row.score;
    if prediction is null and v_row.inputs is not null then
      prediction := modelpack.score((rival).version_id, v_row.inputs, v_row.text_inputs);
    end if;
    return next;
  end loop;
end
$modelpack$;
comment on function modelpack.score_fed(modelpack.version, modelpack.scored[]) is
  'What a version gives for what it is fed, by its places; NULL where it gives none, or is fed nothing.';
revoke all on function modelpack.score_fed(modelpack.version, modelpack.scored[]) from public;
