create or replace function modelpack.sent_alert(channel text, event_id bigint) returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
update modelpack.alert_channel as c set sent = sent_alert.event_id, sent_at = clock_timestamp()
 where c.channel = sent_alert.channel and c.sent < sent_alert.event_id
   and exists (select from modelpack.alert_event as e where e.event_id = sent_alert.event_id)
$modelpack$;
comment on function modelpack.sent_alert(text, bigint) is 'Notes that a channel has been told of an event of alerts, in the transaction of modelpack.next_alert().';
revoke all on function modelpack.sent_alert(text, bigint) from public;
grant execute on function modelpack.sent_alert(text, bigint) to modelpack_publisher, modelpack_monitor;
