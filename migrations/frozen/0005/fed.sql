create or replace function modelpack.fed(rival modelpack.version, predictions modelpack.prediction[]) returns modelpack.scored[]
language sql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Numbers stay the doubles that they are: no text and no JSON, which know no NaN and no infinity.
with wanted as (
  select i.value ->> 'name' as name, i.value ->> 'type' as type, i.ordinality
    from jsonb_array_elements((rival).signature -> 'inputs') with ordinality as i
), scorer as (
  select distinct l.model, l.version from unnest(predictions) as l
), held as (
  select model, version, i.value ->> 'name' as name, i.value ->> 'type' as type,
         row_number() over (partition by model, version, i.value ->> 'type' order by i.ordinality)::integer as place
    from scorer join modelpack.version as v using (model, version) cross join jsonb_array_elements(v.signature -> 'inputs') with ordinality as i
), places as materialized (
  select model, version, coalesce(array_agg(h.place order by w.ordinality) filter (where w.type = 'number'), '{}') as numbers,
         array_agg(h.place order by w.ordinality) filter (where w.type = 'text') as texts
    from scorer cross join wanted as w left join held as h using (model, version, name, type)
   group by model, version
  having bool_and(h.place is not null)
)
select array_agg(case when p.numbers is not null and (l.inputs <> '{}' or l.text_inputs is not null)
                      then row(l.entity_key, l.prediction, array(select l.inputs[n.place] from unnest(p.numbers) with ordinality as n (place) order by n.ordinality),
                               case when p.texts is not null then array(select l.text_inputs[n.place] from unnest(p.texts) with ordinality as n (place) order by n.ordinality) end
                              )::modelpack.scored end
                 order by l.ordinality)
  from unnest(predictions) with ordinality as l left join places as p using (model, version)
$modelpack$;
comment on function modelpack.fed(modelpack.version, modelpack.prediction[]) is
  'What a version is fed of the inputs of rows of the log, in their order; NULL where the log does not hold all that it takes, or where they were erased.';
revoke all on function modelpack.fed(modelpack.version, modelpack.prediction[]) from public;
