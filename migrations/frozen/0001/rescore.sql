create or replace procedure modelpack.rescore(profile regclass, only_stale boolean default false, everything boolean default false, chunk_blocks bigint default 500, share integer default 1, shares integer default 1)
language plpgsql security invoker
as $modelpack$
-- A procedure that commits can neither pin its search_path nor run as its owner: every name is qualified.
declare
  v_chunk record;
  v_started constant timestamptz := pg_catalog.clock_timestamp();
  v_done bigint;
  v_total bigint := 0;
begin
  for v_chunk in
    select c.first_block, c.last_block from modelpack.chunks(profile, chunk_blocks, share, shares) as c where not (only_stale and not everything)
    union all
    select s.first_block, s.last_block from modelpack.stale_chunks(profile, chunk_blocks, share, shares) as s where only_stale and not everything
     order by 1
  loop
    if v_done is not null then
      raise notice 'rescore of %: done up to block %, % rows written', profile, v_done, v_total;
    end if;
    v_total := v_total operator(pg_catalog.+) modelpack.chunk('rescore', profile, v_chunk.first_block, v_chunk.last_block, only_stale => only_stale, 
      older_than => case when everything then v_started end);
    commit;
    v_done := v_chunk.last_block;
  end loop;
  raise notice 'rescore of %: % rows written', profile, v_total;
end
$modelpack$;
comment on procedure modelpack.rescore(regclass, boolean, boolean, bigint, integer, integer) is
  'Scores profile rows again, in chunks with a commit after each: rows that are stale or were scored by another version than the champion; only_stale => true leaves the latter, everything => true takes all rows. Several sessions do it faster: each CALLs it with a share of its own, from 1 to shares.';
revoke all on procedure modelpack.rescore(regclass, boolean, boolean, bigint, integer, integer) from public;
grant execute on procedure modelpack.rescore(regclass, boolean, boolean, bigint, integer, integer) to modelpack_publisher;
