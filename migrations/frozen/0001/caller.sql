create or replace function modelpack.caller(me modelpack.me, variadic verbs text[] default '{}') returns name
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Inside a SECURITY DEFINER function current_user is its owner, and whoever is logged in may be running code of somebody
-- else: an index expression, a trigger, a policy, a view. So the functions for everybody are SECURITY INVOKER; they read
-- modelpack.me and hand it on to one of the same name that does the work.
declare
  -- SET ROLE needs membership, so its setting can be believed
  v_session constant name := coalesce(nullif(current_setting('role'), 'none')::name, session_user);
  v_verbs constant text := array_to_string(verbs, ' or modelpack.');
  v_hint constant text := format('Call modelpack.%s in a statement of its own, as the role that is logged in or after SET ROLE.', v_verbs);
begin
  if me.proof is distinct from (
       select encode(sha256(convert_to(concat_ws(' ', s.value, pg_backend_pid(), extract(epoch from now()), me.role), 'UTF8')), 'hex')
         from modelpack.secret as s) then
    raise exception using
      errcode = 'insufficient_privilege',
      message = 'nothing proves who calls',
      hint = 'Call the function without its first argument, a row of modelpack.me.';
  end if;
  if cardinality(verbs) = 0 then
    return me.role;
  end if;
  if me.role <> v_session then
    raise exception using
      errcode = 'insufficient_privilege',
      message = format('modelpack.%s is called as %s in a session of %s', v_verbs, me.role, v_session),
      detail = 'Something that belongs to another role calls it: a SECURITY DEFINER function, an index, a materialized view.',
      hint = v_hint;
  end if;
  if modelpack.calls(current_query(), verbs) is not true then
    raise exception using
      errcode = 'insufficient_privilege',
      message = format('the statement does not call modelpack.%s', v_verbs),
      detail = 'Something that the statement uses calls it: a view, a trigger, a policy, a default or a function.',
      hint = v_hint;
  end if;
  return me.role;
end
$modelpack$;
comment on function modelpack.caller(modelpack.me, text[]) is
  'The role that calls, as modelpack.me proves it. With verbs: also refuses what that role did not ask for itself, because code of another role calls, or the statement names none of them.';
