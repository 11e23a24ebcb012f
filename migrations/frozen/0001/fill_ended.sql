create or replace function modelpack.fill_ended(profile regclass, step integer, share integer, shares integer) returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
update modelpack.filling as f
   set ended_at = clock_timestamp(), at = clock_timestamp(), block = f.blocks
  from modelpack.get_profile(fill_ended.profile) as p
 where (f.profile_id, f.step, f.share, f.shares) = (p.profile_id, fill_ended.step, fill_ended.share, fill_ended.shares)
$modelpack$;
comment on function modelpack.fill_ended(regclass, integer, integer, integer) is 'Notes in modelpack.filling that a session has come to the end of a step.';
revoke all on function modelpack.fill_ended(regclass, integer, integer, integer) from public;
grant execute on function modelpack.fill_ended(regclass, integer, integer, integer) to modelpack_publisher;
