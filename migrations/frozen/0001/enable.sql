create or replace function modelpack.enable(me modelpack.me, model text) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_caller constant name := modelpack.caller(me, 'enable');
begin
  if not pg_has_role(v_caller, 'modelpack_approver', 'member') then
    perform modelpack.check_grant(v_caller, enable.model, 'enable');
  end if;
  perform modelpack.hold(array[enable.model]);
  update modelpack.model as m set disabled = null, disabled_at = null, disabled_by = null where m.model = enable.model;
  if not found then
    raise exception using
      errcode = 'undefined_object',
      message = format('there is no model %s', modelpack.shown(enable.model, 63)),
      detail = format('There are: %s.', coalesce((select string_agg(m.model, ', ' order by m.model) from modelpack.model as m), 'none'));
  end if;
  perform modelpack.switch(enable.model);
end
$modelpack$;
comment on function modelpack.enable(modelpack.me, text) is 'modelpack.enable(model) for who calls it.';
revoke all on function modelpack.enable(modelpack.me, text) from public;
create or replace function modelpack.enable(model text) returns void
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.enable(m, enable.model) from modelpack.me as m
$modelpack$;
comment on function modelpack.enable(text) is
  'Lets a model score again that modelpack.disable stopped. Rows marked in between are scored at their next event or by CALL modelpack.rescore(profile, only_stale => true).';
revoke all on function modelpack.enable(text) from public;
grant execute on function modelpack.enable(text), modelpack.enable(modelpack.me, text) to modelpack_publisher, modelpack_approver;
