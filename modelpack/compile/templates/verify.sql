%# VERIFY: features that differ from the same aggregate over the events, of a range of blocks or of some keys.
% from "upkeep_parts.sql" import asked, bounds, by_events
% macro held_against(c)
({{ c.name | literal }}, p.{{ c.column }}::text, {{ c.value }}::text, {{ c.wrong }})
% endmacro
% if not found.columns
begin
end
% else
declare
  {{ bounds() }}
begin
  return query
  select {{ plan.key_text("p") }}, f.feature, f.stored, f.expected
    from (
           select q.*, coalesce(q.features_at, clock_timestamp()) as "the moment"
             from {{ plan.table }} as q
            where only_keys is null and q.ctid >= v_first and q.ctid < v_beyond
           union all
           select q.*, coalesce(q.features_at, clock_timestamp()) as "the moment"
             from {{ asked(plan) }} as k
             join {{ plan.table }} as q on {{ same(plan.keys("q"), plan.keys("k")) }}
            where only_keys is not null
         ) as p
   {{ by_events(found.reads) }}
   cross join lateral (
     values {{ found.columns | each(held_against) | lines(",") }}
   ) as f (feature, stored, expected, differs)
   where f.differs;
end
% endif
