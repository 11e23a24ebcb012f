create or replace function modelpack.summable(value double precision) returns double precision
language sql immutable parallel safe
return case when value is not null then greatest(-1e100, least(1e100, value)) end;
comment on function modelpack.summable(double precision) is 'A number as roll-ups add it: sums of as many squares as there may be stay within a double. NULL stays NULL.';
revoke all on function modelpack.summable(double precision) from public;
