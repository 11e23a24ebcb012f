create or replace function modelpack.holders(models text[])
returns table (transaction text, pid integer, role name, login oid, gid text)
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
-- how long a try below waits
set lock_timeout = '50ms'
as $modelpack$
#variable_conflict use_column
-- Who holds a row of modelpack.model cannot be read from the row once a savepoint was released. So whoever changes one has
-- written to modelpack.holding (modelpack.hold). Whether a transaction has, and has not taken it back, is told by the unique
-- index: who writes the same waits for it. Nobody else can write there, and PREPARE TRANSACTION changes nothing about it.
declare
  v_model text;
begin
  for transaction, pid, role, login, gid in
    select distinct on (l.virtualtransaction) x.transactionid::text, l.pid, coalesce(a.usename, p.owner), a.usesysid, p.gid
      from pg_locks as l
      join pg_locks as x on x.locktype = 'transactionid' and x.granted and x.mode = 'ExclusiveLock' and x.virtualtransaction = l.virtualtransaction
      left join pg_stat_activity as a on a.pid = l.pid
      left join pg_prepared_xacts as p on l.pid is null and p.transaction = x.transactionid
     where l.locktype = 'relation' and l.database = (select d.oid from pg_database as d where d.datname = current_database())
       and l.relation = 'modelpack.holding'::regclass and l.mode = 'RowExclusiveLock' and l.granted and l.pid is distinct from pg_backend_pid()
     order by l.virtualtransaction, age(x.transactionid) desc  -- that of the whole transaction is the oldest
  loop
    foreach v_model in array holders.models loop
      begin
        insert into modelpack.holding (model, transaction) values (v_model, transaction);
        raise exception using errcode = 'MPUND', message = 'what was tried is taken back';
      exception
        when sqlstate 'MPUND' then
          null;
        when lock_not_available then
          return next;
          exit;
      end;
    end loop;
  end loop;
end
$modelpack$;
comment on function modelpack.holders(text[]) is
  'The transactions that disable or enable one of some models, change whether it requires approval, or apply a declaration with it or take it off, or wait to do so: their processes and who logged in, or of prepared ones the name and the owner.';
revoke all on function modelpack.holders(text[]) from public;
