create or replace function modelpack.set_alert(me modelpack.me, model text, kind text, bound double precision, off boolean) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_caller constant name := modelpack.caller(me, 'set_alert');
  v_kind modelpack.alert_kind;
begin
  if coalesce(model, '') <> '' then
    perform modelpack.check_grant(v_caller, model, 'set alerts of');
  elsif not pg_has_role(v_caller, 'modelpack_owner', 'member') then
    raise exception using
      errcode = 'insufficient_privilege',
      message = format('%s may not set alerts of all models', v_caller),
      hint = 'As modelpack_owner, or of one model: select modelpack.set_alert(''churn'', ''drift'', 0.2);';
  end if;
  select * into v_kind from modelpack.alert_kind as k where k.kind = set_alert.kind;
  if v_kind.kind is null then
    raise exception using
      errcode = 'undefined_object',
      message = format('there is no kind of alert %s', modelpack.shown(set_alert.kind, 63)),
      detail = format('There are: %s.', (select string_agg(k.kind, ', ' order by k.position) from modelpack.alert_kind as k)),
      hint = 'select kind, bound, unit, meaning from modelpack.alert_kind order by position;';
  end if;
  if v_kind.kind in ('interrupted', 'observe') and coalesce(model, '') <> '' then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('%s is no alert of one model, found %s, expected NULL', v_kind.kind, modelpack.shown(model, 63)),
      hint = format('select modelpack.set_alert(null, %L, %s);', v_kind.kind, coalesce(bound::text, 'null'));
  end if;
  if bound = 'NaN' or bound < 0 or bound = 'infinity' or v_kind.unit in ('share', 'p-value', 'AUC') and bound > 1 then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('the bound of %s is %s, expected %s', v_kind.kind, bound,
                       case when v_kind.unit in ('share', 'p-value', 'AUC') then 'a number from 0 to 1' else 'a number of 0 or more' end),
      hint = format('It is a %s: %s.', v_kind.unit, v_kind.meaning);
  end if;
  if off and bound is not null then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('found a bound, %s, for an alert that is to be off; expected one of the two', bound),
      hint = 'select modelpack.set_alert(''churn'', ''drift'', off => true);';
  end if;
  if bound is null and not off then
    delete from modelpack.alert_rule as r where r.model = coalesce(set_alert.model, '') and r.kind = set_alert.kind;
    return;
  end if;
  insert into modelpack.alert_rule (model, kind, bound, set_by) values (coalesce(set_alert.model, ''), set_alert.kind, set_alert.bound, v_caller)
  on conflict (model, kind) do update set bound = excluded.bound, set_at = now(), set_by = excluded.set_by;
end
$modelpack$;
comment on function modelpack.set_alert(modelpack.me, text, text, double precision, boolean) is 'modelpack.set_alert(model, kind, bound, off) for who calls it.';
revoke all on function modelpack.set_alert(modelpack.me, text, text, double precision, boolean) from public;
create or replace function modelpack.set_alert(model text, kind text, bound double precision default null, off boolean default false) returns void
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.set_alert(m, set_alert.model, set_alert.kind, set_alert.bound, set_alert.off) from modelpack.me as m
$modelpack$;
comment on function modelpack.set_alert(text, text, double precision, boolean) is
  'The bound at which an alert of a model is raised (NULL: of all models that have none of their own), instead of the default; without a bound the default again; off: none is raised.';
revoke all on function modelpack.set_alert(text, text, double precision, boolean) from public;
grant execute on function modelpack.set_alert(text, text, double precision, boolean), modelpack.set_alert(modelpack.me, text, text, double precision, boolean)
   to modelpack_publisher;
