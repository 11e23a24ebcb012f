create or replace function modelpack.hold(models text[]) returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Nothing of it is ever seen; that it was written in a transaction that goes on is what modelpack.holders finds out.
declare
  v_transaction constant text := pg_current_xact_id()::xid;
begin
  insert into modelpack.holding (model, transaction) select m.model, v_transaction from modelpack.model as m where m.model = any (hold.models) order by 1;
  delete from modelpack.holding as h where h.model = any (hold.models) and h.transaction = v_transaction;
end
$modelpack$;
comment on function modelpack.hold(text[]) is
  'Says that this transaction holds the rows of models in modelpack.model, or will wait for them, for modelpack.holders; to its end, or that of the savepoint.';
revoke all on function modelpack.hold(text[]) from public;
