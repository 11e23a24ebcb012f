create or replace procedure modelpack.rebuild(profile regclass, keys text[] default null, chunk_blocks bigint default 500, share integer default 1, shares integer default 1)
language plpgsql security invoker
as $modelpack$
-- A procedure that commits can neither pin its search_path nor run as its owner: every name is qualified.
declare
  v_chunk record;
  v_done bigint;
  v_total bigint := 0;
begin
  for v_chunk in
    select c.first_block, c.last_block from modelpack.chunks(profile, chunk_blocks, share, shares) as c
     where keys is null or c.first_block operator(pg_catalog.=) 0  -- keys are found by the index, all at once
     order by c.first_block
  loop
    if v_done is not null then
      raise notice 'rebuild of %: done up to block %, % rows written', profile, v_done, v_total;
    end if;
    v_total := v_total operator(pg_catalog.+) modelpack.chunk('rebuild', profile, v_chunk.first_block, v_chunk.last_block, keys => keys);
    commit;
    v_done := v_chunk.last_block;
  end loop;
  raise notice 'rebuild of %: % rows written', profile, v_total;
end
$modelpack$;
comment on procedure modelpack.rebuild(regclass, text[], bigint, integer, integer) is
  'Counts the features of a profile again from its events and writes the rows that differ, in chunks with a commit after each. keys limits it to some entity keys, written as text. Several sessions do it faster: each CALLs it with a share of its own, from 1 to shares.';
revoke all on procedure modelpack.rebuild(regclass, text[], bigint, integer, integer) from public;
grant execute on procedure modelpack.rebuild(regclass, text[], bigint, integer, integer) to modelpack_publisher;
