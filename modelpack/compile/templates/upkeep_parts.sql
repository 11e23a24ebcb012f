%# What the functions of upkeep have in common.

%# Bounds of a range of blocks. They are there in any case: a condition on last_block itself would keep a generic plan
%# from using the upper one, and each chunk would read on to the end of the table.
% macro bounds()
v_first constant tid := format('(%s,0)', greatest(first_block, 0))::tid;
v_beyond constant tid := format('(%s,0)', coalesce(last_block + 1, 4294967295))::tid;
% endmacro

%# The keys that `only_keys` has as text, in their own types, so that an index finds them. Fields that the JSON leaves
%# out come from a row that is there: a domain may forbid their being NULL.
% macro asked(plan)
jsonb_populate_recordset(
  (select row(q.*)::{{ plan.table }} from {{ plan.table }} as q limit 1),
  (select jsonb_agg(jsonb_build_object({{ fields(plan.profile.key) }}))
     from (select distinct unnest(only_keys)) as u (key))
)
% endmacro

% macro fields(key)
%   for name in key
{{ name | literal }}, u.key{% if loop.length > 1 %}::jsonb -> {{ loop.index0 }}{% endif %}{% if not loop.last %}, {% endif %}
{%- endfor %}
% endmacro

%# Beside a profile row `p`: r0, r1, … with its features by the events.
% macro by_events(reads)
%   for read in reads
cross join lateral (
  {{ read.rows }}
) as {{ read.name }}
%   endfor
% endmacro

%# Write the rows whose features are not what the events say. A row that is read afresh is brought up to the moment, with
%# the features that outlive their events too.
%# `chosen`: a query of rows `p`, with "read afresh" and "the moment".
% macro write_again(plan, found, chosen)
update {{ plan.table }} as p
   set {{ found.columns | each(again) | lines(",") }},
       features_at = x."the moment",
       features_read_at = case when x."read afresh" then {{ statement }} else p.features_read_at end
       {%- if "features_reread_at" in plan.times %},
       features_reread_at = {{ statement }}
       {%- endif %}
  from (
         select {{ plan.keys("p") | lines(",") }},
                {{ found.values | lines(",") }},
                p."the moment",
                p."read afresh"
           from (
                  {{ chosen }}
                ) as p
          {{ by_events(found.reads) }}
       ) as x
 where {{ same(plan.keys("p"), plan.keys("x")) }}
   and (x."read afresh"{% for c in found.columns if not c.lasting %}
     or {{ c.changed }}{% endfor %});
% endmacro

%# The same for rows that are scored together: FROM items with `p`, and WHERE. `rows`: FROM items, `where`: which of them;
%# `beside`: their windows.
% macro source_again(at_once, rows, afresh, beside, where=none)
from {{ rows }}
cross join lateral (
  select {{ afresh }} as "read afresh", case when {{ afresh }} then v_moment else p.features_at end as "the moment"
) as s
{{ by_events(at_once.reads) }}
{{ beside }}
where {% if where %}{{ where }}
  and {% endif %}(s."read afresh"{% for c in at_once.columns if not c.lasting %}
    or {{ c.wrong }}{% endfor %})
% endmacro

% macro again(c)
{{ c.column }} = {% if c.lasting %}case when x."read afresh" then x.{{ c.column }} else p.{{ c.column }} end{% else %}x.{{ c.column }}{% endif %}
% endmacro
