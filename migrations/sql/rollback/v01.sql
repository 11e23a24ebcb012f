create or replace function modelpack.rollback(model text, reason text default '') returns integer
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_history integer[] := '{}';
  v_step record;
begin
  perform from modelpack.model as m where m.model = rollback.model for update;
  -- a promotion adds to the history, a rollback takes the newest away: so it can be repeated
  for v_step in
    select h.action, h.version from modelpack.promotion as h
     where h.model = rollback.model and h.alias = 'champion' order by h.promotion_id
  loop
    if v_step.action = 'promote' then
      v_history := v_history || v_step.version;
    else
      v_history := v_history[: cardinality(v_history) - 1];
    end if;
  end loop;
  if cardinality(v_history) < 2 then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('the model %s has no champion before %s', rollback.model,
                       coalesce('version ' || v_history[1]::text, 'its first promotion')),
      hint = format('select modelpack.promote(%L, VERSION) makes any version the champion.', rollback.model);
  end if;
  perform modelpack.set_champion(rollback.model, v_history[cardinality(v_history) - 1], 'rollback', rollback.reason);
  return v_history[cardinality(v_history) - 1];
end
$modelpack$;
comment on function modelpack.rollback(text, text) is
  'Returns to the champion before this one, and from there to the one before; returns its version.';
revoke all on function modelpack.rollback(text, text) from public;
grant execute on function modelpack.rollback(text, text) to modelpack_publisher;
