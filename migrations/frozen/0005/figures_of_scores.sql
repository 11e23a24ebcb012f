create or replace function modelpack.figures_of_scores() returns table (model text, kind text, subject text, value double precision, bound double precision, words text)
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO'
as $modelpack$
#variable_conflict use_column
declare
  -- of fewer a share says little
  v_fewest constant integer := 100;
begin
  -- the newest day of each version that scores on which there are enough, today or yesterday
  return query
  with newest as (
    select distinct on (r.profile, r.score, r.version, r.arm) r.*, concat(r.score, ' of ', r.profile, ' version ', r.version, ' in arm ' || nullif(r.arm, '')) as what
      from modelpack.response as r
      join modelpack.running_version as v on v.model = r.model and v.version = r.version
     where r.day between current_date - 1 and current_date and r.predictions >= v_fewest
     order by r.profile, r.score, r.version, r.arm, r.day desc
  ), measured as (
    select n.model, f.kind, n.what, f.value, f.words
      from newest as n
     cross join lateral (values
           ('one_value', n.largest_share, format('%s of the %s scores of %s on %s are one and the same value', to_char(n.largest_share * 100, 'FM990.0%'),
                                                 n.predictions, n.what, n.day)),
           ('uncertain', n.uncertain_share, format('%s of the %s scores of %s on %s lie in the uncertain band', to_char(n.uncertain_share * 100, 'FM990.0%'),
                                                   n.predictions, n.what, n.day)),
           ('few_scores', n.distinct_scores::double precision, format('the %s scores of %s on %s take %s values', n.predictions, n.what, n.day, n.distinct_scores))
         ) as f (kind, value, words)
  )
  select m.model, m.kind, m.what, m.value::double precision, b.bound, m.words
    from measured as m join modelpack.alert_bounds as b on b.model = m.model and b.kind = m.kind
   where b.bound is not null and m.value is not null;

  -- one figure for all inputs of a version: that which is farthest beyond what chance allows
  return query
  with newest as (
    select distinct on (d.profile, d.score, d.version, d.input, d.against) d.*
      from modelpack.drift as d
      join modelpack.running_version as v on v.model = d.model and v.version = d.version
     where d.day between current_date - 1 and current_date and coalesce(d.segment, '') = '' and d.critical is not null
     order by d.profile, d.score, d.version, d.input, d.against, d.day desc
  ), held as (
    select n.*, greatest(b.bound, n.critical) as beyond_which, n.psi / nullif(greatest(b.bound, n.critical), 0) as beyond
      from newest as n join modelpack.alert_bounds as b on b.model = n.model and b.kind = 'drift'
     where b.bound is not null
  ), one as (
    select h.model, concat(h.score, ' of ', h.profile, ' version ', h.version) as what, h.against, h.input is null as itself,
           (array_agg(h.psi order by h.beyond desc nulls last))[1]::double precision as psi,
           (array_agg(h.beyond_which order by h.beyond desc nulls last))[1]::double precision as beyond_which,
           max(h.day) as day, count(*) as looked_at, count(*) filter (where h.beyond > 1) as drifted,
           (array_agg(format('%s (PSI %s, bound %s)', coalesce(h.input, 'the score'), to_char(h.psi, 'FM990.000'), to_char(h.beyond_which, 'FM990.000'))
                      order by h.beyond desc nulls last))[1:5] as names
      from held as h
     group by h.model, h.profile, h.score, h.version, h.against, h.input is null
  )
  select o.model, 'drift', concat(o.what, case when o.itself then ', the score' else ', inputs' end, ' against ', o.against), o.psi, o.beyond_which,
         case when o.itself then format('the scores of %s differ on %s from %s: PSI %s, bound %s', o.what, o.day, o.before,
                                        to_char(o.psi, 'FM990.000'), to_char(o.beyond_which, 'FM990.000'))
              else format('%s of %s inputs of %s differ on %s from %s: %s%s', o.drifted, o.looked_at, o.what, o.day, o.before,
                          array_to_string(o.names[1:greatest(o.drifted, 1)], ', '), case when o.drifted > 5 then ' and others' end) end
    from (select n.*, case n.against when 'reference' then 'what the version was made from' else n.against end as before from one as n) as o;
end
$modelpack$;
comment on function modelpack.figures_of_scores() is 'What modelpack.raise_alerts() holds against bounds: the distribution of scores, and drift, of versions that score.';
revoke all on function modelpack.figures_of_scores() from public;
