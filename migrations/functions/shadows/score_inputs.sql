create or replace function modelpack.score_inputs(rival modelpack.version, inputs modelpack.shadow_input[])
returns table (place bigint, prediction double precision)
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_variable
declare
  v_many double precision[];
  v_input record;
begin
  -- one call of the model for all that it can score together, as SCORE makes it of many rows; the others alone
  v_many := (select modelpack.score_many((rival).version_id,
                      array_send(array_replace(array_agg(i.inputs order by i.ordinality) filter (where i.inputs <> '{}'), null, 'NaN')),
                      array_agg(i.text_inputs order by i.ordinality) filter (where i.text_inputs is not null))::double precision[]
               from unnest(inputs) with ordinality as i);
  for v_input in select i.inputs as numbers, i.text_inputs as texts, i.ordinality from unnest(inputs) with ordinality as i order by i.ordinality loop
    place := v_input.ordinality;
    prediction := nullif(v_many[place], 'NaN');
    if prediction is null then
      prediction := modelpack.score((rival).version_id, v_input.numbers, v_input.texts);
    end if;
    return next;
  end loop;
end
$modelpack$;
comment on function modelpack.score_inputs(modelpack.version, modelpack.shadow_input[]) is 'What a version gives for inputs that events have written down, by their places; NULL where it gives none.';
revoke all on function modelpack.score_inputs(modelpack.version, modelpack.shadow_input[]) from public;
