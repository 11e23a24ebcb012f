%# The statement of REBUILD that counts rows again and scores them in one call of each model: $1 is the moment, $2 and $3
%# the range, $4 and on the versions of the scores.
%# It is put together when it runs: between head and tail (`half`) stands the row as it is going to be, its features by the
%# events and the other columns as they are. Which columns there are, only the server knows, and only then.
% from "upkeep_parts.sql" import by_events
% from "together_parts.sql" import packed, call, written, logged
% macro going_to_be(c)
%   if not c.stored
{{ c.value }}
%   elif c.lasting
case when p."read afresh" then {{ c.value }} else p.{{ c.column }} end as {{ c.column }}
%   else
{{ c.value }} as {{ c.column }}
%   endif
% endmacro
% macro counted(c)
{{ c.column }} = c.{{ c.column }}
% endmacro
% set features
{{ found.columns | each(counted) | lines(",") }},
features_read_at = case when c."read afresh" then {{ statement }} else p.features_read_at end
% endset
% if half == "head"
-- all rows in one call of each model; what it cannot score is left to the score trigger
with chosen as materialized (
  select q.*, row_number() over () as "the number"
    from (
           select p.*,
                  {{ scores | each(packed, row, moment) | lines(",") }}
             from (
                    select p."the place", p."the partition", p."read afresh", x.*,
% else
                           as "the row"
                      from (
                             select p.*, p.ctid as "the place", p.tableoid as "the partition", p.features_at is null as "read afresh"
                               from {{ plan.table }} as p
                              where p.ctid >= $2 and p.ctid < $3
                           ) as p
                     {{ by_events(found.reads) }}
                     cross join lateral (
                       select {{ found.everything | each(going_to_be) | lines(",") }}
                     ) as x
                     where (p."read afresh"{% for c in found.columns if not c.lasting %}
                       or {{ c.changed }}{% endfor %})
                  ) as p
         ) as q
), called as materialized (
  select {{ scores | each(call) | lines(",") }}
), written as (
  {{ written(plan, scores, moment, features) }}
)
{{ logged(scores, moment) }}
% endif
