%# COUNT, after a statement that brought events.
%#
%# `one`      how the only event of a statement is written; None where features are read from the events again
%# `joins`    settings of the planner that are off while rows are joined
% from "parts.sql" import profile_in_place, turn, turn_back
% import "count_parts.sql" as count with context
% set keys = count.keys_of("new_rows")
declare
  % if plan.decayed
  v_moment {% if not scores %}constant {% endif %}timestamptz := clock_timestamp();
  % elif scores
  v_moment timestamptz;
  % endif
  v_statement {% if not one %}constant timestamptz := {{ statement }}{% else %}timestamptz{% endif %};
  v_read text[];
  {{ count.variables() }}
  % if event.missing == "create"
  v_made text[];
  % endif
  v_settings text[];
begin
  {{ count.event_in_place() }}
  {{ count.heed(keys) }}
  -- most statements bring one event: then one UPDATE of its profile is all
  perform from new_rows offset 1;
  if not found then
    % if one
    {{ count.write_one(one) }}
    % else
    %# what is read from the events is read after the lock
    {{ profile_in_place(plan) }}
    {{ count.lock(keys) }}
    if found then
      {{ count.write(count.rows_of("new_rows"), adding) }}
      if found then
        return null;
      end if;
    end if;
    % endif
    if not exists (select from new_rows) then
      return null;
    end if;
  end if;
  {{ profile_in_place(plan) }}
  % if one
  v_statement := {{ statement }};
  % endif
  -- these cost what a single event need not pay; from here on any number of rows is joined, by an index
  {{ turn(joins) }}
  % if event.missing == "create"
  %# mostly there are none, and an INSERT of no row fires statement triggers, too
  if exists (
       {{ count.unknown(keys) }}
     ) then
    {{ count.create(keys) }}
  end if;
  % elif event.missing == "refuse"
  {{ count.refuse(keys) }}
  % endif
  {{ count.lock_and_look(keys) }}
  {{ count.write_all(count.summed(count.nested(count.rows_of("new_rows")), adding), adding) }}
  {{ count.recount(makes=event.missing == "create") }}
  {{ turn_back(joins) }}
  return null;
end
