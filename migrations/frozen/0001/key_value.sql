-- One overload for each type of key whose equal values have several texts. Those of other types that the server would
-- otherwise convert to one of these have their own; the rest are any element.
create or replace function modelpack.key_value(value numeric) returns numeric
language sql immutable parallel safe
return trim_scale(value);
create or replace function modelpack.key_value(value double precision) returns double precision
language sql immutable parallel safe
return case when value = 0 then 0 else value end;
create or replace function modelpack.key_value(value real) returns real
language sql immutable parallel safe
return case when value = 0 then 0 else value end;
create or replace function modelpack.key_value(value interval) returns interval
language sql immutable parallel safe
return justify_interval(value);
create or replace function modelpack.key_value(value character) returns text
language sql immutable parallel safe
return value::text;
create or replace function modelpack.key_value(value text) returns text
language sql immutable parallel safe
return value;
create or replace function modelpack.key_value(value smallint) returns smallint
language sql immutable parallel safe
return value;
create or replace function modelpack.key_value(value integer) returns integer
language sql immutable parallel safe
return value;
create or replace function modelpack.key_value(value bigint) returns bigint
language sql immutable parallel safe
return value;
create or replace function modelpack.key_value(value oid) returns oid
language sql immutable parallel safe
return value;
create or replace function modelpack.key_value(value time) returns time
language sql immutable parallel safe
return value;
create or replace function modelpack.key_value(value anyelement) returns anyelement
language sql immutable parallel safe
as 'select value';
comment on function modelpack.key_value(numeric) is 'A key in the one form that all values equal to it share, so that the log names a customer by one text: 1.00 as 1.';
comment on function modelpack.key_value(double precision) is 'The same for double precision: -0 as 0.';
comment on function modelpack.key_value(real) is 'The same for real: -0 as 0.';
comment on function modelpack.key_value(interval) is 'The same for interval: 30 days as 1 month.';
comment on function modelpack.key_value(character) is 'The same for character: without the blanks at its end.';
comment on function modelpack.key_value(text) is 'The same for text: as it is.';
comment on function modelpack.key_value(smallint) is 'The same for smallint: as it is.';
comment on function modelpack.key_value(integer) is 'The same for integer: as it is.';
comment on function modelpack.key_value(bigint) is 'The same for bigint: as it is.';
comment on function modelpack.key_value(oid) is 'The same for oid: as it is.';
comment on function modelpack.key_value(time) is 'The same for time: as it is.';
comment on function modelpack.key_value(anyelement) is 'The same for other types: as it is.';
