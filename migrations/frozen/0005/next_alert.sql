create or replace function modelpack.next_alert(channel text)
returns table (event_id bigint, what text, at timestamptz, alert_id bigint, model text, kind text, subject text, opened_at timestamptz, closed_at timestamptz,
               value double precision, bound double precision, words text, closed_because text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- The row of the channel is held until the transaction ends: of two who deliver at once the second waits, and finds what is next then.
#variable_conflict use_column
declare
  v_channel modelpack.alert_channel;
begin
  if channel !~ '^(webhook|mail):[0-9a-f]{16,64}$' then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('the channel is %s, expected webhook or mail, a colon and a hash', modelpack.shown(channel, 100)),
      hint = 'modelpack alerts --webhook URL makes it.';
  end if;
  insert into modelpack.alert_channel (channel, began_after, sent)
  select next_alert.channel, coalesce(max(e.event_id), 0), 0 from modelpack.alert_event as e
  on conflict do nothing;
  select * into v_channel from modelpack.alert_channel as c where c.channel = next_alert.channel for update;
  return query
  select e.event_id, e.what, e.at, a.alert_id, a.model, a.kind, a.subject, a.opened_at, case e.what when 'closed' then a.closed_at end, a.value, a.bound, a.words,
         case e.what when 'closed' then a.closed_because end
    from modelpack.alert_event as e
    join modelpack.alert as a using (alert_id)
   where e.event_id > v_channel.sent
     and (e.event_id > v_channel.began_after
          or e.what = 'opened' and not exists (select from modelpack.alert_event as c
                                                where c.alert_id = e.alert_id and c.what = 'closed' and c.event_id <= v_channel.began_after))
   order by e.event_id
   limit 1;
end
$modelpack$;
comment on function modelpack.next_alert(text) is
  'The next opening or closing that a channel has not been told; its row stays locked until the transaction ends. After it was sent: modelpack.sent_alert().';
revoke all on function modelpack.next_alert(text) from public;
grant execute on function modelpack.next_alert(text) to modelpack_publisher, modelpack_monitor;
