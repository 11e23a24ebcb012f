create or replace function modelpack.ended_below() returns xid8
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
declare
  v_snapshot constant pg_snapshot := pg_current_snapshot();
begin
  -- mostly nothing is open
  if pg_snapshot_xmin(v_snapshot) = pg_snapshot_xmax(v_snapshot) then
    return pg_snapshot_xmax(v_snapshot);
  end if;
  -- What writes in another database writes no crossing here. A transaction that is not found there any more may have been one of
  -- this database: it counts. The lock of its number is seen by everybody, and in which database a session is.
  return coalesce(
    (select min(x.number::text::numeric)::text::xid8
       from pg_snapshot_xip(v_snapshot) as x (number)
      where x.number::xid::text <> all (array(
              select l.transactionid::text
                from pg_locks as l join pg_stat_activity as a using (pid)
               where l.locktype = 'transactionid' and l.mode = 'ExclusiveLock' and l.granted and a.datname <> current_database()
              union all
              select p.transaction::text from pg_prepared_xacts as p where p.database <> current_database()))),
    pg_snapshot_xmax(v_snapshot));
end
$modelpack$;
comment on function modelpack.ended_below() is
  'Every transaction of this database with a lower number has ended. An open one of another database, which pg_snapshot_xmin() counts, keeps nobody waiting.';
revoke all on function modelpack.ended_below() from public;
