create or replace function modelpack.to_double(value numeric) returns double precision
language sql immutable parallel safe
return case
  when abs(value) >= 1e308 then case when value = 'NaN' then 'NaN' when value > 0 then 'Infinity' else '-Infinity' end::double precision
  when abs(value) < 1e-300 then 0
  else value
end;
comment on function modelpack.to_double(numeric) is
  'A number as a model input; never an error, so that no value of a column can fail an event: too large is infinite, too small is 0.';
