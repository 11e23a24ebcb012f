create or replace function modelpack.read_crossings(me modelpack.me, follower text, batch integer)
returns table (crossing_id bigint, profile text, score text, entity_key text, from_score double precision, to_score double precision,
               bounds double precision[], direction text, cause text, model text, version integer, from_version integer,
               at timestamptz, transaction_id xid8, "position" text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- the rows are read in the order of their index, whatever the statistics say
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
as $modelpack$
#variable_conflict use_column
declare
  v_follower modelpack.follower;
  v_ended xid8;
begin
  perform modelpack.note_restore();
  v_follower := modelpack.get_follower(modelpack.caller(me, 'read_crossings'), read_crossings.follower, true);
  perform modelpack.check_follower(modelpack.caller(me), v_follower.profile, v_follower.score);
  -- every transaction below has ended, and what it wrote is seen by all that follows here
  v_ended := modelpack.ended_below();
  return query
  select c.crossing_id, c.profile, c.score, c.entity_key, c.from_score, c.to_score, c.bounds, c.direction, c.cause, c.model, c.version, c.from_version,
         c.at, c.transaction_id, concat_ws('/', c.era, c.transaction_id, c.crossing_id)
    from modelpack.crossing as c
   where (c.era, c.transaction_id, c.crossing_id) > (v_follower.era, v_follower.transaction_id, v_follower.crossing_id)
     and (c.era < 0 or c.transaction_id < v_ended)
     and c.profile = v_follower.profile and c.score = v_follower.score and c.cause = any (v_follower.causes)
   order by c.era, c.transaction_id, c.crossing_id
   limit greatest(batch, 1);
  if not found then
    -- nothing for him: he need not look at it again
    update modelpack.follower as f set era = l.era, transaction_id = l.transaction_id, crossing_id = l.crossing_id
      from (select c.era, c.transaction_id, c.crossing_id from modelpack.crossing as c
             where c.era < 0 or c.transaction_id < v_ended
             order by c.era desc, c.transaction_id desc, c.crossing_id desc limit 1) as l
     where f.follower = v_follower.follower
       and (l.era, l.transaction_id, l.crossing_id) > (f.era, f.transaction_id, f.crossing_id);
  end if;
end
$modelpack$;
comment on function modelpack.read_crossings(modelpack.me, text, integer) is 'modelpack.read_crossings(follower, batch) for who calls it.';
revoke all on function modelpack.read_crossings(modelpack.me, text, integer) from public;
create or replace function modelpack.read_crossings(follower text, batch integer default 100)
returns table (crossing_id bigint, profile text, score text, entity_key text, from_score double precision, to_score double precision,
               bounds double precision[], direction text, cause text, model text, version integer, from_version integer,
               at timestamptz, transaction_id xid8, "position" text)
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select r.* from modelpack.me as m cross join lateral modelpack.read_crossings(m, read_crossings.follower, read_crossings.batch) as r
$modelpack$;
comment on function modelpack.read_crossings(text, integer) is
  'The next crossings of a follower, in the order of their transactions; the same again until modelpack.acknowledge_crossings() is called with a position. What was written by a transaction that had not ended when another one began that is still open comes later, and never out of turn.';
revoke all on function modelpack.read_crossings(text, integer) from public;
grant execute on function modelpack.read_crossings(text, integer), modelpack.read_crossings(modelpack.me, text, integer)
   to modelpack_publisher, modelpack_reader, modelpack_monitor;
