create or replace function modelpack.score_named(version_id integer, signature jsonb, rows jsonb, strict boolean default true)
returns table (place bigint, score double precision, problem text, failure text)
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_row record;
begin
  for v_row in
    with input as materialized (
      select i.ordinality, i.value ->> 'name' as name, i.value ->> 'type' as type
        from jsonb_array_elements(score_named.signature -> 'inputs') with ordinality as i
    ), given as materialized (
      select r.ordinality as place,
             coalesce(array_agg(case v.kind when 'boolean' then (v.value::boolean)::integer::double precision
                                            when 'number' then modelpack.to_double(v.value::numeric) end order by i.ordinality)
                        filter (where i.type = 'number'), '{}') as numbers,
             array_agg(v.value #>> '{}' order by i.ordinality) filter (where i.type = 'text') as texts,
             coalesce(
               case when jsonb_typeof(r.value) <> 'object' then format('the inputs are %s, expected a JSON object', jsonb_typeof(r.value)) end,
               (select format('it has no input "%s"', modelpack.shown(min(k.name), 63))
                  from jsonb_object_keys(case when score_named.strict and jsonb_typeof(r.value) = 'object' then r.value end) as k (name)
                 where k.name not in (select n.name from input as n)
                having count(*) > 0),
               min(case when v.value is null then format('the input "%s" is missing; a JSON null says that the value is not known', i.name)
                        when i.type = 'text' and v.kind not in ('string', 'null')
                        then format('the input "%s" is %s, expected text', i.name, modelpack.shown(v.value::text, 63))
                        when i.type = 'number' and v.kind not in ('number', 'boolean', 'null')
                        then format('the input "%s" is %s, expected a number', i.name, modelpack.shown(v.value::text, 63)) end)) as problem
        from jsonb_array_elements(score_named.rows) with ordinality as r
       cross join input as i
       cross join lateral (select case jsonb_typeof(r.value) when 'object' then r.value -> i.name end) as w (value)
       cross join lateral (select w.value, jsonb_typeof(w.value)) as v (value, kind)
       group by r.ordinality, r.value
    ), fit as materialized (  -- one call of the model for all that it can score together
      select array_agg(g.place order by g.place) as places,
             modelpack.score_many(score_named.version_id,
               array_send(array_replace(array_agg(g.numbers order by g.place), null, 'NaN')), null)::double precision[] as scores
        from given as g where g.problem is null and g.texts is null and g.numbers <> '{}'
    )
    select g.*, nullif(s.score, 'NaN') as score
      from given as g
      left join (select u.* from fit as f, unnest(f.places, f.scores) as u (place, score)) as s on s.place = g.place
     order by g.place
  loop
    place := v_row.place;
    score := v_row.score;
    problem := v_row.problem;
    failure := null;
    if score is null and problem is null then  -- alone, since only that says what is wrong with it
      score := modelpack.score(score_named.version_id, v_row.numbers, v_row.texts);
      failure := case when score is null then modelpack.failure() end;
    end if;
    return next;
  end loop;
end
$modelpack$;
comment on function modelpack.score_named(integer, jsonb, jsonb, boolean) is
  'Scores an array of named inputs with a version: the score, or what is wrong with the inputs, or why the model gives none. strict => false passes over inputs that the version does not take.';
revoke all on function modelpack.score_named(integer, jsonb, jsonb, boolean) from public;
