create or replace function modelpack.end_holders(model text, since text[]) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Runs as a superuser, for nobody else may end a session of another's. It ends those alone that stand between an approver
-- and the model: no members of modelpack_owner, and nobody who changes another model.
declare
  v_holder record;
  v_found integer := 0;
begin
  for v_holder in
    select h.* from modelpack.holders(array[end_holders.model]) as h
     where h.pid is not null and not pg_has_role(h.login, 'modelpack_owner', 'member')
     -- who waits first: he would have the model as soon as who holds it is gone
     order by exists (select from pg_locks as l where l.pid = h.pid and not l.granted) desc
  loop
    -- who is done by now may be at something else
    if exists (select from pg_locks as l where l.locktype = 'transactionid' and l.granted and l.pid = v_holder.pid
                                           and l.transactionid::text = v_holder.transaction) then
      v_found := v_found + 1;
      if since is null or v_holder.transaction = any (since) then
        perform pg_terminate_backend(v_holder.pid);
      end if;
    end if;
  end loop;
  return v_found;
end
$modelpack$;
comment on function modelpack.end_holders(text, text[]) is
  'Ends the sessions of publishers that hold a model, or wait for it, and did so in one of some transactions (NULL: in any), and says how many hold it, ended or not; a step of modelpack.disable, when an approver calls it.';
revoke all on function modelpack.end_holders(text, text[]) from public;
