%# RESCORE: rows of a range of blocks that are stale, or scored by another version than the champion, or old.
%# `at_once`: whether many rows can be scored in one call of each model.
% from "upkeep_parts.sql" import bounds
% from "together_parts.sql" import packed, call, written, logged, keep_unmeddled, unmeddled
%# A row that is ahead of the clock was brought up to date before the clock was set back.
% macro and_due()
and (p.features_at < older_than or (older_than is not null and p.features_at > clock_timestamp()){% for s in scores %}
  or p.{{ s.stale }} is not null
  or (not only_stale and p.{{ s.version }} is distinct from {{ s.by }}){% endfor %})
% endmacro
% macro lock()
perform from {{ plan.table }} as p
 where p.ctid >= v_first and p.ctid < v_beyond
   {{ and_due() }}
 order by {{ plan.keys("p") | join(", ") }}
   for no key update;
get diagnostics v_rest = row_count;
% endmacro
% if not scores
begin
  return 0;
end
% else
declare
  {{ bounds() }}
  % if at_once
  v_moment constant timestamptz := clock_timestamp();
  % endif
  % for s in scores
  {{ s.by }} integer;
  % endfor
  % if at_once
  v_logged bigint;
  v_written bigint := 0;
  % endif
  v_rest bigint := 0;
begin
  % for s in scores
  {{ s.by }} := {{ s.called("version") }}();
  % endfor
  % if at_once
  {{ keep_unmeddled(plan) }}
  if {{ plan.called("batched") }}() and {{ unmeddled(plan) }} then
    -- all rows in one call of each model; what it cannot score is left to the score trigger
    with chosen as materialized (
      select q.*, row_number() over () as "the number"
        from (
               %# what is selected is the row as it is under its lock
               select p.ctid as "the place",
                      p.tableoid as "the partition",
                      {{ scores | each(packed, row, moment) | lines(",") }}
                 from {{ plan.table }} as p
                where p.ctid >= v_first and p.ctid < v_beyond
                  {{ and_due() }}
                order by {{ plan.keys("p") | join(", ") }}
                  for no key update
             ) as q
    ), called as materialized (
      select {{ scores | each(call) | lines(",") }}
    ), written as (
      {{ written(plan, scores, moment) }}
    )
    {{ logged(scores, moment) }}
      into v_written, v_rest, v_logged;
  else
    {{ lock() }}
  end if;
  % else
  {{ lock() }}
  % endif
  if v_rest > 0 then
    %# an UPDATE of …_stale makes the score trigger score the row
    update {{ plan.table }} as p
       set {% for s in scores %}{{ s.stale }} = 'waiting for rescore'{% if not loop.last %}, {% endif %}{% endfor %}
     where p.ctid >= v_first and p.ctid < v_beyond
       {{ and_due() }};
    get diagnostics v_rest = row_count;
  end if;
  % if at_once
  return v_written + v_rest;
  % else
  return v_rest;
  % endif
end
% endif
