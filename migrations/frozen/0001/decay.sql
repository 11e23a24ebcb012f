create or replace function modelpack.decay(value double precision, elapsed double precision, half_life double precision)
returns double precision
language sql immutable parallel safe
return case
  when elapsed / half_life > 600 or abs(value) < 1e-100 then 0
  when elapsed / half_life < -600 then value * power(2::double precision, 600)
  else value * power(2::double precision, - elapsed / half_life)
end;
comment on function modelpack.decay(double precision, double precision, double precision) is
  'A value that halves every half_life seconds, after elapsed seconds. A weight below 2^-600 counts as nothing, so that no underflow can fail an event.';
