%# REBUILD: the features of a range of blocks, again from the events. Rows that differ are scored in one call of each
%# model, where they can be.
%# `at_once`: what the events say, beside `s`; `going`: the row by that, brought up to the moment
% from "parts.sql" import events_in_place, snapshot_in_place, uncounted
% from "upkeep_parts.sql" import bounds, source_again, write_again
% import "together_parts.sql" as many with context
%# Through a range a statement may come by a row twice, where it has moved it itself: features_read_at tells nothing.
% macro afresh()
p.features_at is null or {{ uncounted(plan.since) }}
% endmacro
% set chosen
select p.*,
       {{ afresh() }} as "read afresh",
       case when {{ afresh() }} then clock_timestamp() else p.features_at end as "the moment"
  from {{ plan.table }} as p
 where p.ctid >= v_first and p.ctid < v_beyond
% endset
% macro source()
% set rows
{{ plan.table }} as p
% endset
% set places
p.ctid >= v_first and p.ctid < v_beyond
% endset
{{ source_again(at_once, rows, afresh(), many.beside(), places) }}
% endmacro
% if not found.columns
begin
  return 0;
end
% else
declare
  {{ bounds() }}
  % if scores
  v_moment timestamptz;
  {{ many.variables() }}
  % else
  v_written bigint;
  % endif
begin
  {{ events_in_place(plan, plan.events) }}
  {{ snapshot_in_place(plan) }}
  perform from {{ plan.table }} as p
   where p.ctid >= v_first and p.ctid < v_beyond
   order by {{ plan.keys("p") | join(", ") }}
     for no key update;
  % if scores
  v_moment := clock_timestamp();
  if {{ many.batched(going) }} then
    {{ many.all_at_once(source(), going) }}
    return v_written;
  end if;
  % endif
  {{ write_again(plan, found, chosen) }}
  get diagnostics v_written = row_count;
  return v_written;
end
% endif
