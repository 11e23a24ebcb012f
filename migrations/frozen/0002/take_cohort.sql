create or replace procedure modelpack.take_cohort(profile regclass, score text default null, cut_off timestamptz default null, chunk_blocks bigint default 500)
language plpgsql security invoker
as $modelpack$
-- A procedure that commits can neither pin its search_path nor run as its owner: every name is qualified.
declare
  v_due record;
  v_chunk record;
  v_job bigint;
begin
  for v_due in select c.score, c.cut_off from modelpack.open_cohort(profile, score, cut_off) as c loop
    v_job := modelpack.begin_job('cohort', profile, v_due.score);
    perform modelpack.expect_rows(v_job, profile, v_due.score);
    commit;
    for v_chunk in select c.first_block, c.last_block from modelpack.chunks(profile, chunk_blocks) as c order by c.first_block loop
      perform modelpack.add_to_cohort(v_job, profile, v_due.score, v_due.cut_off, v_chunk.first_block, v_chunk.last_block);
      commit;
    end loop;
    perform modelpack.add_to_cohort(v_job, profile, v_due.score, v_due.cut_off, null, null);
    raise notice 'cohort of % at %: % rows', v_due.score, v_due.cut_off, modelpack.end_job(v_job);
    commit;
  end loop;
end
$modelpack$;
comment on procedure modelpack.take_cohort(regclass, text, timestamptz, bigint) is
  'Writes down the scores that stood at the last cut-off that was due, once, in chunks with a commit after each; run it daily. With a cut-off of the past what the profile and the log still hold of it. Interrupted, it goes on when it is called again.';
revoke all on procedure modelpack.take_cohort(regclass, text, timestamptz, bigint) from public;
grant execute on procedure modelpack.take_cohort(regclass, text, timestamptz, bigint) to modelpack_publisher;
