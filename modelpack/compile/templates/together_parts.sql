%# Rows of the profile that are scored in one call of each model, and written and logged together. A row that a model cannot
%# score is written by the same UPDATE, without scores: the guard scores it alone, and says why there is none.
%#
%# Three steps of a statement: `chosen`, the rows as they are going to be, with their inputs, each with its number; `called`,
%# the scores of all of them; `written`, what was written. A chunk is as many rows as go into one array.
%#
%# `scores`: those that are live, each `by` a version; `with_functions`: what puts features into a row
% from "parts.sql" import mark

%# Whether a BEFORE trigger of the user's own may change what was scored. None is made while this statement runs, which holds the
%# table by then; its snapshot may be older than what the guard is told, which its text shows.
% macro meddled()
exists (select from pg_trigger as t
         where t.tgrelid = {{ plan.table | literal }}::regclass and t.tgname = {{ plan.guard_trigger | literal }}
           and pg_get_triggerdef(t.oid) like '%''every column'')')
% endmacro

%# What a function needs that does all this.
% macro variables()
v_written bigint;
v_logged bigint;
% for s in scores
{{ s.by }} integer;
% endfor
% endmacro

% macro batched(going)
{{ plan.called("batched") }}(){% if going.changed %} and {{ plan.called("shaped") }}(){% endif %}
% endmacro

