create or replace function modelpack.add_to_cohort(job_id bigint, profile regclass, score text, cut_off timestamptz, first_block bigint, last_block bigint) returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- What stood at the cut-off: the profile's own score where it is no later, else the last of the log that is no later.
-- A score of a later moment, a backfill's among them, is never taken.
declare
  v_outcome constant jsonb := modelpack.get_outcome(profile, score);
  v_cut_off constant modelpack.cut_off := (select k from modelpack.cut_off as k where k.profile = v_outcome ->> 'profile'
                                             and k.score = add_to_cohort.score and k.cut_off = add_to_cohort.cut_off and not k.complete);
  -- a row may have moved to where we were already: at the end all are looked at once more, in one snapshot
  v_last constant boolean := first_block is null;
  v_looked bigint;
  v_rows bigint;
  v_missing bigint;
begin
  if v_cut_off.cut_off is null then
    return 0;  -- complete: it does not grow any more
  end if;
  execute format($sql$
    with seen as materialized (
      select s.* from modelpack.%I($1, $2, $3) as s
    ), standing as materialized (
      select s.*, s.scored_at <= $6 as stood from seen as s
       -- row by row, by its index: what nobody has counted yet would be joined as if it were a row or two
       where not exists (select from modelpack.cohort as c where (c.profile, c.score, c.cut_off, c.entity_key) = ($4, $5, $6, s.entity_key) offset 0)
    ), logged as (
      select distinct on (l.entity_key) l.entity_key, l.prediction, l.version, l.scored_at
        -- joined: to look each row up in a list costs the product of both
        from standing as s join modelpack.prediction as l on l.entity_key = s.entity_key
       where not s.stood and l.profile = $4 and l.score = $5 and l.model = $7 and l.scored_at <= $6
       order by l.entity_key, l.prediction_id desc
    ), taken as (
      insert into modelpack.cohort (profile, score, cut_off, entity_key, version, prediction, scored_at, stale, from_log, segments)
      select $4, $5, $6, s.entity_key, case when s.stood then s.version else l.version end, case when s.stood then s.prediction else l.prediction end,
             case when s.stood then s.scored_at else l.scored_at end, s.stood and s.stale, not s.stood, s.segments
        from standing as s
        left join logged as l on l.entity_key = s.entity_key and not s.stood
       where s.stood or l.entity_key is not null
       order by s.entity_key  -- of two sessions one waits for the other, and never in a circle
          on conflict do nothing
      returning 1
    )
    select (select count(*) from seen), (select count(*) from taken), (select count(*) from standing)$sql$, v_outcome ->> 'stem' || '_standing')
    into v_looked, v_rows, v_missing
   using coalesce(first_block, 0), last_block, v_cut_off.share, v_cut_off.profile, v_cut_off.score, v_cut_off.cut_off, v_cut_off.model;
  update modelpack.job as j set rows = j.rows + v_rows, looked_at = j.looked_at + case when v_last then 0 else v_looked end, progress_at = clock_timestamp()
   where j.job_id = add_to_cohort.job_id and j.pid = pg_backend_pid();
  if v_last then
    update modelpack.cut_off as k
       set complete = true, rows = c.rows, missed = v_missing - v_rows
      from (select count(*) as rows from modelpack.cohort as c
             where c.profile = v_cut_off.profile and c.score = v_cut_off.score and c.cut_off = v_cut_off.cut_off) as c
     where k.profile = v_cut_off.profile and k.score = v_cut_off.score and k.cut_off = v_cut_off.cut_off;
  end if;
  return v_rows;
end
$modelpack$;
comment on function modelpack.add_to_cohort(bigint, regclass, text, timestamptz, bigint, bigint) is 'One chunk of modelpack.take_cohort(); without first_block the last one, of all rows that are not in the cohort yet.';
revoke all on function modelpack.add_to_cohort(bigint, regclass, text, timestamptz, bigint, bigint) from public;
grant execute on function modelpack.add_to_cohort(bigint, regclass, text, timestamptz, bigint, bigint) to modelpack_publisher;
