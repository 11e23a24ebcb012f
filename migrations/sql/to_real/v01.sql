create or replace function modelpack.to_real(value double precision) returns real
language sql immutable parallel safe
return case
  when value = 'NaN' then null
  when value >= 3.4028235677973366e38 then 'Infinity'
  when value <= -3.4028235677973366e38 then '-Infinity'
  when abs(value) <= 7.006492321624085e-46 then 0
  else value
end;
create or replace function modelpack.to_real(value numeric) returns real
language sql immutable parallel safe
return case
  when value = 'NaN' then null
  when value >= 3.4028235677973366e38 then 'Infinity'
  when value <= -3.4028235677973366e38 then '-Infinity'
  when abs(value) <= 7.006492321624085e-46 then 0
  else value
end;
comment on function modelpack.to_real(double precision) is
  'A model input as float32, rounded to the nearest; never an error: NaN is NULL (missing), what is too large is infinite, what is too small is 0.';
comment on function modelpack.to_real(numeric) is
  'A model input as float32, rounded to the nearest; never an error: NaN is NULL (missing), what is too large is infinite, what is too small is 0.';
