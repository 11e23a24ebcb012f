create or replace function modelpack.rollback(me modelpack.me, model text, reason text) returns integer
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_caller constant name := modelpack.caller(me, 'rollback');
  v_history integer[] := '{}';
  v_target integer;
  v_approved_only boolean;
  v_step record;
begin
  perform modelpack.check_grant(v_caller, rollback.model, 'roll back');
  perform modelpack.take_turn(rollback.model);
  perform modelpack.check_grant(v_caller, rollback.model, 'roll back');  -- it may have been taken away in the meantime
  select m.requires_approval into v_approved_only from modelpack.model as m where m.model = rollback.model;
  -- a promotion adds to the history, a rollback takes away what is newer than its target: so it can be repeated
  for v_step in
    select h.action, h.version from modelpack.promotion as h
     where h.model = rollback.model and h.alias = 'champion' order by h.promotion_id
  loop
    if v_step.action = 'promote' then
      v_history := v_history || v_step.version;
    else
      while cardinality(v_history) > 0 loop
        v_history := v_history[: cardinality(v_history) - 1];
        exit when v_history[cardinality(v_history)] = v_step.version;
      end loop;
    end if;
  end loop;
  for v_place in reverse cardinality(v_history) - 1 .. 1 loop
    if not exists (select from modelpack.retirement as r join modelpack.version as v using (version_id)
                    where v.model = rollback.model and v.version = v_history[v_place])
       and not (v_approved_only and coalesce('withdraw' = (select h.action from modelpack.promotion as h
                                                            where h.model = rollback.model and h.version = v_history[v_place]
                                                              and h.action in ('approve', 'withdraw')
                                                            order by h.promotion_id desc limit 1), false)) then
      v_target := v_history[v_place];
      exit;
    end if;
  end loop;
  if v_target is null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('the model %s has no champion before %s', rollback.model,
                       coalesce('version ' || v_history[cardinality(v_history)]::text, 'its first promotion')),
      hint = format('select modelpack.promote(%L, VERSION) makes any version the champion.', rollback.model);
  end if;
  perform modelpack.set_champion(v_caller, rollback.model, v_target, 'rollback', rollback.reason);
  return v_target;
end
$modelpack$;
comment on function modelpack.rollback(modelpack.me, text, text) is 'modelpack.rollback(model, reason) for who calls it.';
revoke all on function modelpack.rollback(modelpack.me, text, text) from public;
create or replace function modelpack.rollback(model text, reason text default '') returns integer
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.rollback(m, rollback.model, rollback.reason) from modelpack.me as m
$modelpack$;
comment on function modelpack.rollback(text, text) is
  'Returns to the champion before this one, and from there to the one before; returns its version. Retired versions are passed over, and where the model requires approval those whose approval was withdrawn.';
revoke all on function modelpack.rollback(text, text) from public;
grant execute on function modelpack.rollback(text, text), modelpack.rollback(modelpack.me, text, text) to modelpack_publisher;
