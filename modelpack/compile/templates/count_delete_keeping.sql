%# COUNT, after a statement that took events whose features stay: windows are read again where one of the rows was in one.
%#
%# `ageing`    decayed features and what they weigh at the moment
% from "parts.sql" import profile_in_place
% import "count_parts.sql" as count with context
declare
  % if event.windowed
  v_moment constant timestamptz := clock_timestamp();
  % endif
  v_statement constant timestamptz := {{ statement }};
begin
  {{ count.event_in_place() }}
  if not exists (select from old_rows) then
    return null;
  end if;
  {{ profile_in_place(plan) }}
  % if event.windowed
  {{ count.lock(count.keys_of("old_rows", recent=true)) }}
  update {{ plan.table }} as p
     set {% for pair in ageing | assigned %}{{ pair }},
         {% endfor %}features_at = v_moment
    from (
           {{ count.keys_of("old_rows", recent=true) }}
         ) as d
   where {{ count.matched() }};
  % endif
  -- what this very statement has read from the events stays from here on, too
  update {{ plan.table }} as p
     set features_read_at = null
    from (
           {{ count.keys_of("old_rows") }}
         ) as d
   where {{ count.matched() }}
     and p.features_read_at = v_statement;
  return null;
end
