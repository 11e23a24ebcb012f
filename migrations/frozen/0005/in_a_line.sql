create or replace function modelpack.in_a_line(inputs text[], "values" text[], contributions double precision[], prediction double precision, base double precision, most integer default 3) returns text
language sql immutable security invoker parallel safe
set search_path = pg_catalog, pg_temp
as $modelpack$
-- as many digits as the largest of the numbers takes: two that count below 1, three above
with told as (
  select u.input, u.value, u.contribution, row_number() over (order by abs(u.contribution) desc, u.place) as place,
         greatest(abs(in_a_line.prediction), abs(in_a_line.base), max(abs(u.contribution)) over ()) as scale
    from unnest(inputs, "values", contributions) with ordinality as u (input, value, contribution, place)
), digits as (
  select t.*, case when t.scale > 0 then greatest(0, least(12, 2 - floor(log(t.scale))::integer - (t.scale < 1)::integer)) else 2 end as digits from told as t
), shown as (
  select d.*, round(d.contribution::numeric, d.digits) as rise from digits as d
)
select round(in_a_line.prediction::numeric, min(s.digits))::text || coalesce(
         ': mainly ' || string_agg(format('%s (%s, %s%s)', modelpack.shown(replace(s.input, '_', ' '), 63), coalesce(modelpack.shown(s.value, 40), 'missing'),
                                          case when s.rise > 0 then '+' end, s.rise), ', ' order by s.place)
                       filter (where s.place <= in_a_line.most and s.rise <> 0),
         ': as the mean of the background rows')
  from shown as s
$modelpack$;
comment on function modelpack.in_a_line(text[], text[], double precision[], double precision, double precision, integer) is
  'What modelpack.explain() gives as a line for a person: the score, and the inputs that moved it most, each with its value and its contribution. most: how many inputs.';
revoke all on function modelpack.in_a_line(text[], text[], double precision[], double precision, double precision, integer) from public;
grant execute on function modelpack.in_a_line(text[], text[], double precision[], double precision, double precision, integer) to modelpack_monitor;
