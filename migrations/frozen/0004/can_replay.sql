create or replace function modelpack.can_replay(model text, scorer integer, rival integer) returns text[]
language sql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- The log has what a version was fed, in the order of its signature.
select coalesce(array_agg(format('%s (%s)', i.value ->> 'name', i.value ->> 'type') order by i.ordinality), '{}')
  from modelpack.version as r cross join jsonb_array_elements(r.signature -> 'inputs') with ordinality as i
 where r.model = can_replay.model and r.version = can_replay.rival
   and not exists (select from modelpack.version as v cross join jsonb_array_elements(v.signature -> 'inputs') as n
                    where v.model = can_replay.model and v.version = can_replay.scorer
                      and n.value ->> 'name' = i.value ->> 'name' and n.value ->> 'type' = i.value ->> 'type')
$modelpack$;
comment on function modelpack.can_replay(text, integer, integer) is 'The inputs of a version that the log of another one does not hold; none: it can score those rows.';
revoke all on function modelpack.can_replay(text, integer, integer) from public;
