%# Rows of the profile that are scored in one call of each model, and written and logged together. One that a model cannot
%# score, or that no model is fed from, stays as it is for the UPDATE that follows, one row at a time.
%#
%# Three steps of a statement: `chosen`, the rows as they are going to be, with their inputs, each with its number;
%# `called`, the scores of all of them; `written`, what was written. `scores`: those that are live, each `by` a version.

%# Keep a BEFORE trigger of the user's own from being made between `unmeddled` and the UPDATE.
% macro keep_unmeddled(plan)
lock table only {{ plan.table }} in row exclusive mode;
% endmacro

%# Whether none may change what was scored. The snapshot may be older than what the guard is told by now, which its text shows.
% macro unmeddled(plan)
not exists (select from pg_trigger as t
             where t.tgrelid = {{ plan.table | literal }}::regclass and t.tgname = {{ plan.guard_trigger | literal }}
               and pg_get_triggerdef(t.oid) like '%''every column'')')
% endmacro

%# Bytes of inputs that go into one call: an array holds a gigabyte, and grows by doubling.
% set bytes = 200000000

% macro packed(s, row, moment)
{{ s.called("numbers") }}({{ row }}, {{ moment }}, {{ s.by }}) as {{ s.inputs }},
{{ s.called("texts") }}({{ row }}, {{ moment }}, {{ s.by }}) as {{ s.texts }}
% endmacro

%# A version is fed from all rows or from none. What is too large for one array is not scored here.
% macro call(s)
case when (select sum(pg_column_size(c.{{ s.inputs }})::bigint + coalesce(pg_column_size(c.{{ s.texts }}), 0)) from chosen as c) < {{ bytes }}
  then {{ s.called("many") }}(
    {{ s.by }},
    (select array_send(array_replace(array_agg(c.{{ s.inputs }}) filter (where c.{{ s.inputs }} <> '{}'), null, 'NaN')) from chosen as c),
    (select array_agg(c.{{ s.texts }}) filter (where c.{{ s.texts }} is not null) from chosen as c)
  ) end as {{ s.results }}
% endmacro

%# `features`: what is assigned beside the scores. `whole`: how many rows there have to be, each with its scores; else none is
%# written.
% macro written(plan, scores, moment, features=none, whole=none)
% macro unscored(s)
(b.{{ s.results }}[o."the number"] <> 'NaN') is not true
% endmacro
update {{ plan.table }} as p
   set {% if features %}{{ features }},
       {% endif %}{{ scores | each(outcome, moment) | lines(",") }},
       features_at = {{ moment }}
  from called as a
 cross join chosen as c
 where p.ctid = c."the place" and p.tableoid = c."the partition"
   % for s in scores
   and a.{{ s.results }}[c."the number"] <> 'NaN'
   % endfor
   % if whole
   and (select count(*) from chosen) = {{ whole }}
   and not exists (select from called as b, chosen as o where {{ scores | each(unscored) | join(" or ") }})
   % endif
returning {{ plan.key_text("p") }} as entity_key,
          % for s in scores
          p.{{ s.value }}, c.{{ s.inputs }}, c.{{ s.texts }}{% if not loop.last %},{% endif %}
          % endfor
% endmacro

% macro outcome(s, moment)
{{ s.value }} = a.{{ s.results }}[c."the number"],
{{ s.version }} = {{ s.by }},
{{ s.scored_at }} = {{ moment }},
{{ s.stale }} = null
% endmacro

%# How many were written, how many not, and how many are in the log.
% macro logged(scores, moment)
select w.rows, c.rows - w.rows, w.logged
  from (select count(*) as rows,
               {{ scores | each(record, moment) | lines(before="+ ") }} as logged
          from written as w) as w,
       (select count(*) as rows from chosen) as c
% endmacro

% macro record(s, moment)
{{ s.called("record") }}(
  {{ s.by }}, {{ moment }}, array_agg(row(w.entity_key, w.{{ s.value }}, w.{{ s.inputs }}, w.{{ s.texts }})::modelpack.scored)
)
% endmacro
