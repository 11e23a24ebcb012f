create or replace procedure modelpack.settle(profile regclass, score text default null, batch integer default 10000)
language plpgsql security invoker
as $modelpack$
-- A procedure that commits can neither pin its search_path nor run as its owner: every name is qualified.
declare
  v_job constant bigint := modelpack.begin_job('settle', profile, score);
  v_due record;
  v_last text;
begin
  perform modelpack.expect_rows(v_job, profile, score);
  commit;
  for v_due in select u.score, u.cut_off from modelpack.unsettled(profile, score) as u loop
    v_last := null;
    loop
      select s.last_key into v_last from modelpack.settle_some(v_job, profile, v_due.score, v_due.cut_off, v_last, batch) as s;
      commit;
      exit when v_last is null;
    end loop;
  end loop;
  raise notice 'settle of %: % outcomes', profile, modelpack.end_job(v_job);
end
$modelpack$;
comment on procedure modelpack.settle(regclass, text, integer) is
  'Gives the rows of cohorts their outcomes, in chunks with a commit after each: all once horizon and grace have passed, before that those that an event has settled. What is settled does not change. Run it daily; interrupted, it goes on when it is called again.';
revoke all on procedure modelpack.settle(regclass, text, integer) from public;
grant execute on procedure modelpack.settle(regclass, text, integer) to modelpack_publisher;
