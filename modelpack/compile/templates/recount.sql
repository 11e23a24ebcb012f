%# RECOUNT: the features of some rows, again from the events.
%# `found`: what the events say.
% from "parts.sql" import events_in_place, snapshot_in_place, uncounted
% from "upkeep_parts.sql" import asked, write_again
% set afresh
p.features_at is null or {{ uncounted(plan.since) }} or p.features_read_at = {{ statement }}
% endset
%# A row is read afresh that was never counted, or that this very statement has read from the events by its key already.
% set chosen
select p.*,
       {{ afresh }} as "read afresh",
       case when {{ afresh }} then clock_timestamp() else p.features_at end as "the moment"
  from {{ asked(plan) }} as k
  join {{ plan.table }} as p on {{ same(plan.keys("p"), plan.keys("k")) }}
% endset
% if not found.columns
begin
  return 0;
end
% else
declare
  v_written bigint := 0;
begin
  {{ events_in_place(plan, plan.events) }}
  {{ snapshot_in_place(plan) }}
  perform
    from {{ asked(plan) }} as k
    join {{ plan.table }} as p on {{ same(plan.keys("p"), plan.keys("k")) }}
   order by {{ plan.keys("p") | join(", ") }}
     for no key update of p;
  {{ write_again(plan, found, chosen) }}
  get diagnostics v_written = row_count;
  return v_written;
end
% endif
