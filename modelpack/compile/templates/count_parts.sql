%# What the functions of COUNT have in common. All of it is about one `event` of one profile, `plan`:
%#
%# `counted`          which rows of the event table count: with a key, and as the declaration says
%# `contributions`    what such a row adds to features, by names
%# `image`            what else decides about features: values of which they hold copies, and what they are read by
%# `adding`, `changing`
%#                    how an INSERT and how a change are written: `sums`, aggregates of contributions by their names; `sets`,
%#                    columns of the profile and what they become; `reread`, a query of features that are read again
%# `fixed`            what rows contribute to features that cannot be taken back, by names
%# `losing`           the names of these features
%# `lost`             tests of what a row `x` contributes to them: it is something
%# `scores`           those by which many rows are scored together, if they are
% from "parts.sql" import events_in_place, profile_in_place, uncounted
% import "together_parts.sql" as many with context

%# --- whether the tables are those that were declared ---

%# Triggers stay with a table that is renamed: it is no more the event table, if another has its name now.
% macro event_in_place()
if tg_relid <> {{ event.table | literal }}::regclass then  -- a partition of it, or one on its way
  if not exists (select from pg_partition_ancestors(tg_relid) as a where a.relid = {{ event.table | literal }}::regclass)
     and (select c.relpersistence from pg_class as c where c.oid = tg_relid) <> 't'
  then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('%s has the triggers of the event table %s, which is another relation now',
                       tg_relid::regclass, {{ event.table | literal }}),
      detail = 'Its rows would count as events of that.',
      hint = 'Rename it back; or modelpack apply DECLARATION, which moves the triggers to the table that is declared.';
  end if;
end if;
% endmacro

%# --- what a statement brought, changed or took ---

%# Row by row. `compared`: to be compared, so with everything that matters. `gone`: with the sign of what was taken.
% macro rows_of(source, compared=false, gone=false)
select {% if gone %}-1 as "the sign",
       {% endif %}{{ event.keys("e") | lines(",") }}{% if contributions %},
       {{ contributions | selected | lines(",") }}{% endif %}{% if compared and image %},
       row({{ image | join(", ") }})::text as "the image"{% endif %}
  from {{ source | ident }} as e
 where {{ counted }}
% endmacro

%# The keys that its rows name. `recent`: of rows that may be in a window.
% macro keys_of(source, recent=false)
select distinct {{ event.keys("e") | join(", ") }}
  from {{ source | ident }} as e
 where {{ counted }}{% if recent %} and e.{{ event.at }} > v_moment - {{ event.longest_window() }}{% endif %}
% endmacro

%# What an UPDATE really changed, at the head of a statement: rows that differ in something that matters.
%# EXCEPT compares by equality; the image, a text, tells equal values from each other.
% macro with_changed()
with came as (
  {{ rows_of("new_rows", compared=true) }}
),
went as (
  {{ rows_of("old_rows", compared=true) }}
),
changed as (
  select 1 as "the sign", x.* from (select * from came except all select * from went) as x
  union all
  select -1 as "the sign", x.* from (select * from went except all select * from came) as x
)
% endmacro

% macro changed_keys()
select distinct {{ event.key | of("c") | join(", ") }}
  from changed as c
% endmacro

% macro nested(query)
(
  {{ query }}
)
% endmacro

%# Rows summed up a key: a name or a nested query.
% macro summed(rows, way)
select {{ event.key | of("c") | lines(",") }}{% if way.sums %},
       {{ way.sums | selected | lines(",") }}{% endif %}
  from {{ rows }} as c
 group by {{ event.key | of("c") | join(", ") }}
% endmacro

%# --- keys without a profile ---

% macro unknown(keys)
select {{ event.key | of("d") | join(", ") }}
  from (
         {{ keys }}
       ) as d
 where not exists (select from {{ plan.table }} as q where {{ same(plan.keys("q"), event.key | of("d")) }})
% endmacro

%# With missing="ignore": meet whoever is making one of them a profile just now.
% macro heed(keys, given=none)
% if event.missing == "ignore"
-- keys without a profile: whoever makes one of them a profile waits for us, or we for them
perform {{ plan.called("meet") }}(array(
  % if given
  {{ given }}
  % endif
  select {{ key_hash(event.key | of("u")) }}
    from (
           {{ unknown(keys) }}
         ) as u
   order by {{ event.key | of("u") | join(", ") }}
));
% endif
% endmacro

