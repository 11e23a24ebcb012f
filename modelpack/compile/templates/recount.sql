%# RECOUNT: the features of some rows, again from the events. Many rows are scored in one call of each model, where they can be.
%# `found`: what the events say; `at_once`: the same beside `s`; `going`: the row by that, brought up to the moment
% from "parts.sql" import events_in_place, snapshot_in_place, uncounted
% from "upkeep_parts.sql" import asked, source_again, write_again
% import "together_parts.sql" as many with context
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
% macro source()
% set rows
{{ asked(plan) }} as k
join {{ plan.table }} as p on {{ same(plan.keys("p"), plan.keys("k")) }}
% endset
{{ source_again(at_once, rows, afresh, many.beside()) }}
% endmacro
% if not found.columns
begin
  return 0;
end
% else
declare
  % if scores
  v_moment timestamptz;
  v_rows bigint;
  {{ many.variables() }}
  % else
  v_written bigint := 0;
  % endif
begin
  {{ events_in_place(plan, plan.events) }}
  {{ snapshot_in_place(plan) }}
  perform
    from {{ asked(plan) }} as k
    join {{ plan.table }} as p on {{ same(plan.keys("p"), plan.keys("k")) }}
   order by {{ plan.keys("p") | join(", ") }}
     for no key update of p;
  % if scores
  get diagnostics v_rows = row_count;
  v_moment := clock_timestamp();
  if v_rows >= {{ at_least }} and {{ many.batched(going) }} then
    {{ many.all_at_once(source(), going) }}
    return v_written;
  end if;
  % endif
  {{ write_again(plan, found, chosen) }}
  get diagnostics v_written = row_count;
  return v_written;
end
% endif
