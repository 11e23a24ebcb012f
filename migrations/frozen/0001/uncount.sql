create or replace function modelpack.uncount(relation text) returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- The tables are locked: whatever has read a row from its events has done so before this moment, and what reads one from now
-- on reads all that the declaration wants.
begin
  update modelpack.profile as p
     set since = clock_timestamp() + interval '1 microsecond'
   where p.relation = uncount.relation::regclass;
end
$modelpack$;
comment on function modelpack.uncount(text) is
  'Says of all rows of a profile that they are not counted yet, without writing them; a step of replacing a declaration online.';
