-- One overload a type of number, so that the server picks the conversion that loses nothing: a cast of a real to numeric
-- keeps six digits and one of a double precision fifteen, their text keeps all.
create or replace function modelpack.amount(value numeric) returns numeric
language sql immutable parallel safe
return case
  when abs(value) > 1e100 then null       -- also NaN, which sorts above everything, and infinity
  when abs(value) < 1e-100 then 0
  else value
end;
create or replace function modelpack.amount(value smallint) returns numeric
language sql immutable parallel safe
return value::numeric;
create or replace function modelpack.amount(value integer) returns numeric
language sql immutable parallel safe
return value::numeric;
create or replace function modelpack.amount(value bigint) returns numeric
language sql immutable parallel safe
return value::numeric;
create or replace function modelpack.amount(value double precision) returns numeric
language sql immutable parallel safe
return case
  when abs(value) > 1e100 then null
  when abs(value) < 1e-100 then 0
  else value::text::numeric
end;
create or replace function modelpack.amount(value real) returns numeric
language sql immutable parallel safe
return case
  when value = 'NaN' or abs(value) = 'Infinity' then null
  else value::text::numeric
end;
comment on function modelpack.amount(numeric) is
  'A number that sums and means can hold exactly: NULL for NaN, infinity and what is beyond 1e100, 0 for what is closer to 0 than 1e-100.';
comment on function modelpack.amount(smallint) is 'The same for smallint.';
comment on function modelpack.amount(integer) is 'The same for integer.';
comment on function modelpack.amount(bigint) is 'The same for bigint.';
comment on function modelpack.amount(double precision) is 'The same for double precision: the shortest number that reads back as the same. Needs extra_float_digits = 1.';
comment on function modelpack.amount(real) is 'The same for real: the shortest number that reads back as the same. Needs extra_float_digits = 1.';
