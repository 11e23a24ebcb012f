create or replace procedure modelpack.refresh(profile regclass, older_than interval default null, chunk_blocks bigint default 500, share integer default 1, shares integer default 1)
language plpgsql security invoker
as $modelpack$
-- A procedure that commits can neither pin its search_path nor run as its owner: every name is qualified.
declare
  v_chunk record;
  v_started constant timestamptz := pg_catalog.clock_timestamp();
  v_done bigint;
  v_total bigint := 0;
begin
  for v_chunk in select c.first_block, c.last_block from modelpack.chunks(profile, chunk_blocks, share, shares) as c order by c.first_block loop
    if v_done is not null then
      raise notice 'refresh of %: done up to block %, % rows written', profile, v_done, v_total;
    end if;
    v_total := v_total operator(pg_catalog.+) modelpack.chunk('refresh', profile, v_chunk.first_block, v_chunk.last_block, 
      older_than => v_started operator(pg_catalog.-) older_than);
    commit;
    v_done := v_chunk.last_block;
  end loop;
  raise notice 'refresh of %: % rows written', profile, v_total;
end
$modelpack$;
comment on procedure modelpack.refresh(regclass, interval, bigint, integer, integer) is
  'Brings profile rows whose windows have moved on up to the moment and scores them, in chunks with a commit after each. With older_than also rows that were last brought up to date longer ago (ages and decayed features move with every moment). Several sessions do it faster: each CALLs it with a share of its own, from 1 to shares.';
revoke all on procedure modelpack.refresh(regclass, interval, bigint, integer, integer) from public;
grant execute on procedure modelpack.refresh(regclass, interval, bigint, integer, integer) to modelpack_publisher;
