create or replace function modelpack.require_approval(model text, required boolean default true) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
begin
  insert into modelpack.model (model, requires_approval) values (require_approval.model, require_approval.required)
  on conflict (model) do update set requires_approval = excluded.requires_approval;
end
$modelpack$;
comment on function modelpack.require_approval(text, boolean) is
  'From now on a version of the model scores only after modelpack.approve by somebody other than its publisher. A rollback to a version that scored before needs no new approval.';
revoke all on function modelpack.require_approval(text, boolean) from public;