%# Before events go: those of a key without a profile would be missed by nobody, and whoever makes it one just now has
%# counted them. `gone`, `all`: the keys of what goes, and of all that the statement looks at, in whose order profiles are made.
% macro heed_gone(gone, all)
% if event.missing != "ignore"
if exists (
     {{ unknown(gone) }}
   ) then
  -- keys without a profile: whoever makes one of them a profile waits for us, or we for them
  perform {{ plan.called("meet") }}(array(
    select {{ key_hash(event.key | of("u")) }}
      from (
             {{ unknown(all) }}
           ) as u
     order by {{ event.key | of("u") | join(", ") }}
  ));
end if;
% endif
% endmacro

%# The keys of the old and the new rows of an UPDATE.
% macro keys_of_both()
select distinct {{ event.keys("e") | join(", ") }}
  from (select * from old_rows union all select * from new_rows) as e
 where {{ counted }}
% endmacro

%# With missing="refuse".
% macro refuse(keys)
if exists (
     {{ unknown(keys) }}
   ) then
  raise exception using
    errcode = 'foreign_key_violation',
    message = {{ "an event of {} names a key that {} does not have" | filled(event.table, plan.table) | literal }},
    hint = 'Insert the profile row first, or declare the event with missing="create".';
end if;
% endmacro

%# With missing="create": profiles in the order in which `heed` meets them; which ones these are.
% macro create(keys)
-- keys without a profile get one before any is locked; the score trigger reads its features from the events
with made as (
  insert into {{ plan.table }} as p ({{ plan.key | join(", ") }}) overriding system value
  {{ unknown(keys) }}
   order by {{ event.key | of("d") | join(", ") }}
  on conflict ({{ plan.key | join(", ") }}) do nothing
  returning {{ plan.key_text("p") }} as key, p.features_read_at is not null as read
)
-- not where triggers do not fire, in a replica: it is counted below
select array_agg(made.key) filter (where made.read) into v_made from made;
% endmacro

%# --- profiles are locked, all of them, and then written ---

%# Whether a profile is counted again instead of being added to: one that the declaration in force has not counted yet; and one
%# that this very statement has read from the events, which knows of the changes already.
%# Features that outlive their events are read only together with all others.
% macro read_already(given=none)
% set now = given or ("v_statement" | ident)
{{ uncounted(since) }} or p.features_read_at = {{ now }}{% if "features_reread_at" in plan.times and event.on_delete == "subtract" %} or p.features_reread_at = {{ now }}{% endif %}
% endmacro

% macro matched()
{{ same(plan.keys("p"), event.key | of("d")) }}
% endmacro

% macro lock(keys)
-- rows are locked in the order of their keys: two statements never wait for each other in a circle
perform
  from (
         {{ keys }}
       ) as d
  join {{ plan.table }} as p on {{ matched() }}
 order by {{ plan.keys("p") | join(", ") }}
   for no key update of p;
% endmacro

%# The same; and how many there are.
% macro lock_and_count(keys)
{{ lock(keys) }}
get diagnostics v_rows = row_count;
% endmacro

%# The same; and which of them are to be counted again instead of being added to.
% macro lock_and_look(keys, given=none)
-- rows are locked in the order of their keys: two statements never wait for each other in a circle
% if given
{{ given }}
% endif
% if scores
select array_agg(x.key) filter (where x.read), count(*) filter (where x.read is not true)
  into v_read, v_rows
% else
select array_agg(x.key) filter (where x.read) into v_read
% endif
  from (
         select {{ plan.key_text("p") }} as key,
                {{ read_already() }} as read
           from (
                  {{ keys }}
                ) as d
           join {{ plan.table }} as p on {{ matched() }}
          order by {{ plan.keys("p") | join(", ") }}
            for no key update of p
       ) as x;
% endmacro

%# What COUNT has to know where many rows are scored together.
% macro variables()
% if scores
v_rows bigint;
{{ many.variables() }}
% endif
% endmacro

