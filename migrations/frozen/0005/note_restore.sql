create or replace function modelpack.note_restore() returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- On another server transactions are counted anew. What came with a dump goes an era back, and the positions of followers with it, so that it
-- is before all that is written here, in the order that it had. What nobody has read yet, and whose numbers are possible here, may stay.
declare
  v_here bigint;
  v_before bigint;
  v_upto bigint;
begin
  begin
    v_here := (select c.system_identifier from pg_control_system() as c);
  exception when insufficient_privilege then
    null;  -- then the numbers alone tell
  end;
  select o.system_identifier into v_before from modelpack.crossing_origin as o;
  if (v_before = v_here or v_here is null)
     and not exists (select from modelpack.follower as f where f.era = 0 and f.transaction_id >= pg_snapshot_xmax(pg_current_snapshot()))
     and not exists (select from modelpack.crossing as c where c.era = 0 and c.transaction_id >= pg_snapshot_xmax(pg_current_snapshot()) and c.transaction_id <> pg_current_xact_id_if_assigned()) then
    return;
  end if;
  perform from modelpack.crossing_origin as o for update;
  if v_before is distinct from (select o.system_identifier from modelpack.crossing_origin as o) then
    return;  -- somebody else was first
  end if;
  v_upto := greatest((select max(f.crossing_id) from modelpack.follower as f where f.era = 0),
                     (select max(c.crossing_id) from modelpack.crossing as c
                       where c.era = 0 and c.transaction_id >= pg_snapshot_xmax(pg_current_snapshot()) and c.transaction_id is distinct from pg_current_xact_id_if_assigned()));
  update modelpack.crossing as c set era = c.era - 1 where c.era < 0 or c.crossing_id <= v_upto;
  update modelpack.follower as f set era = f.era - 1 where f.era > -1000000;
  update modelpack.crossing_origin as o set system_identifier = v_here where v_here is not null;
end
$modelpack$;
comment on function modelpack.note_restore() is
  'Puts crossings that were written on another server before those that are written here, where a dump has brought them; a step of reading crossings and of maintaining them.';
revoke all on function modelpack.note_restore() from public;
