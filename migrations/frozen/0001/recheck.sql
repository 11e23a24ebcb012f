create or replace function modelpack.recheck(me modelpack.me, model text, version integer) returns modelpack.inspection
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_version_id integer;
  v_found modelpack.inspection;
begin
  v_version_id := modelpack.get_version(recheck.model, coalesce(recheck.version,
    (select a.version from modelpack.alias as a where a.model = recheck.model and a.alias = 'champion')));
  perform modelpack.prove(v_version_id, modelpack.caller(me));
  select i.* into strict v_found
    from modelpack.inspection as i where i.version_id = v_version_id order by i.inspection_id desc limit 1;
  return v_found;
end
$modelpack$;
comment on function modelpack.recheck(modelpack.me, text, integer) is 'modelpack.recheck(model, version) for who calls it.';
revoke all on function modelpack.recheck(modelpack.me, text, integer) from public;
create or replace function modelpack.recheck(model text, version integer default null) returns modelpack.inspection
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.recheck(m, recheck.model, recheck.version) from modelpack.me as m
$modelpack$;
comment on function modelpack.recheck(text, integer) is
  'Puts a version (default: the champion) through the gate again, as after an upgrade of the server''s onnxruntime: bytes, trial, golden rows. Returns the record; raises where it would be refused now.';
revoke all on function modelpack.recheck(text, integer) from public;
grant execute on function modelpack.recheck(text, integer), modelpack.recheck(modelpack.me, text, integer) to modelpack_publisher, modelpack_monitor;
