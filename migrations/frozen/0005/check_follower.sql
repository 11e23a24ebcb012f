create or replace function modelpack.check_follower(caller name, profile text, score text) returns void
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
declare
  v_profile constant modelpack.profile := (select p from modelpack.profile as p where p.name = check_follower.profile);
  v_columns constant text[] := array(select jsonb_array_elements_text(v_profile.declaration -> 'key')) || check_follower.score;
begin
  if pg_has_role(check_follower.caller, 'modelpack_monitor', 'member') or pg_has_role(check_follower.caller, 'modelpack_owner', 'member')
     or modelpack.sees(check_follower.caller, v_profile.relation, v_columns) then
    return;
  end if;
  raise exception using
    errcode = 'insufficient_privilege',
    message = format('%s may not read crossings of the score %s of %s', check_follower.caller, check_follower.score, check_follower.profile),
    detail = 'They tell keys and scores of its rows.',
    hint = format('grant select (%s) on %s to %I, or grant modelpack_monitor to him.',
                  (select string_agg(format('%I', c), ', ') from unnest(v_columns) as c), coalesce(v_profile.relation::text, check_follower.profile), check_follower.caller);
end
$modelpack$;
comment on function modelpack.check_follower(name, text, text) is
  'Refuses who may read neither the key and the score of every row of a profile nor the log.';
revoke all on function modelpack.check_follower(name, text, text) from public;
