create or replace function modelpack.explained(profile regclass, entity_key text, score text default null, most integer default 3, seconds double precision default 10) returns text
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.in_a_line(array_agg(e.input), array_agg(e.value), array_agg(e.contribution), min(e.prediction), min(e.base), explained.most)
  from modelpack.explain(explained.profile, explained.entity_key, explained.score, explained.seconds) as e
$modelpack$;
comment on function modelpack.explained(regclass, text, text, integer, double precision) is
  'modelpack.explain(profile, key) as a line for a person: 0.83: mainly complaints (3, +0.21), days quiet (41, +0.12). most: how many inputs.';
revoke all on function modelpack.explained(regclass, text, text, integer, double precision) from public;
grant execute on function modelpack.explained(regclass, text, text, integer, double precision) to modelpack_monitor;
