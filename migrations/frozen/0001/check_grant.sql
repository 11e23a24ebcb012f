create or replace function modelpack.check_grant(caller name, model text, action text, may text default 'manage') returns void
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
begin
  if not exists (select from modelpack.model as m where m.model = check_grant.model) then
    raise exception using
      errcode = 'undefined_object',
      message = format('there is no model %s', modelpack.shown(check_grant.model, 63)),
      detail = format('There are: %s.', coalesce((select string_agg(m.model, ', ' order by m.model) from modelpack.model as m), 'none')),
      hint = 'Publish a version first: modelpack publish MODEL --name ...';
  end if;
  if pg_has_role(check_grant.caller, 'modelpack_owner', 'member') then
    return;
  end if;
  -- an approver scores in modelpack.diff alone, to see what there is to approve
  if check_grant.may = 'predict' and pg_has_role(check_grant.caller, 'modelpack_approver', 'member') then
    return;
  end if;
  if not exists (select from modelpack.permission as p
                   join pg_roles as r on r.rolname = p.role
                  where p.model = check_grant.model and p.may in ('manage', check_grant.may) and pg_has_role(check_grant.caller, r.oid, 'member')) then
    raise exception using
      errcode = 'insufficient_privilege',
      message = format('%s may not %s the model %s: it is granted to %s', check_grant.caller, check_grant.action, check_grant.model,
                       coalesce((select string_agg(p.role, ', ' order by p.role) from modelpack.permission as p
                                  where p.model = check_grant.model and p.may in ('manage', check_grant.may)), 'nobody')),
      hint = format('As modelpack_owner: select modelpack.grant_model(%L, %L, %L), or modelpack grant %s %s%s.',
                    check_grant.model, check_grant.caller, check_grant.may, check_grant.model, check_grant.caller,
                    case check_grant.may when 'predict' then ' --predict' end);
  end if;
end
$modelpack$;
comment on function modelpack.check_grant(name, text, text, text) is
  'Refuses a caller to whom the model is not granted (may: manage, or predict, which manage includes). Members of modelpack_owner need no grant.';