%# Score and write the rows of `source`: FROM items with `p`, and WHERE. `going`: the row as it is going to be.
% macro all_at_once(source, going, given=none)
% for s in scores
{{ s.by }} := {{ s.called("version") }}();
% endfor
-- all rows in one call of each model
% if given
{{ given }},
chosen as materialized (
% else
with chosen as materialized (
% endif
  {{ chosen(source, going) }}
), called as materialized (
  {{ called() }}
), written as (
  {{ written(going) }}
), logged as (
  select {{ scores | each(record) | lines(before="+ ") }} as rows
    from written as w
   where w."is good"
   group by w."the chunk"
)
select (select count(*) from written), (select sum(l.rows) from logged as l)
  into v_written, v_logged;
% endmacro

%# FROM items with the windows of `p`.
% macro beside()
% for name, rows in windows
cross join lateral (
  {{ rows }}
) as {{ name }}
% endfor
% endmacro

%# The row with its features.
% macro row(going)
{% if going.changed %}{{ nested(with_functions) }}{% else %}c."the row"{% endif %}
% endmacro

% macro nested(functions)
{% if functions %}{{ functions[-1][0] }}({{ nested(functions[:-1]) }}, {{ functions[-1][1] | of("c") | join(", ") }}){% else %}c."the row"{% endif %}
% endmacro

% macro chosen(source, going)
% macro packed(s, place)
%   if s.may_fail
(x{{ place }}.packed).inputs as {{ s.inputs }},
(x{{ place }}.packed).text_inputs as {{ s.texts }}
%   else
{{ s.called("numbers") }}({{ row(going) }}, v_moment, {{ s.by }}) as {{ s.inputs }},
{{ s.called("texts") }}({{ row(going) }}, v_moment, {{ s.by }}) as {{ s.texts }}
%   endif
% endmacro
% macro is_fed(s)
k.{{ s.inputs }} is not null
% endmacro
% macro size(s)
pg_column_size(k.{{ s.inputs }}) + coalesce(pg_column_size(k.{{ s.texts }}), 0)
% endmacro
select f.*,
       count(*) filter (where f."is fed") over up as "the number",
       sum(f."the size") over up / {{ chunk_bytes }} as "the chunk"
  from (
         select k.*,
                not k."is alone" and {{ scores | each(is_fed) | join(" and ") }} as "is fed",
                100 + coalesce({{ scores | each(size) | join(" + ") }}, 0) as "the size"
           from (
                  select c."the place", c."the partition", c."is alone",
                         % if going.changed or going.stamps
                         {{ going.changed | of("c") | lines(",") }}{% for name, _ in going.stamps %},
                         c.{{ name | ident }}{% endfor %},
                         % endif
                         % for s in scores
                         {{ packed(s, loop.index0) }}{% if not loop.last %},{% endif %}
                         % endfor
                    from (
                           select row(p.*)::{{ plan.table }} as "the row", p.ctid as "the place", p.tableoid as "the partition",
                                  %# a clock that was set back
                                  coalesce(p.features_at >= v_moment, false){% if going.due %} or coalesce({{ going.due }}, false){% endif %} as "is alone"{% if going.changed %},
                                  {{ going.rows | selected | lines(",") }}{% endif %}{% if going.stamps %},
                                  {{ going.stamps | selected | lines(",") }}{% endif %}
                             {{ source }}
                           offset 0  -- features are computed once
                         ) as c
                    % for s in scores if s.may_fail
                    cross join lateral (select {{ s.called("packed") }}({{ row(going) }}, v_moment, {{ s.by }}) as packed offset 0) as x{{ loop.index0 }}
                    % endfor
                  offset 0  -- and packed once
                ) as k
       ) as f
window up as (rows unbounded preceding)
% endmacro

%# One row for each chunk.
% macro called()
% macro call(s)
{{ s.called("many") }}(
  {{ s.by }},
  (select array_send(array_replace(array_agg(c.{{ s.inputs }}) filter (where c.{{ s.inputs }} <> '{}'), null, 'NaN'))
     from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
  (select array_agg(c.{{ s.texts }}) filter (where c.{{ s.texts }} is not null) from chosen as c where c."the chunk" = k."the chunk" and c."is fed")
) as {{ s.results }}
% endmacro
select k."the chunk", k."the first",
       {{ scores | each(call) | lines(",") }}
  from (select c."the chunk", min(c."the number") filter (where c."is fed") as "the first" from chosen as c group by c."the chunk" offset 0) as k
% endmacro

% macro good()
% macro one(s)
c.{{ s.given }} <> 'NaN'
% endmacro
({{ scores | each(one) | join(" and ") }}) is true
% endmacro

% macro written(going)
% macro result(s)
case when c."is fed" then a.{{ s.results }}[c."the number" - a."the first" + 1] end as {{ s.given }}
% endmacro
% macro as_it_is(name)
{{ name | ident }} = c.{{ name | ident }}
% endmacro
% macro is_here(s)
p.{{ s.scored_at }} = v_moment
% endmacro
update {{ plan.table }} as p
   set {{ going.changed | each(as_it_is) | lines(",") }}{% if going.changed %},{% endif %}
       {% for name, _ in going.stamps %}{{ as_it_is(name) }},
       {% endfor %}{{ scores | each(outcome) | lines(",") }},
       -- one that is left to the guard has its features at the moment, or at none where none moves
       features_at = {% if plan.decayed %}v_moment{% else %}case when {{ good() }} then v_moment end{% endif %}
  from called as a
 cross join lateral (
         select c.*,
                {{ scores | each(result) | lines(",") }}
           from chosen as c
          where c."the chunk" = a."the chunk"
         offset 0
       ) as c
 where p.ctid = c."the place" and p.tableoid = c."the partition"
returning {{ plan.key_text("p") }} as "the key",
          c."the chunk",
          {{ good() }} and {{ scores | each(is_here) | join(" and ") }} as "is good",
          % for s in scores
          p.{{ s.value }}, c.{{ s.inputs }}, c.{{ s.texts }}{% if not loop.last %},{% endif %}
          % endfor
% endmacro

% macro outcome(s)
{{ s.value }} = case when {{ good() }} then c.{{ s.given }} else p.{{ s.value }} end,
{{ s.version }} = case when {{ good() }} then {{ s.by }} else p.{{ s.version }} end,
{{ s.scored_at }} = case when {{ good() }} then v_moment else p.{{ s.scored_at }} end,
%# a BEFORE trigger of the user's may change what was scored: the score trigger compares
{{ s.stale }} = case when not {{ good() }} then p.{{ s.stale }}
                     when {{ meddled() }}
                       then {{ mark(of_c(s.inputs), of_c(s.texts)) }} end
% endmacro

% macro of_c(name)
c.{{ name }}
% endmacro

% macro record(s)
{{ s.called("record") }}(
  {{ s.by }}, v_moment, array_agg(row(w."the key", w.{{ s.value }}, w.{{ s.inputs }}, w.{{ s.texts }})::modelpack.scored)
)
% endmacro
