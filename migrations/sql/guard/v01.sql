create or replace function modelpack.guard() returns trigger
language plpgsql security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Fires only for roles other than modelpack_owner that change a column which modelpack keeps.
begin
  if pg_has_role(current_user, 'modelpack_owner', 'member') then
    return new;   -- a superuser or the DBA, who means it
  end if;
  raise exception using
    errcode = 'insufficient_privilege',
    message = format('an UPDATE by %I changes columns of %s that modelpack keeps', current_user, tg_relid::regclass),
    detail = 'Features follow from events and scores from features; a value written by hand would be wrong at once.',
    hint = 'Leave these columns out of the UPDATE (an ORM: mark them read-only).';
end
$modelpack$;
comment on function modelpack.guard() is
  'Refuses an UPDATE of features or scores by anybody who is not a member of modelpack_owner.';
