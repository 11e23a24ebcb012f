%# What several functions have in common.

%# Whether two rows hold the same, byte for byte, whatever the search_path.
% macro identical(left, right)
row(
  {{ left | lines(",") }}
)::pg_catalog.record operator(pg_catalog.*=) row(
  {{ right | lines(",") }}
)::pg_catalog.record
% endmacro

%# Triggers stay with a table that is renamed, so they say which table was meant, also after a dump was restored:
%# another table may have taken the name of one.

%# Refuse to write a profile that lacks what scores its rows.
% macro profile_in_place(plan)
if (select count(*) from pg_trigger as t
     where t.tgrelid = {{ plan.table | literal }}::regclass
       and t.tgname in ({{ plan.guard_trigger | literal }}, {{ plan.score_trigger | literal }})) < 2
then
  {{ snapshot_in_place(plan) }}
  raise exception using
    errcode = 'object_not_in_prerequisite_state',
    message = {{ "{} is another table than the profile that was declared: it has no score trigger" | filled(plan.table) | literal }},
    hint = 'select * from modelpack.doctor() says where the profile is now, and what to run.';
end if;
% endmacro

%# Refuse to read event tables that do not have the triggers of COUNT; nothing for no events.
% macro events_in_place(plan, events)
% macro untriggered(event)
not exists (select from pg_trigger as t
             where t.tgrelid = {{ event.table | literal }}::regclass
               and t.tgfoid = {{ "modelpack.{}()" | filled(plan.count_name(event, "insert") | ident) | literal }}::regprocedure)
% endmacro
% macro named(event)
case when {{ untriggered(event) }}
  then {{ event.table | literal }} end
% endmacro
% if events
if {{ events | each(untriggered) | lines(before="or ") }}
then
  {{ snapshot_in_place(plan) }}
  raise exception using
    errcode = 'object_not_in_prerequisite_state',
    message = format(
      '%s is another table than the event table that the declaration of %s means: it has no count trigger',
      % if events | length == 1
      {{ events[0].table | literal }},
      % else
      concat_ws(', ',
        {{ events | each(named) | lines(",") }}),
      % endif
      {{ plan.table | literal }}),
    detail = 'Its rows would count as events.',
    hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
end if;
% endif
% endmacro

%# Turn settings until the transaction's end, keeping them in v_settings: a SET clause costs each call of a function.
% macro turn(settings)
% macro current(name)
current_setting({{ name | literal }})
% endmacro
% macro turned(name, value)
set_config({{ name | literal }}, {{ value | literal }}, true)
% endmacro
v_settings := array[{{ settings | each(current) | lines(",") }}];
perform {{ settings.items() | each(turned) | lines(",") }};
% endmacro

%# Turn them back.
% macro turn_back(settings)
perform {% for name in settings %}set_config({{ name | literal }}, v_settings[{{ loop.index }}], true){% if not loop.last %},
        {% endif %}{% endfor %};
% endmacro

%# Lock unknown keys, with or without a profile to come: `hashes` is a query of the hashes of the keys, in key order. An
%# event that is ignored, or goes, and the INSERT of its key's profile do not meet anywhere else, and each would overlook
%# the other while neither is committed.
% macro meet(plan, hashes)
perform {{ plan.called("meet") }}(array(
  {{ hashes }}
));
% endmacro

%# What tells the inputs of a row from others.
% macro mark(numbers, texts)
md5(array_send({{ numbers }}) || coalesce(array_send({{ texts }}), ''))
% endmacro

%# Whether a row `p` of the profile has not been counted under the declaration in force: its mark is missing, or older than that.
% macro uncounted(since)
(p.features_read_at >= {{ since }}) is not true
% endmacro

%# What was there before the triggers were made is read with a snapshot that is not older than they are: one that is older could
%# miss events that no trigger has seen.
% macro snapshot_in_place(plan)
if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
  perform {{ plan.called("seen") }}();
end if;
% endmacro
