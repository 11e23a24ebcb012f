create or replace function modelpack.amount(value numeric) returns numeric
language sql immutable parallel safe
return case
  when abs(value) > 1e100 then null       -- also NaN, which sorts above everything, and infinity
  when abs(value) < 1e-100 then 0
  else value
end;
comment on function modelpack.amount(numeric) is
  'A number that sums and means can hold exactly: NULL for NaN, infinity and what is beyond 1e100, 0 for what is closer to 0 than 1e-100.';
