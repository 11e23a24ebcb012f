create or replace function modelpack.stop_shadow(me modelpack.me, model text, version integer) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_caller constant name := modelpack.caller(me, 'stop_shadow');
  v_shadow integer;
begin
  perform modelpack.check_grant(v_caller, stop_shadow.model, 'end a shadow of');
  select s.shadow_id into v_shadow from modelpack.shadow as s
   where s.model = stop_shadow.model and s.version = stop_shadow.version and s.ended_at is null;
  if not found then
    raise exception using
      errcode = 'undefined_object',
      message = format('version %s of %s is no shadow', stop_shadow.version, stop_shadow.model),
      detail = format('Shadows of it: %s.', coalesce((select string_agg(s.version::text, ', ' order by s.version) from modelpack.shadow as s
                                                       where s.model = stop_shadow.model and s.ended_at is null), 'none')),
      hint = 'select * from modelpack.shadow lists all.';
  end if;
  perform modelpack.end_shadow(v_shadow, v_caller);
end
$modelpack$;
comment on function modelpack.stop_shadow(modelpack.me, text, integer) is 'modelpack.stop_shadow(model, version) for who calls it.';
revoke all on function modelpack.stop_shadow(modelpack.me, text, integer) from public;
create or replace function modelpack.stop_shadow(model text, version integer) returns void
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.stop_shadow(m, stop_shadow.model, stop_shadow.version) from modelpack.me as m
$modelpack$;
comment on function modelpack.stop_shadow(text, integer) is 'Ends a shadow. What it scored stays.';
revoke all on function modelpack.stop_shadow(text, integer) from public;
grant execute on function modelpack.stop_shadow(text, integer), modelpack.stop_shadow(modelpack.me, text, integer) to modelpack_publisher;
