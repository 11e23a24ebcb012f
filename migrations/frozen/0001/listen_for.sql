create or replace function modelpack.listen_for(profile regclass, every boolean) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
begin
  perform modelpack.listen(listen_for.profile, listen_for.every);
end
$modelpack$;
comment on function modelpack.listen_for(regclass, boolean) is
  'modelpack.listen(profile, every) as a superuser: whoever promotes need not own the table.';
revoke all on function modelpack.listen_for(regclass, boolean) from public;
