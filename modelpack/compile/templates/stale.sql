%# STALE: where stale rows lie, by their index.
begin
  % if plan.scores
  return query
  select distinct (p.ctid::text::point)[0]::bigint / chunk_blocks
    from {{ plan.table }} as p where {% for s in plan.scores %}p.{{ s.stale }} is not null{% if not loop.last %} or {% endif %}{% endfor %};
  % endif
end
