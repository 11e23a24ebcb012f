create or replace function modelpack.same_rows(version modelpack.version, rows jsonb, fed modelpack.scored[]) returns integer[]
language sql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Rows of a sample are in doubles, the log has what the model was given: float32.
with input as (
  select i.value ->> 'type' as type, i.ordinality, (i.ordinality - 1)::integer as place
    from jsonb_array_elements((version).signature -> 'inputs') with ordinality as i
), kept as (
  select (r.ordinality - 1)::integer as place,
         array(select case when x.cell is null or x.cell = 'NaN' then null
                           when abs(x.cell) > 3.4028235677973366e38 then sign(x.cell) * 'Infinity'::double precision
                           when abs(x.cell) < 7.1e-46 then 0
                           else x.cell::real::double precision end
                 from input as i cross join lateral (select (r.value ->> i.place)::double precision as cell) as x
                where i.type <> 'text' order by i.ordinality) as numbers,
         array(select r.value ->> i.place from input as i where i.type = 'text' order by i.ordinality) as texts
    from jsonb_array_elements(rows) with ordinality as r
)
select coalesce(array_agg(k.place order by k.place), '{}')
  from kept as k
 where exists (select from unnest(fed) as f
                where f.inputs is not null and array_replace(f.inputs, 'NaN', null) = k.numbers and coalesce(f.text_inputs, '{}') = k.texts)
$modelpack$;
comment on function modelpack.same_rows(modelpack.version, jsonb, modelpack.scored[]) is
  'The places, from 0, of rows of a sample in the order of a version''s signature that are what a version was fed.';
revoke all on function modelpack.same_rows(modelpack.version, jsonb, modelpack.scored[]) from public;
