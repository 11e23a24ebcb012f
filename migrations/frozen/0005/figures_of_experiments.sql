create or replace function modelpack.figures_of_experiments() returns table (model text, kind text, subject text, value double precision, bound double precision, words text)
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $modelpack$
#variable_conflict use_column
begin
  -- A Bayes factor of a Dirichlet-multinomial against the multinomial of the weights, as in modelpack experiment show (Lindon and
  -- Malek 2020). Its inverse is a p-value that holds however often one looks; periods of other weights multiply.
  return query
  with given as (
    select s.experiment_id, s.weighting_id, s.arm, count(*) as entities
      from modelpack.assignment as s join modelpack.experiment as e using (experiment_id)
     where e.ended_at is null
     group by s.experiment_id, s.weighting_id, s.arm
  ), weighted as (
    select g.*, (w.weights ->> g.arm)::double precision / (select sum(x.value::double precision) from jsonb_each_text(w.weights) as x) as share,
           sum(g.entities) over all_arms as total
      from given as g join modelpack.weighting as w using (experiment_id, weighting_id)
    window all_arms as (partition by g.experiment_id, g.weighting_id)
  ), period as (
    select w.experiment_id, w.weighting_id,
           sum(modelpack.log_gamma(100 * w.share + w.entities) - modelpack.log_gamma(100 * w.share) - w.entities * ln(w.share))
           - modelpack.log_gamma(100 + max(w.total)::double precision) + modelpack.log_gamma(100) as factor
      from weighted as w
     where w.share > 0
     group by w.experiment_id, w.weighting_id
  ), split as (
    select p.experiment_id, least(1, exp(greatest(least(-sum(p.factor), 0), -700))) as chance from period as p group by p.experiment_id
  )
  select e.model, 'split', e.experiment, s.chance, b.bound,
         format('the arms of the experiment %s have %s entities; so odd a split comes by chance with a probability of %s, so believe nothing else that it says',
                e.experiment, (select string_agg(format('%s %s', a.arm, coalesce(a.entities, 0)), ', ' order by a.position)
                                 from (select r.arm, r.position, (select sum(g.entities) from given as g where (g.experiment_id, g.arm) = (r.experiment_id, r.arm)) as entities
                                         from modelpack.arm as r where r.experiment_id = e.experiment_id) as a), to_char(s.chance, '9.9EEEE'))
    from split as s
    join modelpack.experiment as e using (experiment_id)
    join modelpack.alert_bounds as b on b.model = e.model and b.kind = 'split'
   where b.bound is not null;

  return query
  select e.model, 'guardrail', e.experiment, 1::double precision, b.bound,
         format('the experiment %s was ended at %s by a %s', e.experiment, to_char(e.ended_at, 'YYYY-MM-DD HH24:MI "UTC"'), e.ended_why)
    from modelpack.experiment as e
    join modelpack.alert_bounds as b on b.model = e.model and b.kind = 'guardrail'
   where b.bound is not null and e.ended_at > now() - interval '1 day' and e.ended_why like 'guardrail: %';
end
$modelpack$;
comment on function modelpack.figures_of_experiments() is 'What modelpack.raise_alerts() holds against bounds: how entities were split, and experiments that a guardrail ended.';
revoke all on function modelpack.figures_of_experiments() from public;
