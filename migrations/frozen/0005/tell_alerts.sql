create or replace function modelpack.tell_alerts(after bigint) returns void
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select pg_notify('modelpack_alert', jsonb_build_object('event', e.event_id, 'what', e.what, 'alert', a.alert_id, 'model', a.model, 'kind', a.kind)::text)
  from modelpack.alert_event as e join modelpack.alert as a using (alert_id)
 where e.event_id > after
 order by e.event_id
$modelpack$;
comment on function modelpack.tell_alerts(bigint) is 'NOTIFY modelpack_alert for each event of alerts after this one: at the commit of the job, never in an event of an application.';
revoke all on function modelpack.tell_alerts(bigint) from public;
