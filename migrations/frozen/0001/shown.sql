create or replace function modelpack.shown(value text, most integer default 200) returns text
language sql immutable security invoker parallel safe
set search_path = pg_catalog, pg_temp
as $modelpack$
select regexp_replace(left(value, most), '[[:cntrl:]]', '?', 'g')
       || case when length(value) > most then format('... (%s characters)', length(value)) else '' end
$modelpack$;
comment on function modelpack.shown(text, integer) is
  'What somebody gave, as an error may repeat it: the first characters, without those that steer a terminal.';
revoke all on function modelpack.shown(text, integer) from public;
