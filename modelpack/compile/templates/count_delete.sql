%# COUNT, after a statement that took events.
% from "parts.sql" import profile_in_place
% import "count_parts.sql" as count with context
declare
  % if plan.decayed
  v_moment {% if not scores %}constant {% endif %}timestamptz := clock_timestamp();
  % elif scores
  v_moment timestamptz;
  % endif
  v_statement constant timestamptz := {{ statement }};
  v_read text[];
  {{ count.variables() }}
begin
  {{ count.event_in_place() }}
  if not exists (select from old_rows) then
    return null;
  end if;
  {{ profile_in_place(plan) }}
  {{ count.heed(count.keys_of("old_rows")) }}
  {{ count.heed_gone(count.keys_of("old_rows"), count.keys_of("old_rows")) }}
  {{ count.lock_and_look(count.keys_of("old_rows")) }}
  {{ count.write_all(count.summed(count.nested(count.rows_of("old_rows", gone=true)), changing), changing) }}
  {{ count.recount() }}
  return null;
end
