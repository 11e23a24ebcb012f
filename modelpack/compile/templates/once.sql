%# Statements that run once, as the triggers do: with their role, time zone and precision.
begin
  % for statement in statements
  {{ statement }};
  % endfor
end
