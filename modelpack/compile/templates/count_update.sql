%# COUNT, after a statement that changed events.
%#
%# `moved`    the setting that names a row that MERGE has moved to another partition
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
  % if event.missing == "create"
  v_made text[];
  % endif
begin
  {{ count.event_in_place() }}
  if current_setting({{ moved | literal }}, true) <> '' then
    if not exists (select from old_rows as o where md5(to_jsonb(o)::text) = current_setting({{ moved | literal }}, true)) then
      raise exception using
        errcode = 'feature_not_supported',
        message = {{ "MERGE has moved rows of {} to another partition, and PostgreSQL tells no trigger which" | filled(event.table) | literal }},
        detail = {{ "The features of {} could not follow." | filled(plan.table) | literal }},
        hint = 'Move them by UPDATE, or by DELETE and INSERT.';
    end if;
    perform set_config({{ moved | literal }}, '', true);
  end if;
  if not exists (select from new_rows) then
    return null;
  end if;
  {{ profile_in_place(plan) }}
  {{ count.refuse_forgetting() }}
  {{ count.heed_gone(count.keys_of("old_rows"), count.keys_of_both()) }}
  % if event.missing == "create"
  {{ count.create(count.keys_of("new_rows")) }}
  % elif event.missing == "refuse"
  {{ count.refuse(count.keys_of("new_rows")) }}
  % endif
  {{ count.heed(count.changed_keys(), count.with_changed()) }}
  {{ count.lock_and_look(count.changed_keys(), count.with_changed()) }}
  {{ count.write_all(count.summed("changed" | ident, changing), changing, count.with_changed()) }}
  {{ count.recount(makes=event.missing == "create") }}
  return null;
end
