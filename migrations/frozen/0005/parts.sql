create or replace function modelpack.parts(logged modelpack.prediction, evaluations integer, seconds double precision)
returns table (input text, value text, contribution double precision, standard_error double precision, base double precision, method text, background_rows integer, library text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- nobody can tell a planner how few pages the filter of the log leaves over
set enable_seqscan = off
set jit = off
set max_parallel_workers_per_gather = 0
as $modelpack$
#variable_conflict use_column
-- Whoever calls read the row by himself, with what he may see: a row of the log is explained alone where all of it is given.
declare
  v_version modelpack.version;
  v_background jsonb;
  v_found jsonb;
  v_disabled text;
begin
  if seconds is null or evaluations is null or seconds not between 0.01 and 3600 or evaluations not between 1 and 10000000 then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('an explanation is asked for within %s s and %s evaluations', coalesce(seconds::text, 'NULL'), coalesce(evaluations::text, 'NULL')),
      detail = 'Expected: 0.01 to 3600 s, and 1 to 10000000 evaluations of the model.';
  end if;
  if not exists (select from modelpack.prediction as l
                  where l.scored_at = (logged).scored_at and l.entity_key = (logged).entity_key and l.prediction_id = (logged).prediction_id
                    and l operator(pg_catalog.*=) logged) then
    raise exception using
      errcode = 'undefined_object',
      message = 'the row to be explained is no row of the log',
      hint = 'select * from modelpack.explain(PROFILE, KEY);';
  end if;
  select m.disabled into v_disabled from modelpack.model as m where m.model = (logged).model;
  if v_disabled is not null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('the model %s is disabled, and an explanation runs it: %s', (logged).model, modelpack.shown(v_disabled)),
      hint = format('select modelpack.enable(%L);', (logged).model);
  end if;
  select v.* into v_version from modelpack.version as v where v.version_id = modelpack.get_version((logged).model, (logged).version);
  if exists (select from jsonb_array_elements(v_version.signature -> 'inputs') as i
             having count(*) filter (where i.value ->> 'type' = 'number') <> cardinality((logged).inputs)
                 or count(*) filter (where i.value ->> 'type' = 'text') <> coalesce(cardinality((logged).text_inputs), 0)) then
    raise exception using
      errcode = 'no_data_found',
      message = format('row %s of the log does not hold the inputs of its score any more', (logged).prediction_id),
      detail = 'They were erased, and the score alone was kept.';
  end if;
  select f.background into v_background from modelpack.reference as f where f.version_id = v_version.version_id;
  if v_background is null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('%s version %s has no background rows to compare with', v_version.model, v_version.version),
      detail = 'It was published without a sample, with --no-background, or before versions kept them; or they were purged with it.',
      hint = format('Publish the model again with its sample: modelpack publish MODEL --name %s --sample FILE; scores of that version can be explained.', v_version.model);
  end if;
  v_found := modelpack.attribute(v_version.version_id, (logged).inputs, (logged).text_inputs, v_version.signature, v_background,
                                 (logged).prediction_id, evaluations, seconds);
  if v_found ? 'failure' then
    raise exception using
      errcode = 'data_exception',
      message = format('the score of %s version %s cannot be explained: %s', v_version.model, v_version.version, modelpack.shown(v_found ->> 'failure', 1000)),
      detail = 'The model has to score the background rows, and mixtures of their inputs with those of the row.',
      hint = 'Where it took too long, give it more time: modelpack.explain(..., seconds => 60).';
  end if;
  if abs((v_found ->> 'base')::double precision + (select sum(p.value::double precision) from jsonb_array_elements_text(v_found -> 'parts') as p) - (logged).prediction)
     > 1e-5 * greatest(1, abs((logged).prediction), abs((v_found ->> 'base')::double precision)) then
    raise exception using
      errcode = 'data_exception',
      message = format('the contributions do not add up to the score of the log, %s', (logged).prediction),
      detail = format('From the mean of the background, %s, they lead to %s; the version now gives %s for the logged inputs.', v_found ->> 'base',
                      (v_found ->> 'base')::double precision + (select sum(p.value::double precision) from jsonb_array_elements_text(v_found -> 'parts') as p),
                      v_found ->> 'score'),
      hint = format('select * from modelpack.reproduce(%s) says whether the server still gives that score.', (logged).prediction_id);
  end if;
  return query
  select i.value ->> 'name',
         case i.value ->> 'type' when 'number' then ((logged).inputs[i.place])::real::text else (logged).text_inputs[i.place] end,
         p.value::double precision, e.value::double precision, (v_found ->> 'base')::double precision, v_found ->> 'method',
         jsonb_array_length(v_background), v_found ->> 'library'
    from (select n.value, n.ordinality, (row_number() over (partition by n.value ->> 'type' order by n.ordinality))::integer as place
            from jsonb_array_elements(v_version.signature -> 'inputs') with ordinality as n) as i
    join jsonb_array_elements_text(v_found -> 'parts') with ordinality as p on p.ordinality = i.ordinality
    join jsonb_array_elements_text(v_found -> 'errors') with ordinality as e on e.ordinality = i.ordinality
   order by abs(p.value::double precision) desc, i.ordinality;
end
$modelpack$;
comment on function modelpack.parts(modelpack.prediction, integer, double precision) is
  'What each input of a row of the log adds to its score, for modelpack.explain(): for who gives the whole row, and so may read it.';
revoke all on function modelpack.parts(modelpack.prediction, integer, double precision) from public;
grant execute on function modelpack.parts(modelpack.prediction, integer, double precision) to modelpack_monitor;
