create or replace function modelpack.look_at(figures modelpack.alert_watch[], words text[]) returns integer
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- One look: counts of looks in a row, then what opens and what closes. The caller holds modelpack.alert_watch.
#variable_conflict use_column
declare
  -- a figure that lies within a fifth of its bound neither opens nor closes: one that swings around it raises one alert
  v_well constant double precision := 0.8;
  v_changed bigint[];
begin
  insert into modelpack.alert_watch as w (model, kind, subject, beyond, well, value, bound, looked_at)
  select f.model, f.kind, f.subject, (o.ratio > 1)::integer, (o.ratio < v_well)::integer, f.value, f.bound, clock_timestamp()
    from unnest(look_at.figures) as f
    join modelpack.alert_kind as k on k.kind = f.kind
   cross join lateral (select modelpack.beyond(f.value, f.bound, k.below) as ratio) as o
  on conflict (model, kind, subject) do update
     set beyond = case when excluded.beyond > 0 then w.beyond + 1 else 0 end,
         well = case when excluded.well > 0 then w.well + 1 else 0 end,
         value = excluded.value, bound = excluded.bound, looked_at = excluded.looked_at;
  -- what cannot be measured any more is no reason to keep an alert open
  update modelpack.alert_watch as w set beyond = 0, well = w.well + 1, value = null, looked_at = clock_timestamp()
   where w.kind <> 'observe' and not exists (select from unnest(look_at.figures) as f where (f.model, f.kind, f.subject) = (w.model, w.kind, w.subject));

  update modelpack.alert as a set value = nullif(f.value, 'infinity'), bound = f.bound, words = t.words
    from unnest(look_at.figures) with ordinality as f
    join unnest(look_at.words) with ordinality as t (words, ordinality) using (ordinality)
    join modelpack.alert_kind as k on k.kind = f.kind
   where a.closed_at is null and (a.model, a.kind, a.subject) = (f.model, f.kind, f.subject) and modelpack.beyond(f.value, f.bound, k.below) > 1;

  with opened as (
    insert into modelpack.alert (model, kind, subject, value, bound, words)
    select f.model, f.kind, f.subject, nullif(f.value, 'infinity'), f.bound, t.words
      from unnest(look_at.figures) with ordinality as f
      join unnest(look_at.words) with ordinality as t (words, ordinality) using (ordinality)
      join modelpack.alert_kind as k on k.kind = f.kind
      join modelpack.alert_watch as w on (w.model, w.kind, w.subject) = (f.model, f.kind, f.subject)
     where w.beyond >= k.opens_after or modelpack.beyond(f.value, f.bound, k.below) >= k.severe
     order by k.position, f.model, f.subject
    on conflict (model, kind, subject) where closed_at is null do nothing
    returning alert_id
  )
  select array_agg(o.alert_id order by o.alert_id) into v_changed from opened as o;
  insert into modelpack.alert_event (alert_id, what) select c, 'opened' from unnest(v_changed) as c order by c;

  with closed as (
    update modelpack.alert as a
       set closed_at = clock_timestamp(),
           closed_because = case when w.subject is null then 'it is not looked at any more' when w.value is null then 'there is no such figure any more'
                                 else format('it was %s at the last look', w.value) end
      from modelpack.alert as b
      join modelpack.alert_kind as k on k.kind = b.kind
      left join modelpack.alert_watch as w on (w.model, w.kind, w.subject) = (b.model, b.kind, b.subject)
     where b.alert_id = a.alert_id and a.closed_at is null and a.kind <> 'observe' and (w.subject is null or w.well >= k.closes_after)
    returning a.alert_id
  )
  select array_agg(c.alert_id order by c.alert_id) into v_changed from closed as c;
  insert into modelpack.alert_event (alert_id, what) select c, 'closed' from unnest(v_changed) as c order by c;

  delete from modelpack.alert_watch as w
   where w.beyond = 0 and not exists (select from modelpack.alert as a where a.closed_at is null and (a.model, a.kind, a.subject) = (w.model, w.kind, w.subject));
  return (select count(*) from modelpack.alert as a where a.closed_at is null);
end
$modelpack$;
comment on function modelpack.look_at(modelpack.alert_watch[], text[]) is
  'One look of modelpack.raise_alerts(): opens what was beyond its bound for some looks, or is far beyond it, and closes what was well on the right side for some. Gives how many are open.';
revoke all on function modelpack.look_at(modelpack.alert_watch[], text[]) from public;
