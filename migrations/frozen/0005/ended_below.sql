create or replace function modelpack.ended_below() returns xid8
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
declare
  v_snapshot pg_snapshot;
  v_lowest xid8;
  v_known boolean;
begin
  -- What writes in another database writes no crossing here, and autovacuum (which has no user) writes none anywhere. The lock of a
  -- transaction's number is seen by everybody, and in which database its session is. A transaction that has no lock yet, or not any
  -- more, may be one of this database: the next look knows it.
  for v_look in 1 .. 10 loop
    v_snapshot := pg_current_snapshot();
    v_lowest := null;
    -- mostly nothing is open
    exit when pg_snapshot_xmin(v_snapshot) = pg_snapshot_xmax(v_snapshot);
    with held as materialized (
      select l.transactionid::text as number, a.datname = current_database() and a.usesysid is not null as here
        from pg_locks as l join pg_stat_activity as a using (pid)
       where l.locktype = 'transactionid' and l.mode = 'ExclusiveLock' and l.granted
      union all
      select p.transaction::text, p.database = current_database() from pg_prepared_xacts as p)
    select min(x.number::text::numeric)::text::xid8, coalesce(bool_and(h.number is not null), true)
      into v_lowest, v_known
      from pg_snapshot_xip(v_snapshot) as x (number) left join held as h on h.number = x.number::xid::text
     where h.here is not false;
    exit when v_known;
  end loop;
  -- a snapshot does not name the transaction that asks
  return least(coalesce(v_lowest, pg_snapshot_xmax(v_snapshot)), pg_current_xact_id_if_assigned());
end
$modelpack$;
comment on function modelpack.ended_below() is
  'Every transaction of this database with a lower number has ended. An open one of another database, which pg_snapshot_xmin() counts, keeps nobody waiting.';
revoke all on function modelpack.ended_below() from public;
