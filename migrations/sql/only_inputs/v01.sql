create or replace function modelpack.only_inputs(named jsonb, signature jsonb) returns jsonb
language sql immutable security invoker parallel safe
set search_path = pg_catalog, pg_temp
as $modelpack$
select coalesce(jsonb_object_agg(n.key, n.value), '{}')
  from jsonb_each(named) as n
 where n.key in (select i.value ->> 'name' from jsonb_array_elements(signature -> 'inputs') as i)
$modelpack$;
comment on function modelpack.only_inputs(jsonb, jsonb) is 'Of named inputs those that a signature names.';
