create or replace function modelpack.follow_declarations() returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
declare
  v_what constant text := case tg_op when 'INSERT' then 'a declaration is applied' when 'UPDATE' then 'another declaration is applied' else 'the declaration is taken off' end;
begin
  if tg_op = 'DELETE' then
    -- the role of SET ROLE, else the one that logged in: current_user is the owner of this function
    insert into modelpack.happening (kind, profile, what) values ('declaration', old.name, format('%s, by %s', v_what, coalesce(nullif(current_setting('role'), 'none'), session_user)));
  elsif tg_op = 'INSERT' or new.declaration is distinct from old.declaration then
    insert into modelpack.happening (kind, profile, what) values ('declaration', new.name, format('%s, by %s', v_what, new.applied_by));
  end if;
  return null;
end
$modelpack$;
comment on function modelpack.follow_declarations() is 'Trigger: notes in modelpack.happening when a declaration is applied or taken off.';
revoke all on function modelpack.follow_declarations() from public;
drop trigger if exists follow_declarations on modelpack.profile;
create trigger follow_declarations after insert or update or delete on modelpack.profile for each row execute function modelpack.follow_declarations();
comment on trigger follow_declarations on modelpack.profile is 'lets modelpack.timeline tell of declarations';
