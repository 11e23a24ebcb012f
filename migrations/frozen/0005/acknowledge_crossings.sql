create or replace function modelpack.acknowledge_crossings(me modelpack.me, follower text, "position" text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
declare
  v_parts constant text[] := regexp_match("position", '^(-?[0-9]{1,9})/([0-9]{1,19})/([0-9]{1,18})$');
begin
  perform modelpack.get_follower(modelpack.caller(me, 'acknowledge_crossings'), acknowledge_crossings.follower, true);
  if v_parts is null then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('the position is %s', coalesce(modelpack.shown("position", 63), 'NULL')),
      hint = 'Expected the column position of a row of modelpack.read_crossings().';
  end if;
  update modelpack.follower as f
     set era = v_parts[1]::integer, transaction_id = v_parts[2]::xid8, crossing_id = v_parts[3]::bigint,
         acknowledged = f.acknowledged + 1, acknowledged_at = now()
   where f.follower = acknowledge_crossings.follower
     and (v_parts[1]::integer, v_parts[2]::xid8, v_parts[3]::bigint) > (f.era, f.transaction_id, f.crossing_id);
end
$modelpack$;
comment on function modelpack.acknowledge_crossings(modelpack.me, text, text) is 'modelpack.acknowledge_crossings(follower, position) for who calls it.';
revoke all on function modelpack.acknowledge_crossings(modelpack.me, text, text) from public;
create or replace function modelpack.acknowledge_crossings(follower text, "position" text) returns void
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.acknowledge_crossings(m, acknowledge_crossings.follower, acknowledge_crossings."position") from modelpack.me as m
$modelpack$;
comment on function modelpack.acknowledge_crossings(text, text) is 'Says that a follower is done with all crossings up to a position, which a row of modelpack.read_crossings() has.';
revoke all on function modelpack.acknowledge_crossings(text, text) from public;
grant execute on function modelpack.acknowledge_crossings(text, text), modelpack.acknowledge_crossings(modelpack.me, text, text)
   to modelpack_publisher, modelpack_reader, modelpack_monitor;
