%# REASONS: how many rows of each score are stale, by reason; their index finds them.
begin
  % for s in plan.scores
  return query
  select {{ s.name | literal }}, p.{{ s.stale }}, count(*) from {{ plan.table }} as p where p.{{ s.stale }} is not null group by 2;
  % endfor
end
