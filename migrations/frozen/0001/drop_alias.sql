create or replace function modelpack.drop_alias(me modelpack.me, model text, alias text, reason text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_caller constant name := modelpack.caller(me, 'drop_alias');
  v_previous integer;
begin
  perform modelpack.check_text('the reason', drop_alias.reason);
  perform modelpack.check_grant(v_caller, drop_alias.model, 'drop an alias of');
  perform modelpack.take_turn(drop_alias.model);
  if drop_alias.alias = 'champion' then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('champion of the model %s cannot be dropped: something has to score', drop_alias.model),
      hint = 'Promote another version, or take the score out of the declaration.';
  end if;
  delete from modelpack.alias as a where a.model = drop_alias.model and a.alias = drop_alias.alias
  returning a.version into v_previous;
  if not found then
    raise exception using
      errcode = 'undefined_object',
      message = format('the model %s has no alias %s', drop_alias.model, modelpack.shown(drop_alias.alias, 63)),
      detail = format('It has: %s.', coalesce((select string_agg(a.alias, ', ' order by a.alias) from modelpack.alias as a
                                                where a.model = drop_alias.model), 'none'));
  end if;
  insert into modelpack.promotion (model, alias, action, previous, reason, by)
  values (drop_alias.model, drop_alias.alias, 'unalias', v_previous, drop_alias.reason, v_caller);
end
$modelpack$;
comment on function modelpack.drop_alias(modelpack.me, text, text, text) is 'modelpack.drop_alias(model, alias, reason) for who calls it.';
revoke all on function modelpack.drop_alias(modelpack.me, text, text, text) from public;
create or replace function modelpack.drop_alias(model text, alias text, reason text default '') returns void
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.drop_alias(m, drop_alias.model, drop_alias.alias, drop_alias.reason) from modelpack.me as m
$modelpack$;
comment on function modelpack.drop_alias(text, text, text) is
  'Takes a name off a model. champion stays: something has to score.';
revoke all on function modelpack.drop_alias(text, text, text) from public;
grant execute on function modelpack.drop_alias(text, text, text), modelpack.drop_alias(modelpack.me, text, text, text) to modelpack_publisher;
