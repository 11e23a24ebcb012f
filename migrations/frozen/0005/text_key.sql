create or replace function modelpack.text_key(value text) returns text
language sql immutable parallel safe
return case when length(value) > 200 then '#' || hashtextextended(value, 0) else value end;
comment on function modelpack.text_key(text) is 'By what a text is found among those that a version was fitted on: itself, and beyond 200 characters, which may be too long for an index, a hash.';
revoke all on function modelpack.text_key(text) from public;
