%# Stored features held against the events, for the server to say whether their types take it.
% from "upkeep_parts.sql" import by_events
select
  from {{ plan.table }} as p
 {{ by_events(found.reads) }}
 where {% for c in found.columns %}{{ c.wrong }}{% if not loop.last %} or {% endif %}{% endfor %}
