create or replace function modelpack.raise_alerts() returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_before bigint;
  v_figures modelpack.alert_watch[];
  v_words text[];
  v_open integer;
begin
  lock table modelpack.alert_watch in share row exclusive mode;
  select coalesce(max(e.event_id), 0) into v_before from modelpack.alert_event as e;
  select array_agg(row(f.model, f.kind, f.subject, 0, 0, f.value, f.bound, null)::modelpack.alert_watch order by f.kind, f.model, f.subject),
         array_agg(f.words order by f.kind, f.model, f.subject)
    into v_figures, v_words
    from (select distinct on (x.kind, x.model, x.subject) x.*
            from (select * from modelpack.figures_of_scores()
                  union all select * from modelpack.figures_of_work()
                  union all select * from modelpack.figures_of_outcomes()
                  union all select * from modelpack.figures_of_experiments()
                  union all select * from modelpack.figures_of_jobs()) as x
            join modelpack.alert_kind as k on k.kind = x.kind
           order by x.kind, x.model, x.subject, modelpack.beyond(x.value, x.bound, k.below) desc) as f;
  update modelpack.alert_look as l set looked_at = clock_timestamp();
  perform modelpack.look_at(coalesce(v_figures, '{}'), coalesce(v_words, '{}'));
  v_open := modelpack.watch_observe();
  perform modelpack.tell_alerts(v_before);
  return v_open;
end
$modelpack$;
comment on function modelpack.raise_alerts() is
  'Looks at everything that has a bound, opens and closes alerts, and says so by NOTIFY modelpack_alert. Gives how many are open. modelpack.observe() calls it at its end.';
revoke all on function modelpack.raise_alerts() from public;
grant execute on function modelpack.raise_alerts() to modelpack_publisher, modelpack_monitor;
