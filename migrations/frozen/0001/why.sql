create or replace function modelpack.why(state text) returns text
language sql immutable security invoker parallel safe
set search_path = pg_catalog, pg_temp
as $modelpack$
select case state
         when '22012' then 'division by zero'
         when '22003' then 'a number is out of range'
         when '22P02' then 'a text has another form than its type'
         when '22007' then 'a text is no time'
         when '22008' then 'a time is out of range'
         when '2201E' then 'the logarithm of a number that has none'
         when '2201F' then 'the power of a number that has none'
         else 'SQLSTATE ' || state
       end
$modelpack$;
comment on function modelpack.why(text) is
  'An error in words, by its SQLSTATE alone: its own message may hold values of the row, which not everybody may see who reads why there is no score.';
revoke all on function modelpack.why(text) from public;
