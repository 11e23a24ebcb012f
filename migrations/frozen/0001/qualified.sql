create or replace function modelpack.qualified(declared text) returns text
language sql immutable security invoker parallel safe
set search_path = pg_catalog, pg_temp
as $modelpack$
-- A table as a declaration names it, quoted; without a schema it is in public.
select case when position('.' in declared) = 0 then format('public.%I', declared)
            else format('%I.%I', split_part(declared, '.', 1), split_part(declared, '.', 2)) end
$modelpack$;
comment on function modelpack.qualified(text) is 'The quoted and qualified name of a table as a declaration names it.';
