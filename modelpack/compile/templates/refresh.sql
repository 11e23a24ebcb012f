%# REFRESH: rows of a range of blocks whose windows have moved on; with `older_than` also those that only aged.
%# `found`: windowed features by the events; `ageing`: decayed features, carried on to the moment; `going`: the row with both
% from "parts.sql" import events_in_place, uncounted
% from "upkeep_parts.sql" import bounds, by_events
% import "together_parts.sql" as many with context
%# Whether an event that was dated ahead has come due.
% macro came_due(event, f)
p.{{ f.bound | ident }} > p.features_at and exists (select from {{ event.table }} as e where {{ same(event.keys("e"), plan.keys("p")) }} and e.{{ event.at }} > p.features_at and e.{{ event.at }} <= v_moment{% if event.where %} and {{ event.where }}{% endif %})
% endmacro
%# A row that is ahead of the clock was brought up to date before the clock was set back.
% macro moved()
(p.features_at < older_than or (older_than is not null and p.features_at > clock_timestamp()){% for c in found.columns %}
  or {{ c.wrong }}{% endfor %}{% for event in plan.events %}{% for f in event.decayed %}
  or {{ came_due(event, f) }}{% endfor %}{% endfor %})
% endmacro
% macro source()
from {{ plan.table }} as p
{{ by_events(found.reads) }}
where p.ctid >= v_first and p.ctid < v_beyond
  and not {{ uncounted(plan.since) }}
  and {{ moved() }}
% endmacro
declare
  {{ bounds() }}
  v_moment timestamptz;
  % if scores
  {{ many.variables() }}
  % else
  v_written bigint;
  % endif
begin
  {{ events_in_place(plan, ageing_events) }}
  perform from {{ plan.table }} as p
   where p.ctid >= v_first and p.ctid < v_beyond
   order by {{ plan.keys("p") | join(", ") }}
     for no key update;
  v_moment := clock_timestamp();
  % if scores
  if {{ many.batched(going) }} then
    {{ many.all_at_once(source(), going) }}
    return v_written;
  end if;
  % endif
  update {{ plan.table }} as p
     set {% for assigned in ageing | assigned %}{{ assigned }},
         {% endfor %}features_at = v_moment
    from (
           select p.ctid as "the place", p.tableoid as "the partition"
             {{ source() }}
         ) as x
   where p.ctid = x."the place" and p.tableoid = x."the partition";
  get diagnostics v_written = row_count;
  return v_written;
end
