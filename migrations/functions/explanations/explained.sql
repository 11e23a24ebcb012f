create or replace function modelpack.explained(profile regclass, entity_key text, score text default null, most integer default 3, seconds double precision default 10) returns text
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
with told as (
  select e.*, row_number() over (order by abs(e.contribution) desc, e.input) as place,
         greatest(abs(e.prediction), abs(e.base), max(abs(e.contribution)) over ()) as scale
    from modelpack.explain(explained.profile, explained.entity_key, explained.score, explained.seconds) as e
), shown as (
  select t.*, modelpack.in_digits(t.contribution, t.scale) as rise from told as t
)
select modelpack.in_digits(min(s.prediction), min(s.scale)) || coalesce(
         ': mainly ' || string_agg(format('%s (%s, %s)', modelpack.shown(replace(s.input, '_', ' '), 63), coalesce(modelpack.shown(s.value, 40), 'missing'),
                                          case when s.rise::numeric > 0 then '+' || s.rise else s.rise end), ', ' order by s.place)
                       filter (where s.place <= explained.most and s.rise::numeric <> 0),
         ': as the mean of the background rows')
  from shown as s
$modelpack$;
comment on function modelpack.explained(regclass, text, text, integer, double precision) is
  'modelpack.explain(profile, key) as a line for a person: the score, and the inputs that moved it most, each with its value and its contribution. most: how many inputs.';
revoke all on function modelpack.explained(regclass, text, text, integer, double precision) from public;
grant execute on function modelpack.explained(regclass, text, text, integer, double precision) to modelpack_monitor;
