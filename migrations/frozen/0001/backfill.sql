create or replace procedure modelpack.backfill(profile regclass, share integer default 1, shares integer default 1, chunk_blocks bigint default 500)
language plpgsql security invoker
as $modelpack$
-- A procedure that commits can neither pin its search_path nor run as its owner: every name is qualified.
declare
  v_step record;
  v_chunk record;
  v_share integer;  -- NULL once what is left of all shares is looked after
  v_most integer := 100;
  v_rows bigint;
  v_total bigint := 0;
  v_held boolean;
  v_began timestamptz;
  v_took double precision;
begin
  for v_step in select s.step, s.relation from modelpack.fill_steps(profile) as s loop
    v_share := share;
    loop
      v_held := false;
      for v_chunk in
        select c.first_block, c.last_block
          from modelpack.chunks(v_step.relation, chunk_blocks, coalesce(v_share, 1), case when v_share is null then 1 else shares end) as c
         order by c.first_block
      loop
        loop
          v_began := pg_catalog.clock_timestamp();
          v_rows := modelpack.fill(profile, v_step.step, v_chunk.first_block, v_chunk.last_block, v_most, v_share, shares);
          commit;
          exit when v_rows operator(pg_catalog.=) 0;
          if v_rows operator(pg_catalog.<) 0 then  -- the more rows at a time, the likelier is it that somebody has one of them
            v_held := true;
            v_most := greatest(1, v_most operator(pg_catalog./) 4);
            exit;
          end if;
          v_total := v_total operator(pg_catalog.+) v_rows;
          -- who comes to one of these rows waits until the commit: about a tenth of a second
          v_took := pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() operator(pg_catalog.-) v_began);
          if v_rows operator(pg_catalog.>=) v_most or v_took operator(pg_catalog.>) 0.1 then
            v_most := least(5000, greatest(10, least(v_most operator(pg_catalog.*) 2,
                              pg_catalog.floor(v_rows operator(pg_catalog.*) 0.1 operator(pg_catalog./) greatest(v_took, 0.001))::integer)));
          end if;
        end loop;
      end loop;
      if v_step.step operator(pg_catalog.>) 0 then
        exit when not v_held;
      else
        -- a row that is not counted may have moved to where we were already
        v_rows := modelpack.fill(profile, -1, 0, null, 1);
        commit;
        exit when v_rows operator(pg_catalog.=) 0;
        if v_share is not null then
          perform modelpack.fill_ended(profile, v_step.step, share, shares);
          commit;
        end if;
        v_share := null;
      end if;
      if v_held then
        raise notice 'backfill of %: % rows; other transactions hold some of those that are left', profile, v_total;
        perform pg_catalog.pg_sleep(0.2);
        commit;
      end if;
    end loop;
    if v_share is not null then
      perform modelpack.fill_ended(profile, v_step.step, share, shares);
      commit;
    end if;
  end loop;
  raise notice 'backfill of %: % rows written', profile, v_total;
end
$modelpack$;
comment on procedure modelpack.backfill(regclass, integer, integer, bigint) is
  'Counts the rows that a declaration which was applied online has not counted yet, and makes the profiles that its events lack, few at a time with a commit after each. It can be stopped and called again; several sessions do it faster: each CALLs it with a share of its own, from 1 to shares. modelpack.backfill_progress shows how far it is.';
revoke all on procedure modelpack.backfill(regclass, integer, integer, bigint) from public;
grant execute on procedure modelpack.backfill(regclass, integer, integer, bigint) to modelpack_publisher;
