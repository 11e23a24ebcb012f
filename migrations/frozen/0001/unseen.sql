create or replace function modelpack.unseen(me modelpack.me, model text, version integer)
returns table (profile text, score text, input text, rows bigint, unseen bigint, share text, categories bigint, examples text[])
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
-- Whoever publishes chooses the categories, and with them what is asked of the rows. So a publisher needs the grant, and
-- who may not read a column is told of it in coarse steps.
declare
  v_caller constant name := modelpack.caller(me);
  v_manages boolean := true;
begin
  begin
    perform modelpack.check_grant(v_caller, unseen.model, 'hold rows against a version of');
  exception when insufficient_privilege then
    if not pg_has_role(v_caller, 'modelpack_approver', 'member') and not pg_has_role(v_caller, 'modelpack_monitor', 'member') then
      raise;
    end if;
    v_manages := false;
  end;
  if not v_manages and exists (select from modelpack.version as v
                                where v.model = unseen.model and v.version = unseen.version
                                  and (v_caller in (v.created_by, v.created_login) or session_user in (v.created_by, v.created_login))) then
    raise exception using
      errcode = 'insufficient_privilege',
      message = format('%s published %s version %s, and the model is not granted to him', v_caller, unseen.model, unseen.version),
      hint = 'Somebody else has to look at it, a member of modelpack_approver or modelpack_monitor, or whom the model is granted to.';
  end if;
  return query
  select u.profile, u.score, u.input, u.rows, case when s.exact then u.unseen end, modelpack.coarse(u.unseen, u.rows, s.exact), u.categories,
         case when v_manages or s.exact then u.examples else '{}' end
    from modelpack.look_unseen(unseen.model, unseen.version) as u
   cross join lateral modelpack.sees(v_caller, u.relation, u.columns) as s (exact);
end
$modelpack$;
comment on function modelpack.unseen(modelpack.me, text, integer) is 'modelpack.unseen(model, version) for who calls it.';
revoke all on function modelpack.unseen(modelpack.me, text, integer) from public;
create or replace function modelpack.unseen(model text, version integer)
returns table (profile text, score text, input text, rows bigint, unseen bigint, share text, categories bigint, examples text[])
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select f.* from modelpack.me as m cross join lateral modelpack.unseen(m, unseen.model, unseen.version) as f
$modelpack$;
comment on function modelpack.unseen(text, integer) is
  'For each text input of a version whose categories are known, and each profile that it scores: of a sample of the rows (about a thousand blocks), those that have a text, and those whose text the model has never seen; with the number of its categories and some of them. Who may not SELECT the columns that the input reads gets the share alone, in whole tens of per cent, and none of fewer than 50 rows. A publisher needs the grant.';
revoke all on function modelpack.unseen(text, integer) from public;
grant execute on function modelpack.unseen(text, integer), modelpack.unseen(modelpack.me, text, integer) to modelpack_publisher, modelpack_approver, modelpack_monitor;
