create or replace function modelpack.try_requirement(me modelpack.me, model text, version integer, require text)
returns table (profile text, score text, condition text, met boolean, words text, figures jsonb)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_champion integer;
  v_require constant text := coalesce(require, (select r.requirement from modelpack.requirement as r where r.model = try_requirement.model));
begin
  perform modelpack.check_grant(modelpack.caller(me), try_requirement.model, 'compare versions of', 'predict');
  perform modelpack.get_version(try_requirement.model, try_requirement.version);
  select a.version into v_champion from modelpack.alias as a where a.model = try_requirement.model and a.alias = 'champion';
  if v_require is null or v_champion is null or v_champion = version then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = case when v_require is null then format('the model %s requires nothing', try_requirement.model)
                     when v_champion is null then format('no version of the model %s has been promoted', try_requirement.model)
                     else format('version %s of %s is the champion', version, try_requirement.model) end,
      hint = case when v_require is null then format('Give a requirement: select * from modelpack.try_requirement(%L, %s, ''auc not below champion by 0.01 at 95%%'').', try_requirement.model, version)
                  else 'A version is held against another one, the champion.' end;
  end if;
  return query
  select j.* from modelpack.judge_requirement(try_requirement.model, try_requirement.version, v_champion, v_require) as j;
end
$modelpack$;
comment on function modelpack.try_requirement(modelpack.me, text, integer, text) is 'modelpack.try_requirement(model, version, require) for who calls it.';
revoke all on function modelpack.try_requirement(modelpack.me, text, integer, text) from public;
create or replace function modelpack.try_requirement(model text, version integer, require text default null)
returns table (profile text, score text, condition text, met boolean, words text, figures jsonb)
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select f.* from modelpack.me as m cross join lateral modelpack.try_requirement(m, try_requirement.model, try_requirement.version, try_requirement.require) as f
$modelpack$;
comment on function modelpack.try_requirement(text, integer, text) is
  'Whether a version meets a requirement (default: that of its model), and by which figures; promotes nothing.';
revoke all on function modelpack.try_requirement(text, integer, text) from public;
grant execute on function modelpack.try_requirement(text, integer, text), modelpack.try_requirement(modelpack.me, text, integer, text) to modelpack_publisher, modelpack_approver;
