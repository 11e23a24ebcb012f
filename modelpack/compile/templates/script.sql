%# The statements of a script, each a macro.

% macro create_function(function)
% macro argument(name, type)
{{ name | ident }} {{ type }}
% endmacro
create or replace function {{ function.called }}({{ function.arguments.items() | each(argument) | join(", ") }})
returns {{ function.returns }}
{{ function.header }}
as {{ function.quoted }}
% endmacro

% macro keep_from_public(function)
revoke all on function {{ function.signature }} from public
% endmacro

%# `stem`: the profile that it belongs to.
% macro comment_on_function(function, stem)
comment on function {{ function.signature }} is
  {{ "{} [{}]" | filled(function.comment, stem) | lines_of_text }}
% endmacro

%# No event slips in between the backfill and the triggers. `tables`: event tables, NULL for one that is gone.
% macro lock_tables(plan, tables, mode)
select modelpack.lock_tables(
  array_remove(array[{{ tables | lines(",") }}]::regclass[], null),
  {{ plan.table | literal }}, {{ mode | literal }})
% endmacro

%# A function of modelpack's.
% macro call(function, arguments)
select modelpack.{{ function | ident }}({{ arguments | join(", ") }})
% endmacro

%# The same with arguments that are named, one below the other.
% macro call_by_names(function, arguments)
% macro named(name, value)
{{ name | ident }} => {{ value }}
% endmacro
select modelpack.{{ function | ident }}(
  {{ arguments | each(named) | lines(",") }})
% endmacro

% macro record_meanings(plan, meanings)
update modelpack.profile set meanings = {{ meanings }} where name = {{ plan.table | literal }}
% endmacro

% macro add_column(plan, name, type, default)
alter table {{ plan.table }} add column if not exists {{ name | ident }} {{ type }}{% if default %} not null default {{ default }}{% endif %}
% endmacro

%# `columns`: name, type, default, and whether it is never NULL. A default is kept beside the table for the rows that are there
%# already: the reason why they have no score has one for this moment, and writes none of them.
% macro add_columns(plan, columns)
% macro added(name, type, default, filled)
add column if not exists {{ name | ident }} {{ type }}{% if default %}{% if filled %} not null{% endif %} default {{ default }}{% endif %}
% endmacro
alter table {{ plan.table }}
  {{ columns | each(added) | lines(",") }}
% endmacro

%# A row that comes later has a reason of its own.
% macro drop_defaults(plan, names)
% macro dropped(name)
alter column {{ name | ident }} drop default
% endmacro
alter table {{ plan.table }} {{ names | each(dropped) | join(", ") }}
% endmacro

%# The tables of the declaration in force, whatever that is.
% macro lock_attached(table)
select modelpack.lock_tables(
  array(select a.relation from modelpack.attached_tables() as a where a.profile = {{ table }}::regclass and a.is_event and a.relation is not null),
  {{ table }}, 'access exclusive')
% endmacro

% macro disarm(table, functions)
select modelpack.disarm(p.relation, p.stem{% if not functions %}, array(select g from modelpack.generated(p.stem) as g){% endif %})
  from modelpack.profile as p where p.relation = {{ table }}::regclass
% endmacro

% macro comment_on_column(plan, name, text)
comment on column {{ plan.table }}.{{ name | ident }} is
  {{ "{}; kept by modelpack" | filled(text) | lines_of_text }}
% endmacro

%# On the profile. `columns`: those at whose UPDATE it fires, or none for all.
% macro create_row_trigger(plan, name, when, function, columns)
create trigger {{ name | ident }} {{ when }}{% if columns %} of {{ columns | each(named_column) | join(", ") }}{% endif %} on {{ plan.table }}
  for each row execute function {{ plan.called(function) }}()
% endmacro

% macro named_column(name)
{{ name | ident }}
% endmacro

%# Profiles for the keys of the events that are there already.
% macro new_profiles(plan, event)
insert into {{ plan.table }} ({{ plan.key | join(", ") }}) overriding system value
select distinct {{ event.keys("e") | join(", ") }}
  from {{ event.table }} as e
 where {{ event.conditions(event.present("e")) }}
   and not exists (select from {{ plan.table }} as q where {{ same(plan.keys("q"), event.keys("e")) }})
 order by {{ event.keys("e") | join(", ") }}
% endmacro

%# Features that are new and outlive their events: `columns`, from `rows`.
% macro count_anew(plan, columns, rows)
update {{ plan.table }} as p
   set ({{ columns | join(", ") }}) = (
         {{ rows }}
       )
 where p.features_at is not null
% endmacro

%# A task in chunks, of the blocks that are there now: rows that are written anew need not be looked at again.
% macro in_chunks(plan, task, chunk, more)
select sum({{ plan.called(task) }}(c.first_block, coalesce(c.last_block, c.first_block + {{ chunk }} - 1){% for value in more %}, {{ value }}{% endfor %}))
  from modelpack.chunks({{ plan.table | literal }}, {{ chunk }}) as c
% endmacro
