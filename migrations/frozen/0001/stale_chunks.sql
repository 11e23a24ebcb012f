create or replace function modelpack.stale_chunks(profile regclass, chunk_blocks bigint, share integer default 1, shares integer default 1) returns table (first_block bigint, last_block bigint)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
declare
  v_profile constant modelpack.profile := modelpack.get_profile(profile);
begin
  return query execute format('select b * $1, (b + 1) * $1 - 1 from modelpack.%I($1) as b where modelpack.falls_to($2, $3, b) order by b',
                              v_profile.stem || '_stale') using chunk_blocks, share, shares;
end
$modelpack$;
comment on function modelpack.stale_chunks(regclass, bigint, integer, integer) is 'Ranges of blocks of a profile that hold stale rows, found by its index of stale rows; all of them or one of several equal shares.';
revoke all on function modelpack.stale_chunks(regclass, bigint, integer, integer) from public;
grant execute on function modelpack.stale_chunks(regclass, bigint, integer, integer) to modelpack_publisher;
