create or replace function modelpack.replayed(rival modelpack.version, predictions modelpack.prediction[])
returns table (place bigint, prediction double precision)
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
with taken as (
  select v.version, s.value ->> 'name' as name, s.value ->> 'type' as type,
         row_number() over (partition by v.version, s.value ->> 'type' order by s.ordinality) as place
    from modelpack.version as v cross join jsonb_array_elements(v.signature -> 'inputs') with ordinality as s
   where v.model = (rival).model and v.version in (select l.version from unnest(predictions) as l)
), given as (
  select l.ordinality as place,
         (select jsonb_object_agg(n.name, case n.type when 'number' then to_jsonb(l.inputs[n.place]) else to_jsonb(l.text_inputs[n.place]) end)
            from taken as n where n.version = l.version) as named
    from unnest(predictions) with ordinality as l
)
select n.place, n.score
  from modelpack.score_named((rival).version_id, (rival).signature, (select jsonb_agg(coalesce(g.named, '{}') order by g.place) from given as g), strict => false) as n
$modelpack$;
comment on function modelpack.replayed(modelpack.version, modelpack.prediction[]) is 'What a version gives for the inputs of rows of the log, by their places; NULL where it gives none.';
revoke all on function modelpack.replayed(modelpack.version, modelpack.prediction[]) from public;
