%# COUNT, after a statement that took events whose features stay: windows are read again where one of the rows was in one.
%#
%# `dropping`    how rows are written whose windows have lost an event
% from "parts.sql" import profile_in_place
% import "count_parts.sql" as count with context
declare
  % if event.windowed
  v_moment {% if not scores %}constant {% endif %}timestamptz := clock_timestamp();
  {{ count.variables() }}
  % endif
  v_statement constant timestamptz := {{ statement }};
begin
  {{ count.event_in_place() }}
  if not exists (select from old_rows) then
    return null;
  end if;
  {{ profile_in_place(plan) }}
  % if event.windowed
  {{ count.heed_gone(count.keys_of("old_rows", recent=true), count.keys_of("old_rows", recent=true)) }}
  % if scores
  {{ count.lock_and_count(count.keys_of("old_rows", recent=true)) }}
  % else
  {{ count.lock(count.keys_of("old_rows", recent=true)) }}
  % endif
  {{ count.write_all(count.keys_of("old_rows", recent=true), dropping, known=true) }}
  % endif
  -- what this very statement has read from the events stays from here on, too
  update {{ plan.table }} as p
     set features_read_at = 'infinity'
    from (
           {{ count.keys_of("old_rows") }}
         ) as d
   where {{ count.matched() }}
     and p.features_read_at = v_statement;
  return null;
end
