create or replace function modelpack.get_follower(caller name, follower text, reads boolean) returns modelpack.follower
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
declare
  v_follower modelpack.follower;
begin
  select * into v_follower from modelpack.follower as f where f.follower = get_follower.follower for update;
  if not found then
    raise exception using
      errcode = 'undefined_object',
      message = format('there is no follower %s', coalesce(modelpack.shown(get_follower.follower, 63), 'NULL')),
      detail = format('There are: %s.', coalesce((select string_agg(f.follower, ', ' order by f.follower) from modelpack.follower as f), 'none')),
      hint = 'modelpack follow SCORE --as NAME makes one.';
  end if;
  -- who made him may be gone
  if not (pg_has_role(get_follower.caller, 'modelpack_owner', 'member')
          or exists (select from pg_roles as r where r.rolname = v_follower.created_by and pg_has_role(get_follower.caller, r.oid, 'member'))) then
    raise exception using
      errcode = 'insufficient_privilege',
      message = format('the follower %s is not %s''s', v_follower.follower, get_follower.caller),
      detail = format('%s made him.', v_follower.created_by),
      hint = 'Follow under a name of your own: modelpack follow SCORE --as NAME.';
  end if;
  if not reads then
    return v_follower;
  end if;
  -- a number of a process may be another one's after a while, and one behind a broken line may be there for long
  if v_follower.reader <> pg_backend_pid() and v_follower.read_at > now() - interval '1 minute'
     and exists (select from pg_stat_activity as a where a.pid = v_follower.reader and a.datname = current_database()) then
    raise exception using
      errcode = 'object_in_use',
      message = format('another session reads as the follower %s', v_follower.follower),
      detail = format('It is process %s, which last read at %s.', v_follower.reader, v_follower.read_at),
      hint = 'End it, or wait for a minute after its last reading; or follow under another name, which reads everything by itself.';
  end if;
  if v_follower.reader is distinct from pg_backend_pid() or v_follower.read_at is null or v_follower.read_at < now() - interval '10 seconds' then
    update modelpack.follower as f set reader = pg_backend_pid(), read_at = now() where f.follower = get_follower.follower
    returning * into v_follower;
  end if;
  return v_follower;
end
$modelpack$;
comment on function modelpack.get_follower(name, text, boolean) is
  'A follower, locked, if he is the caller''s; reads: and no other session reads as him, which is the caller''s to do for a minute from now on.';
revoke all on function modelpack.get_follower(name, text, boolean) from public;
