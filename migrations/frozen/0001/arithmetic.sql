create or replace function modelpack.arithmetic() returns setof regprocedure
language sql stable security invoker parallel safe
set search_path = pg_catalog, pg_temp
as $modelpack$
select f.oid::regprocedure from pg_proc as f
 where f.pronamespace = 'modelpack'::regnamespace and f.proname in ('amount', 'decay', 'to_double', 'key_value', 'why')
$modelpack$;
comment on function modelpack.arithmetic() is
  'The functions that features, inputs and keys are computed with: whoever keeps a profile may call them.';
