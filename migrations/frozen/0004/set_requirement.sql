create or replace function modelpack.set_requirement(me modelpack.me, model text, requirement text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_caller constant name := modelpack.caller(me, 'set_requirement');
begin
  perform modelpack.take_turn(set_requirement.model);
  if not exists (select from modelpack.model as m where m.model = set_requirement.model) then
    raise exception using
      errcode = 'undefined_object',
      message = format('there is no model %s', modelpack.shown(set_requirement.model, 63)),
      detail = format('There are: %s.', coalesce((select string_agg(m.model, ', ' order by m.model) from modelpack.model as m), 'none')),
      hint = 'Publish a version first: modelpack publish MODEL --name ...';
  end if;
  if set_requirement.requirement is null then
    delete from modelpack.requirement as r where r.model = set_requirement.model;
    return;
  end if;
  perform from modelpack.read_requirement(set_requirement.requirement);
  insert into modelpack.requirement (model, requirement, set_by) values (set_requirement.model, set_requirement.requirement, v_caller)
  on conflict (model) do update set requirement = excluded.requirement, set_at = now(), set_by = excluded.set_by;
end
$modelpack$;
comment on function modelpack.set_requirement(modelpack.me, text, text) is 'modelpack.set_requirement(model, requirement) for who calls it.';
revoke all on function modelpack.set_requirement(modelpack.me, text, text) from public;
create or replace function modelpack.set_requirement(model text, requirement text) returns void
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.set_requirement(m, set_requirement.model, set_requirement.requirement) from modelpack.me as m
$modelpack$;
comment on function modelpack.set_requirement(text, text) is
  'What every version of the model has to show before it is promoted, as auc not below champion by 0.01 at 95%; NULL: nothing. A rollback, and the first champion, need not.';
revoke all on function modelpack.set_requirement(text, text) from public;
grant execute on function modelpack.set_requirement(text, text), modelpack.set_requirement(modelpack.me, text, text) to modelpack_approver;
