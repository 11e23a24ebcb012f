create or replace function modelpack.withheld(context text) returns boolean
language sql immutable security invoker parallel safe
set search_path = pg_catalog, pg_temp
as $modelpack$
-- In another language of messages all are taken for the owner's.
select split_part(context, chr(10), 1) !~ '^PL/pgSQL function modelpack[.].* line [0-9]+ at RAISE$'
$modelpack$;
comment on function modelpack.withheld(text) is
  'Whether an error, by its context, is raised by none of modelpack''s functions: a constraint or an expression may then have put values of a row in its text, which not everybody may see.';
revoke all on function modelpack.withheld(text) from public;
