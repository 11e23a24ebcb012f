create or replace function modelpack.figures_of_jobs() returns table (model text, kind text, subject text, value double precision, bound double precision, words text)
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $modelpack$
#variable_conflict use_column
begin
  -- the newest run of each job, where it has no end and its session is gone
  return query
  select '', 'interrupted', concat(n.task, ' of ' || n.profile, ', ' || n.score), extract(epoch from now() - n.progress_at)::double precision, b.bound,
         format('%s%s was interrupted at %s, after %s rows; the next call goes on where it stopped', n.task, coalesce(' of ' || nullif(n.profile, ''), ''),
                to_char(n.progress_at, 'YYYY-MM-DD HH24:MI "UTC"'), n.rows)
    from (select distinct on (j.task, j.profile, j.score) j.* from modelpack.job as j order by j.task, j.profile, j.score, j.job_id desc) as n
    join modelpack.alert_bounds as b on b.model = '' and b.kind = 'interrupted'
   where b.bound is not null and n.ended_at is null
     and not exists (select from pg_stat_activity as a where a.pid = n.pid);

  -- what a shadow has not scored: the log may be large, so it is asked for one row alone
  return query
  select s.model, 'backlog', concat('shadow version ', s.version), coalesce(extract(epoch from now() - w.since)::double precision, 0), b.bound,
         format('version %s, a shadow, has not scored what the log has held since %s: call modelpack.score_shadows(%L)', s.version,
                to_char(w.since, 'YYYY-MM-DD HH24:MI "UTC"'), s.model)
    from modelpack.shadow as s
    join modelpack.alert_bounds as b on b.model = s.model and b.kind = 'backlog'
   cross join lateral (select coalesce((select max(d.scored_at) from modelpack.shadow_score as d where d.shadow_id = s.shadow_id), s.started_at) as until) as u
    left join lateral (select l.scored_at as since from modelpack.prediction as l
                        where l.model = s.model and l.version <> s.version and l.scored_at > u.until and l.scored_at < now() - b.bound * interval '1 second'
                          and abs(hashtextextended(l.entity_key, 0) % 10000) < s.share
                        order by l.scored_at limit 1) as w on true
   where b.bound is not null and s.ended_at is null and now() - u.until > b.bound * interval '1 second';
end
$modelpack$;
comment on function modelpack.figures_of_jobs() is 'What modelpack.raise_alerts() holds against bounds: jobs that were interrupted, and what shadows have not scored.';
revoke all on function modelpack.figures_of_jobs() from public;