%# `sums`: what is added to each key, with a row for each. `known`: rows that this statement has read, too.
% macro write(sums, way, given=none, known=false)
% if given
{{ given }}
% endif
update {{ plan.table }} as p
   set {{ way.sets | assigned | lines(",") }}
  from (
         {{ sums }}
       ) as d
       % if way.reread
       cross join lateral (
         {{ way.reread }}
       ) as r
       % endif
 where {{ matched() }}{% if not known %}
   and ({{ read_already() }}) is not true{% endif %};
% endmacro

%# All rows of a statement, many of them together.
% macro write_all(sums, way, given=none, known=false)
% if scores
v_moment := clock_timestamp();
if v_rows >= {{ at_least }} and {{ many.batched(way.going) }} then
  {{ events_in_place(plan, windowed) }}
  {{ many.all_at_once(source(sums, way, known), way.going, given) }}
else
  {{ write(sums, way, given, known) }}
end if;
% else
{{ write(sums, way, given, known) }}
% endif
% endmacro

%# The rows that a statement writes, with all that their features follow from.
% macro source(sums, way, known)
from (
       {{ sums }}
     ) as d
join {{ plan.table }} as p on {{ matched() }}
% if way.reread
cross join lateral (
  {{ way.reread }}
) as r
% endif
{{ many.beside() }}
% if not known
where ({{ read_already() }}) is not true
% endif
% endmacro

%# The same for the only event of a statement, with its values at hand: `e` is no row here but a variable.
%# Each simple expression of PL/pgSQL is prepared anew in every transaction, each expression of a query whenever it runs.
%# `one`: the variables that hold them, and what the columns of the profile become.
% macro write_one(one, rehearsal=false)
declare
  e record;
  v_unscored boolean;
  % for held in one.held
  {{ held.name | ident }} {{ held.type }};
  % endfor
begin
  select * into e from new_rows;
  % if event.where
  if ({{ event.where }}) is not true then
    return{% if not rehearsal %} null{% endif %};
  end if;
  % endif
  % for held in one.held
  {{ held.name | ident }} := {{ held.value }};
  % endfor
  update {{ plan.table }} as p
     set {{ one.sets | assigned | lines(",") }}
   where {{ same(plan.keys("p"), event.keys("e")) }}
     and ({{ read_already(statement) }}) is not true
  %# SCORE dates the features of every row that COUNT writes
  returning p.features_at {% if plan.decayed %}= v_moment{% else %}is null{% endif %} into v_unscored;
  if not v_unscored then
    %# to return a variable evaluates nothing
    return{% if not rehearsal %} new{% endif %};{% if not rehearsal %}  -- NULL in a trigger for each statement{% endif +%}
  elsif v_unscored then
    {{ profile_in_place(plan) }}
    return{% if not rehearsal %} null{% endif %};
  end if;
end;
% endmacro

%# Profiles that `write` passes over. `makes`: those that the function itself has made are right as they are.
% macro recount(makes=false)
-- profiles that this very statement has read from the events know of its changes; others, that were never counted,
-- are counted again
if v_read is not null then
  % if makes
  if v_made is not null then
    select array_agg(x.key) into v_read
      from (select unnest(v_read) as key except select unnest(v_made)) as x;
  end if;
  % endif
  perform {{ plan.called("recount") }}(v_read);
end if;
% endmacro

%# --- with on_delete="keep" an extreme cannot be taken back: the events that it would need are gone ---

% macro fixed_of(source)
select {{ event.keys("e") | lines(",") }},
       {{ fixed | selected | lines(",") }}{% if image %},
       row({{ image | join(", ") }})::text as "the image"{% endif %}
  from {{ source | ident }} as e
 where {{ event.conditions() }}
% endmacro

% macro refuse_forgetting()
% if fixed
if exists (
     select
       from (
              {{ fixed_of("old_rows") }}
              except all
              {{ fixed_of("new_rows") }}
            ) as x
      where {{ lost | join(" or ") }}
   ) then
  raise exception using
    errcode = 'feature_not_supported',
    message = {{ "this UPDATE of {} would take back {}" | filled(event.table, losing) | literal }},
    detail = 'With on_delete="keep" older events may be gone, so it cannot be read again.',
    hint = 'Leave these columns unchanged, or declare the event with on_delete="subtract".';
end if;
% endif
% endmacro
