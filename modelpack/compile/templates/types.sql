%# Of which types the declared inputs are: only the server knows, and it may evaluate what is constant in them.
begin
  % for score in plan.scores
  % for input, expression in score.expressions.items()
  return query
  select {{ score.name | literal }}, {{ input | literal }}, pg_typeof(e.value)
    from (values (true)) as t
    left join (
           select {{ expression }} as value
             from {{ plan.table }} as p, (values (now())) as m ("the moment") where false
         ) as e on true;
  % endfor
  % endfor
  return;
end
