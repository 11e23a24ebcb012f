create or replace function modelpack.stale_chunks(profile regclass, chunk_blocks bigint, share integer default 1, shares integer default 1) returns table (first_block bigint, last_block bigint)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
declare
  v_stale constant text := (select string_agg(format('p.%I is not null', s.score || '_stale'), ' or ' order by s.position)
                              from modelpack.profile as d join modelpack.score as s using (profile_id) where d.relation = profile);
begin
  if v_stale is not null then
    return query execute format(
      'select b * $1, (b + 1) * $1 - 1 from (select distinct (p.ctid::text::point)[0]::bigint / $1 as b from %s as p where %s) as c '
      'where modelpack.falls_to($2, $3, b) order by b',
      profile, v_stale) using chunk_blocks, share, shares;
  end if;
end
$modelpack$;
comment on function modelpack.stale_chunks(regclass, bigint, integer, integer) is 'Ranges of blocks of a profile that hold stale rows, found by its index of stale rows; all of them or one of several equal shares.';
revoke all on function modelpack.stale_chunks(regclass, bigint, integer, integer) from public;
grant execute on function modelpack.stale_chunks(regclass, bigint, integer, integer) to modelpack_publisher;
