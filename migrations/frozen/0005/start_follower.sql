create or replace function modelpack.start_follower(me modelpack.me, follower text, profile regclass, score text, causes text[], from_start boolean) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
declare
  v_caller constant name := modelpack.caller(me, 'start_follower');
  v_profile constant modelpack.profile := modelpack.get_profile(start_follower.profile);
  v_ended numeric;
  v_follower modelpack.follower;
begin
  if not exists (select from modelpack.score as s where s.profile_id = v_profile.profile_id and s.score = start_follower.score) then
    raise exception using
      errcode = 'undefined_object',
      message = format('%s has no score %s', v_profile.name, coalesce(modelpack.shown(start_follower.score, 63), 'NULL')),
      detail = format('It has: %s.', coalesce((select string_agg(s.score, ', ' order by s.position) from modelpack.score as s where s.profile_id = v_profile.profile_id), 'none')),
      hint = 'Declare it, with crossing=[...], and run modelpack apply.';
  end if;
  if not exists (select from jsonb_array_elements(v_profile.declaration -> 'scores') as s
                  where s.value ->> 'name' = start_follower.score and s.value ? 'crossing') then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('the score %s of %s has no bounds, so it crosses none', start_follower.score, v_profile.name),
      hint = format('Declare some, such as Score(''%s'', crossing=[0.5, 0.8]), and run modelpack apply.', start_follower.score);
  end if;
  perform modelpack.check_follower(v_caller, v_profile.name, start_follower.score);
  perform modelpack.note_restore();
  v_ended := modelpack.ended_below()::text::numeric;
  -- what is below has ended: he begins with what had not when he was made
  insert into modelpack.follower (follower, profile, score, causes, era, transaction_id, crossing_id, created_by)
  values (start_follower.follower, v_profile.name, start_follower.score, coalesce(start_follower.causes, array['first', 'change', 'return']),
          case when from_start then -2147483648 else 0 end, case when from_start then '0' else (v_ended - 1)::text::xid8 end,
          case when from_start then 0 else coalesce((select max(c.crossing_id) from modelpack.crossing as c), 0) end, v_caller)
  on conflict on constraint follower_pkey do nothing;
  if not found then
    v_follower := modelpack.get_follower(v_caller, start_follower.follower, true);
    if (v_follower.profile, v_follower.score) <> (v_profile.name, start_follower.score) then
      raise exception using
        errcode = 'duplicate_object',
        message = format('the follower %s reads crossings of %s of %s', v_follower.follower, v_follower.score, v_follower.profile),
        hint = format('Take another name, or drop him first: select modelpack.drop_follower(%L).', v_follower.follower);
    end if;
    update modelpack.follower as f set causes = start_follower.causes
     where f.follower = start_follower.follower and f.causes <> start_follower.causes;
  end if;
end
$modelpack$;
comment on function modelpack.start_follower(modelpack.me, text, regclass, text, text[], boolean) is 'modelpack.start_follower(follower, profile, score, causes, from_start) for who calls it.';
revoke all on function modelpack.start_follower(modelpack.me, text, regclass, text, text[], boolean) from public;
create or replace function modelpack.start_follower(follower text, profile regclass, score text, causes text[] default null, from_start boolean default false) returns void
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.start_follower(m, start_follower.follower, start_follower.profile, start_follower.score, start_follower.causes, start_follower.from_start)
  from modelpack.me as m
$modelpack$;
comment on function modelpack.start_follower(text, regclass, text, text[], boolean) is
  'Makes a follower of a score, who reads its crossings from now on (from_start: all that are kept), or goes on where he was. causes: first, change, return, version; default: all but version, which a promotion brings.';
revoke all on function modelpack.start_follower(text, regclass, text, text[], boolean) from public;
grant execute on function modelpack.start_follower(text, regclass, text, text[], boolean), modelpack.start_follower(modelpack.me, text, regclass, text, text[], boolean)
   to modelpack_publisher, modelpack_reader, modelpack_monitor;
