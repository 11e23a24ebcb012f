-- The way back: users' tables as they were, then everything of ours. Roles stay where another database uses them.

do $drop$
declare
  v_item record;
begin
  drop event trigger modelpack_partitions;
  drop event trigger modelpack_dropped;
  drop event trigger modelpack_altered;
  drop event trigger modelpack_swapped;
  drop event trigger modelpack_shipped;
  drop event trigger modelpack_shipped_drop;
  drop event trigger modelpack_functions;
  drop event trigger modelpack_owners;
  for v_item in select p.name from modelpack.profile as p loop
    perform modelpack.detach(v_item.name);
  end loop;
  drop view modelpack.versions, modelpack.failures;
  drop table modelpack.lent, modelpack.ignored, modelpack.failure_log, modelpack.made, modelpack.prediction, modelpack.score, modelpack.profile, modelpack.promotion, modelpack.alias,
             modelpack.inspection, modelpack.annotation, modelpack.approval, modelpack.retirement, modelpack.turn, modelpack.holding,
             modelpack.permission, modelpack.version, modelpack.artifact, modelpack.model, modelpack.setting, modelpack.secret cascade;
  for v_item in
    select p.oid::regprocedure as name from pg_catalog.pg_proc as p where p.pronamespace = 'modelpack'::regnamespace
  loop
    execute format('drop routine if exists %s cascade', v_item.name);
  end loop;
  drop type modelpack.scored;
  revoke all on schema modelpack from modelpack_owner, modelpack_publisher, modelpack_approver, modelpack_reader, modelpack_monitor;
  for v_item in
    select r.rolname as name from pg_catalog.pg_roles as r
     where r.rolname in ('modelpack_owner', 'modelpack_publisher', 'modelpack_approver', 'modelpack_reader', 'modelpack_monitor')
  loop
    execute format('drop owned by %I', v_item.name);
    begin
      execute format('drop role %I', v_item.name);
    exception when dependent_objects_still_exist then
      raise notice 'the role % stays: another database uses it', v_item.name;
    end;
  end loop;
end
$drop$;
