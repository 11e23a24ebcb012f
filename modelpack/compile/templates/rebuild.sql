%# REBUILD: the features of a range of blocks, again from the events. Rows that differ are scored in one call of each
%# model, where they can be.
%# `scores`: those that score many rows in one call; `head` and `tail`: the statement that does (rebuild_batch.sql).
% macro name(c)
{{ c.name | literal }}
% endmacro
% macro by(s)
{{ s.by }}
% endmacro
% from "parts.sql" import events_in_place
% from "upkeep_parts.sql" import bounds, write_again
% from "together_parts.sql" import keep_unmeddled, unmeddled
%# Through a range a statement may come by a row twice, where it has moved it itself: features_read_at tells nothing.
% set chosen
select p.*,
       p.features_at is null as "read afresh",
       case when p.features_at is null then clock_timestamp() else p.features_at end as "the moment"
  from {{ plan.table }} as p
 where p.ctid >= v_first and p.ctid < v_beyond
% endset
% if not found.columns
begin
  return 0;
end
% else
declare
  {{ bounds() }}
  % if scores
  v_moment constant timestamptz := clock_timestamp();
  %   for s in scores
  {{ s.by }} integer;
  %   endfor
  v_row text;
  v_logged bigint;
  v_written bigint := 0;
  v_rest bigint := 1;
  % else
  v_written bigint := 0;
  % endif
begin
  {{ events_in_place(plan, plan.events) }}
  perform from {{ plan.table }} as p
   where p.ctid >= v_first and p.ctid < v_beyond
   order by {{ plan.keys("p") | join(", ") }}
     for no key update;
  % if scores
  {{ keep_unmeddled(plan) }}
  if {{ plan.called("batched") }}() and {{ unmeddled(plan) }} then
    %   for s in scores
    {{ s.by }} := {{ s.called("version") }}();
    %   endfor
    -- a version is fed from a row of the table as it is going to be, with all columns that it has by now
    select 'row(' || string_agg(case when a.attname = any (array[{{ found.columns | each(name) | join(", ") }}]) then format('x.%I', a.attname)
                                    else format('p.%I', a.attname) end, ', ' order by a.attnum) || {{ ")::{}" | filled(plan.table) | literal }}
      into v_row
      from pg_attribute as a
     where a.attrelid = {{ plan.table | literal }}::regclass and a.attnum > 0 and not a.attisdropped;
    execute {{ head }} || v_row || {{ tail }}
      into v_written, v_rest, v_logged using v_moment, v_first, v_beyond, {{ scores | each(by) | join(", ") }};
  end if;
  if v_rest > 0 then
    {{ write_again(plan, found, chosen) }}
    get diagnostics v_rest = row_count;
  end if;
  return v_written + v_rest;
  % else
  {{ write_again(plan, found, chosen) }}
  get diagnostics v_written = row_count;
  return v_written;
  % endif
end
% endif
