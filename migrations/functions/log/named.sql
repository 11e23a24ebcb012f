create or replace function modelpack.named(predictions modelpack.prediction[]) returns jsonb
language sql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
with taken as materialized (
  select v.model, v.version, s.value ->> 'name' as name, s.value ->> 'type' as type,
         row_number() over (partition by v.model, v.version, s.value ->> 'type' order by s.ordinality) as place
    from modelpack.version as v cross join jsonb_array_elements(v.signature -> 'inputs') with ordinality as s
   where (v.model, v.version) in (select l.model, l.version from unnest(predictions) as l)
)
select jsonb_agg(coalesce(
         (select jsonb_object_agg(n.name, case n.type when 'number' then to_jsonb(l.inputs[n.place]) else to_jsonb(l.text_inputs[n.place]) end)
            from taken as n where n.model = l.model and n.version = l.version), '{}') order by l.ordinality)
  from unnest(predictions) with ordinality as l
$modelpack$;
comment on function modelpack.named(modelpack.prediction[]) is 'What rows of the log were scored from, by name: an array of objects, in their order.';
revoke all on function modelpack.named(modelpack.prediction[]) from public;
