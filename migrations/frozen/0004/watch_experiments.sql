create or replace function modelpack.watch_experiments(me modelpack.me) returns table (experiment text, arm text, what text, stopped boolean)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_caller constant name := modelpack.caller(me, 'watch_experiments');
  v_fewest constant integer := 30;
  v_experiment modelpack.experiment;
  v_score modelpack.score;
  v_found record;
  v_first record;
  v_why text;
begin
  for v_experiment in select e.* from modelpack.experiment as e where e.ended_at is null order by e.experiment_id for no key update loop
    v_why := null;
    select s.* into v_score
      from modelpack.score as s join modelpack.profile as p using (profile_id)
     where p.name = v_experiment.profile and s.score = v_experiment.score and to_regclass(p.name) is not null;
    if v_score.score is null then
      v_why := format('%s has no score %s any more', v_experiment.profile, v_experiment.score);
    elsif v_score.choice is null then
      v_why := format('the declaration of %s was taken off and applied again', v_experiment.profile);
    else
      v_first := null;
      for v_found in execute format($arms$
        select a.arm, a.position, coalesce(h.rows, 0) as rows, coalesce(h.stale::double precision / nullif(h.rows, 0), 0) as stale,
               (h.stale + 1.0) * (h.rows - h.stale + 1.0) / (h.rows + 2.0) ^ 3 as noise,
               t.scored, t.middle
          from modelpack.arm as a
          left join modelpack.%I() as h on h.arm = $2 || '/' || a.arm
          left join (select l.arm, count(*) as scored, percentile_disc(0.5) within group (order by l.microseconds) as middle
                       from modelpack.arm_log as l
                      where l.experiment = $2 and l.microseconds is not null and l.scored_at > now() - interval '1 day'
                      group by l.arm) as t on t.arm = a.arm
         where a.experiment_id = $1
         order by a.position $arms$, v_score.stem || '_arms') using v_experiment.experiment_id, v_experiment.experiment
      loop
        if v_first is null then
          v_first := v_found;
        elsif least(v_first.rows, v_found.rows) >= v_fewest
              -- three standard errors beyond: it is looked at every few minutes, and of few rows the shares differ by chance
              and v_found.stale - v_first.stale - 3 * sqrt(v_found.noise + v_first.noise) > v_experiment.stale_limit then
          v_why := format('%s of the rows of %s have no fresh score, of %s %s; the limit is %s more', to_char(v_found.stale * 100, 'FM990.0%'), v_found.arm,
                          v_first.arm, to_char(v_first.stale * 100, 'FM990.0%'), to_char(v_experiment.stale_limit * 100, 'FM990.0%'));
        elsif least(v_first.scored, v_found.scored) >= v_fewest and v_found.middle > greatest(v_first.middle, 1) * v_experiment.time_limit then
          v_why := format('a score of %s takes %s microseconds in the median, of %s %s; the limit is %s times as long', v_found.arm, v_found.middle,
                          v_first.arm, v_first.middle, v_experiment.time_limit);
        end if;
        if v_why is not null then
          arm := v_found.arm;
          exit;
        end if;
      end loop;
    end if;
    if v_why is not null then
      perform modelpack.end_experiment(v_experiment, v_caller, 'guardrail: ' || v_why);
    end if;
    experiment := v_experiment.experiment;
    what := v_why;
    stopped := v_why is not null;
    return next;
    arm := null;
  end loop;
end
$modelpack$;
comment on function modelpack.watch_experiments(modelpack.me) is 'modelpack.watch_experiments() for who calls it.';
revoke all on function modelpack.watch_experiments(modelpack.me) from public;
create or replace function modelpack.watch_experiments() returns table (experiment text, arm text, what text, stopped boolean)
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select w.* from modelpack.me as m cross join lateral modelpack.watch_experiments(m) as w
$modelpack$;
comment on function modelpack.watch_experiments() is
  'Looks at the guardrails of all experiments that run, and ends those that break one: an arm whose rows lack fresh scores, or whose scores take too long, beside the first arm; or a score that is gone. For a scheduler, every few minutes.';
revoke all on function modelpack.watch_experiments() from public;
grant execute on function modelpack.watch_experiments(), modelpack.watch_experiments(modelpack.me) to modelpack_publisher, modelpack_monitor;
