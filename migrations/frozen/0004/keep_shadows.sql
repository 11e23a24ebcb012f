create or replace function modelpack.keep_shadows() returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
declare
  v_found record;
begin
  select s.model, s.version into v_found
    from modelpack.shadow as s join modelpack.version as v on v.model = s.model and v.version = s.version
   where v.version_id = new.version_id and s.ended_at is null;
  if found then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('%s version %s is a shadow', v_found.model, v_found.version),
      hint = format('End that first: select modelpack.stop_shadow(%L, %s).', v_found.model, v_found.version);
  end if;
  return null;
end
$modelpack$;
comment on function modelpack.keep_shadows() is 'Trigger of modelpack.retirement: a version that scores as a shadow is not retired.';
revoke all on function modelpack.keep_shadows() from public;
drop trigger if exists keep_shadows on modelpack.retirement;
create trigger keep_shadows after insert on modelpack.retirement for each row execute function modelpack.keep_shadows();
comment on trigger keep_shadows on modelpack.retirement is 'a version that scores as a shadow is not retired';
