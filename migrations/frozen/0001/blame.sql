create or replace function modelpack.blame(models text[], again text, out detail text, out hint text)
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
declare
  v_processes text;
  v_prepared text;
  v_rollback text;
begin
  select string_agg(format('%s (%s)', h.pid, h.role), ', ' order by h.pid) filter (where h.gid is null),
         string_agg(format('%s (of %s)', modelpack.shown(quote_literal(h.gid), 410), h.role), ', ' order by h.gid) filter (where h.gid is not null),
         string_agg(format('rollback prepared %s;', modelpack.shown(quote_literal(h.gid), 410)), ' ' order by h.gid) filter (where h.gid is not null)
    into v_processes, v_prepared, v_rollback
    from modelpack.holders(blame.models) as h;
  if v_processes is not null or v_prepared is null then
    detail := format('Processes that do so: %s.', coalesce(v_processes, 'none any more, or one that changes modelpack.model by hand'));
    hint := 'Have that transaction end (as a superuser: select pg_terminate_backend(PID)).';
  end if;
  if v_prepared is not null then
    detail := concat_ws(' ', detail, format('Prepared transactions that do so, which go on without a session: %s.', v_prepared));
    hint := concat_ws(' ', hint, format('As who prepared it or as a superuser, in this database: %s', v_rollback));
  end if;
  hint := concat_ws(' ', hint, again);
end
$modelpack$;
comment on function modelpack.blame(text[], text) is 'Who is waited for in vain, and what to do about it, as detail and hint of an error.';
revoke all on function modelpack.blame(text[], text) from public;
