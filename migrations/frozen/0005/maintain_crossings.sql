create or replace function modelpack.maintain_crossings() returns table (partition text, action text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
declare
  v_read constant timestamptz := now() - (select s.value::integer from modelpack.setting as s where s.name = 'crossing_days') * interval '1 day';
  v_unread constant timestamptz := now() - (select s.value::integer from modelpack.setting as s where s.name = 'unread_crossing_days') * interval '1 day';
  v_dropped bigint;
begin
  perform modelpack.note_restore();
  -- who acknowledges waits until it is known what he has not read
  perform from modelpack.follower as f order by f.follower for update;
  with dropped as (
    delete from modelpack.crossing as c
     where c.at < greatest(v_read, v_unread)
       and (c.at < v_unread
            or c.at < v_read
               and not exists (select from modelpack.follower as f
                                where f.profile = c.profile and f.score = c.score
                                  and (c.era, c.transaction_id, c.crossing_id) > (f.era, f.transaction_id, f.crossing_id)))
    returning c.profile, c.score, c.cause, c.era, c.transaction_id, c.crossing_id
  ), lost as (
    select f.follower, count(*) as rows
      from dropped as d join modelpack.follower as f on f.profile = d.profile and f.score = d.score and d.cause = any (f.causes)
     where (d.era, d.transaction_id, d.crossing_id) > (f.era, f.transaction_id, f.crossing_id)
     group by f.follower
  ), told as (
    update modelpack.follower as f set lost = f.lost + l.rows, lost_at = now() from lost as l where f.follower = l.follower
  )
  select count(*) into v_dropped from dropped;
  if v_dropped > 0 then
    partition := 'crossing';
    action := format('%s rows deleted', v_dropped);
    return next;
  end if;
end
$modelpack$;
comment on function modelpack.maintain_crossings() is
  'Deletes crossings that are older than the settings crossing_days and, where a follower has not read them, unread_crossing_days; notes what followers have lost. Called by modelpack.maintain().';
revoke all on function modelpack.maintain_crossings() from public;
