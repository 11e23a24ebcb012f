create or replace procedure modelpack.observe(batch integer default 50000)
language plpgsql security invoker
as $modelpack$
-- A procedure that commits can neither pin its search_path nor run as its owner: every name is qualified.
declare
  v_run record;
  v_part record;
  v_parts text[] := '{}';
  v_block bigint;
  v_period record;
  v_total bigint;
begin
  select b.job_id, b.ripe into v_run from modelpack.begin_observation() as b;
  commit;
  if v_run.job_id is null then
    raise notice 'observe: another session is at it';
    return;
  end if;
  for v_part in select p.partition, p.indexed from modelpack.unobserved(batch) as p loop
    v_parts := pg_catalog.array_append(v_parts, v_part.partition);
    v_block := 0;
    loop
      commit;
      set transaction isolation level repeatable read;
      v_block := modelpack.observe_some(v_run.job_id, v_part.partition, v_part.indexed, v_block, batch);
      exit when v_block is null;
    end loop;
  end loop;
  commit;
  -- modelpack.maintain() may have moved rows to a partition that was not there when this run looked
  if exists (select from modelpack.unobserved(batch) as p where p.partition operator(pg_catalog.<>) all (v_parts)) then
    v_run.ripe := null;
  end if;
  v_total := modelpack.end_observation(v_run.job_id, v_run.ripe);
  commit;
  for v_period in select u.span, u.at from modelpack.unjudged() as u loop
    perform modelpack.judge_drift(v_period.span, v_period.at);
    commit;
  end loop;
  perform modelpack.follow_observation();
  commit;
  raise notice 'observe: % rows of the log', v_total;
end
$modelpack$;
comment on procedure modelpack.observe(integer) is
  'Counts the rows of the log that it has not counted yet into the roll-ups, in chunks with a commit after each, and computes drift. For a scheduler, every minute; a second run at the same time leaves at once, and interrupted, it goes on when it is called again. batch: rows of a chunk, about.';
revoke all on procedure modelpack.observe(integer) from public;
grant execute on procedure modelpack.observe(integer) to modelpack_publisher, modelpack_monitor;
