create or replace function modelpack.promote(me modelpack.me, model text, version integer, require text, reason text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_caller constant name := modelpack.caller(me, 'promote');
  v_champion integer;
  v_figures jsonb;
begin
  perform modelpack.check_grant(v_caller, promote.model, 'promote a version of');
  perform modelpack.take_turn(promote.model);
  perform modelpack.get_version(promote.model, promote.version);
  select a.version into v_champion from modelpack.alias as a where a.model = promote.model and a.alias = 'champion';
  if v_champion = promote.version then
    return;  -- it is the champion already
  end if;
  perform from modelpack.read_requirement(promote.require);
  v_figures := modelpack.demand(promote.model, promote.version, v_champion, promote.require, 'The promotion asked for it.');
  perform modelpack.promote(promote.me, promote.model, promote.version, promote.reason);
  insert into modelpack.met_requirement (promotion_id, requirement, model_wide, champion, figures)
  select max(p.promotion_id), promote.require, false, v_champion, v_figures
    from modelpack.promotion as p where p.model = promote.model and p.action = 'promote';
end
$modelpack$;
comment on function modelpack.promote(modelpack.me, text, integer, text, text) is 'modelpack.promote(model, version, require => ..., reason => ...) for who calls it.';
revoke all on function modelpack.promote(modelpack.me, text, integer, text, text) from public;
create or replace function modelpack.promote(model text, version bigint, require text, reason text default '') returns void
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- bigint: with integer, PostgreSQL could not tell promote('churn', 2, 'a reason') from this one
select modelpack.promote(m, promote.model, promote.version::integer, promote.require, promote.reason) from modelpack.me as m
$modelpack$;
comment on function modelpack.promote(text, bigint, text, text) is
  'modelpack.promote(model, version, reason), where the version meets a requirement: auc not below champion by 0.01 at 95%. Else it is refused with the figures. They are kept with the promotion.';
revoke all on function modelpack.promote(text, bigint, text, text) from public;
grant execute on function modelpack.promote(text, bigint, text, text), modelpack.promote(modelpack.me, text, integer, text, text) to modelpack_publisher;
