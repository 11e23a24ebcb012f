create or replace function modelpack.as_owner(statement text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
begin
  execute statement;
end
$modelpack$;
comment on function modelpack.as_owner(text) is
  'Runs a statement as modelpack_owner: how code that runs as a superuser fires triggers whose functions somebody else may replace.';
revoke all on function modelpack.as_owner(text) from public;
