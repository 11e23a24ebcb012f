create or replace function modelpack.watch_observe() returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- A job cannot say that it has not run. So whoever reads alerts asks this first.
#variable_conflict use_column
declare
  v_bound constant double precision := (select b.bound from modelpack.alert_bounds as b where b.model = '' and b.kind = 'observe');
  v_looked_at timestamptz;
  v_late boolean;
  v_alert bigint;
begin
  if not pg_is_in_recovery() then
    lock table modelpack.alert_watch in share row exclusive mode;
    select l.looked_at into v_looked_at from modelpack.alert_look as l;
    -- where nothing scores there is nothing to look at
    v_late := v_bound is not null and (v_looked_at is not null or exists (select from modelpack.score))
              and coalesce(extract(epoch from clock_timestamp() - v_looked_at) > v_bound, true);
    if v_late then
      insert into modelpack.alert (kind, subject, value, bound, words)
      values ('observe', 'modelpack.observe()', extract(epoch from clock_timestamp() - v_looked_at), v_bound,
              case when v_looked_at is null then 'modelpack.observe() has never run, so nothing is watched: have a scheduler call it every few minutes'
                   else format('modelpack.observe() was last at its end at %s, so nothing is watched: see whether its scheduler runs',
                               to_char(v_looked_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')) end)
      on conflict (model, kind, subject) where closed_at is null
      do update set value = excluded.value, bound = excluded.bound, words = excluded.words
      where modelpack.alert.value is distinct from excluded.value
      returning alert_id into v_alert;
      insert into modelpack.alert_event (alert_id, what)
      select v_alert, 'opened' where v_alert is not null and not exists (select from modelpack.alert_event as e where e.alert_id = v_alert);
    else
      update modelpack.alert as a set closed_at = clock_timestamp(), closed_because = case when v_bound is null then 'it is not looked at any more' else 'modelpack.observe() ran' end
       where a.kind = 'observe' and a.closed_at is null
      returning a.alert_id into v_alert;
      insert into modelpack.alert_event (alert_id, what) select v_alert, 'closed' where v_alert is not null;
    end if;
  end if;
  return (select count(*) from modelpack.alert as a where a.closed_at is null);
end
$modelpack$;
comment on function modelpack.watch_observe() is
  'The dead man''s switch: opens an alert where modelpack.observe() has not been at its end for too long, closes it where it has. Whoever reads alerts calls it. Gives how many are open.';
revoke all on function modelpack.watch_observe() from public;
grant execute on function modelpack.watch_observe() to modelpack_publisher, modelpack_approver, modelpack_monitor;
