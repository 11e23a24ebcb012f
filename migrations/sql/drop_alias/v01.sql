create or replace function modelpack.drop_alias(model text, alias text, reason text default '') returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_previous integer;
begin
  perform modelpack.check_grant(drop_alias.model, 'drop an alias of');
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
      message = format('the model %s has no alias %s', drop_alias.model, drop_alias.alias),
      detail = format('It has: %s.', coalesce((select string_agg(a.alias, ', ' order by a.alias) from modelpack.alias as a
                                                where a.model = drop_alias.model), 'none'));
  end if;
  insert into modelpack.promotion (model, alias, action, previous, reason)
  values (drop_alias.model, drop_alias.alias, 'unalias', v_previous, drop_alias.reason);
end
$modelpack$;
comment on function modelpack.drop_alias(text, text, text) is 'Takes a name off a model. champion stays: something has to score.';
revoke all on function modelpack.drop_alias(text, text, text) from public;
grant execute on function modelpack.drop_alias(text, text, text) to modelpack_publisher;
