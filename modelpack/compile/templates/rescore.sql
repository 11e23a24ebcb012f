%# RESCORE: rows of a range of blocks that are stale, or scored by another version than the champion, or old.
%# `going`: a row with windows and decayed features brought up to the moment
% from "parts.sql" import events_in_place, uncounted
% from "upkeep_parts.sql" import bounds
% import "together_parts.sql" as many with context
%# A row that is not counted yet is scored once it is. One that is ahead of the clock was brought up to date before the clock was set back.
% macro due()
p.ctid >= v_first and p.ctid < v_beyond
and not {{ uncounted(plan.since) }}
and (p.features_at < older_than or (older_than is not null and p.features_at > clock_timestamp()){% for s in scores %}
  or p.{{ s.stale }} is not null
  or (not only_stale and p.{{ s.version }} is distinct from coalesce({{ s.called("chosen") }}(row(p.*)::{{ plan.table }}), {{ s.by }})){% endfor %})
% endmacro
% macro source()
from {{ plan.table }} as p
{{ many.beside() }}
where {{ due() }}
% endmacro
% if not scores
begin
  return 0;
end
% else
declare
  {{ bounds() }}
  v_moment timestamptz;
  {{ many.variables() }}
begin
  % for s in scores
  {{ s.by }} := {{ s.called("version") }}();
  % endfor
  perform from {{ plan.table }} as p
   where {{ due() }}
   order by {{ plan.keys("p") | join(", ") }}
     for no key update;
  if not found then
    return 0;
  end if;
  v_moment := clock_timestamp();
  if {{ many.batched(going) }} then
    {{ events_in_place(plan, windowed) }}
    {{ many.all_at_once(source(), going) }}
    return v_written;
  end if;
  %# an UPDATE of …_stale makes the guard score the row
  update {{ plan.table }} as p
     set {% for s in scores %}{{ s.stale }} = 'waiting for rescore'{% if not loop.last %}, {% endif %}{% endfor %}
   where {{ due() }};
  get diagnostics v_written = row_count;
  return v_written;
end
% endif
