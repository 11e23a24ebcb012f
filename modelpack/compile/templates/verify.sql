%# VERIFY: features that differ from the same aggregate over the events, of a range of blocks or of some keys.
% from "upkeep_parts.sql" import asked, bounds, by_events
% macro differing(chosen)
return query
select {{ plan.key_text("p") }}, f.feature, f.stored, f.expected
  from (
         {{ chosen }}
       ) as p
 {{ by_events(found.reads) }}
 cross join lateral (
   values {{ found.columns | each(held_against) | lines(",") }}
 ) as f (feature, stored, expected, differs)
 where f.differs;
% endmacro
% macro held_against(c)
({{ c.name | literal }}, p.{{ c.column }}::text, {{ c.value }}::text, {{ c.wrong }})
% endmacro
% set everybody
select q.*, coalesce(q.features_at, clock_timestamp()) as "the moment"
  from {{ plan.table }} as q
 where q.ctid >= v_first and q.ctid < v_beyond
% endset
% set some
select q.*, coalesce(q.features_at, clock_timestamp()) as "the moment"
  from {{ asked(plan) }} as k
  join {{ plan.table }} as q on {{ same(plan.keys("q"), plan.keys("k")) }}
% endset
declare
  {{ bounds() }}
begin
  % if found.columns
  if only_keys is null then
    {{ differing(everybody) }}
  else
    {{ differing(some) }}
  end if;
  % endif
end
