create or replace function modelpack.examine_crossings() returns table (status text, "check" text, found text, expected text, mend text)
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_ended constant xid8 := modelpack.ended_below();
begin
  return query
  select 'fail', format('crossings of %s', p.name), format('%s has bounds, and no trigger sees them crossed', s.value ->> 'name'),
         format('the trigger %s on %s', t.name, p.relation), format('modelpack remove DECLARATION, then modelpack apply DECLARATION (%s)', p.name)
    from modelpack.profile as p
    join pg_class as c on c.oid = p.relation
   cross join lateral jsonb_array_elements(p.declaration -> 'scores') as s
   cross join lateral (values ('model_cross_' || (s.value ->> 'name'))) as t (name)
   where s.value ? 'crossing'
     -- what is noted is looked at by modelpack.examine_triggers()
     and not exists (select from modelpack.made as m where m.profile_id = p.profile_id and m.kind = 'trigger' and m.object = t.name)
   order by p.name, 3;
  return query
  select 'fail', format('follower %s', f.follower), format('%s crossings were deleted before he had read them, last at %s', f.lost, f.lost_at),
         'he reads, or is dropped', format('modelpack follow %s --as %s; once his consumer knows what it has missed: update modelpack.follower set lost = 0 where follower = %L',
                                           f.score, f.follower, f.follower)
    from modelpack.follower as f where f.lost > 0
   order by f.follower;
  return query
  select 'warn', format('follower %s', f.follower), format('crossings wait for him since %s', w.at),
         'he reads within a day', format('modelpack follow %s --as %s, or select modelpack.drop_follower(%L)', f.score, f.follower, f.follower)
    from modelpack.follower as f
   cross join lateral (
     select min(c.at) as at from modelpack.crossing as c
      where (c.era, c.transaction_id, c.crossing_id) > (f.era, f.transaction_id, f.crossing_id) and (c.era < 0 or c.transaction_id < v_ended)
        and c.profile = f.profile and c.score = f.score and c.cause = any (f.causes)) as w
   where w.at < now() - interval '1 day'
   order by f.follower;
  return query
  select 'warn', 'crossings', format('followers cannot read on since %s: a transaction is open that began before what they would read', min(c.at)),
         'no transaction that writes stays open for an hour',
         'end it: select pid, usename, datname, xact_start from pg_stat_activity where backend_xid is not null order by xact_start; select * from pg_prepared_xacts'
    from modelpack.crossing as c
   where c.era = 0 and c.transaction_id >= v_ended and exists (select from modelpack.follower)
  having min(c.at) < now() - interval '1 hour';
end
$modelpack$;
comment on function modelpack.examine_crossings() is 'Bounds are watched, and whoever follows crossings reads them. No row: all is right.';
revoke all on function modelpack.examine_crossings() from public;
