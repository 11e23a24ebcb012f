create or replace function modelpack.lockers(
  xids xid[] default '{}', objects oid[] default '{}', tables regclass[] default '{}', readers boolean default false
) returns text
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Runs as a superuser, since nobody else learns since when a transaction of another's is open. It tells of transactions, not of
-- what they do, to modelpack_owner alone, whose functions put it into their errors.
declare
  v_here constant oid := (select d.oid from pg_database as d where d.datname = current_database());
  v_found text;
  v_written constant text := 'a transaction that has written something, since it cannot be told which one';
begin
  for v_pass in 1 .. 2 loop
    select string_agg(case when h.pid is null then format('prepared transaction %L (%s, since %s)', x.gid, x.owner, w.since)
                           else format('process %s (%s, transaction open since %s)', h.pid, a.usename, w.since) end
                      || case when v_pass = 2 then ', ' || v_written else '' end, '; ' order by coalesce(a.xact_start, x.prepared))
      into v_found
      from (select l.pid, l.virtualtransaction
              from pg_locks as l
             where l.granted and l.pid is distinct from pg_backend_pid()
               and case l.locktype when 'transactionid' then v_pass = 2 or l.transactionid = any (xids)
                                   when 'object' then v_pass = 1 and l.database = v_here and l.objid = any (objects)
                                   when 'relation' then v_pass = 1 and l.database = v_here and l.relation = any (tables::oid[])
                                                        and (readers or l.mode <> 'AccessShareLock')
                                   else false end
             group by l.pid, l.virtualtransaction) as h
      left join pg_stat_activity as a on a.pid = h.pid and a.datid = v_here
      -- one that is prepared has no process, but its number for a lock of its own
      left join (select p.gid, p.owner, p.prepared, l.virtualtransaction
                   from pg_prepared_xacts as p join pg_locks as l on l.transactionid = p.transaction and l.pid is null
                  where p.database = current_database()) as x on h.pid is null and x.virtualtransaction = h.virtualtransaction
     cross join lateral (select to_char(coalesce(a.xact_start, x.prepared) at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"') as since) as w
     where a.pid is not null or x.gid is not null;
    exit when v_found is not null;
  end loop;
  return coalesce(v_found, 'nobody any more');
end
$modelpack$;
comment on function modelpack.lockers(xid[], oid[], regclass[], boolean) is
  'Which transactions hold something: those of xids, those that hold functions or schemas (objects) or tables (readers: also by reading); where none does, all that have written. For messages.';
revoke all on function modelpack.lockers(xid[], oid[], regclass[], boolean) from public;
