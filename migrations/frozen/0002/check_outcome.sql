create or replace function modelpack.check_outcome() returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Truth from outside. The same again is passed over, so that a sender may repeat himself.
declare
  v_cut_off constant modelpack.cut_off := (select k from modelpack.cut_off as k where (k.profile, k.score, k.cut_off) = (new.profile, new.score, new.cut_off));
  v_there modelpack.outcome;
begin
  -- who settles by an INSERT is who the default of settled_by says: nobody but an owner may write that column
  if v_cut_off.cut_off is not null then
    perform modelpack.check_grant(new.settled_by, v_cut_off.model, 'record outcomes of');
  end if;
  if not exists (select from modelpack.cohort as c where (c.profile, c.score, c.cut_off, c.entity_key) = (new.profile, new.score, new.cut_off, new.entity_key)) then
    raise exception using
      errcode = 'foreign_key_violation',
      message = format('no score of %s stood for this entity at %s', modelpack.shown(new.score, 63), new.cut_off),
      detail = case when v_cut_off.cut_off is null then 'There is no such cohort.' else 'The entity is not in the cohort.' end,
      hint = 'modelpack.cohort has the scores that can be judged; modelpack.record_outcome() finds them by the time of what happened.';
  elsif new.value is null or new.at is null then
    raise exception using
      errcode = 'not_null_violation',
      message = 'an outcome needs a value, and the time at which it happened';
  elsif new.at <= new.cut_off then
    raise exception using
      errcode = 'check_violation',
      message = format('the outcome is of %s, before the score that it judges, which stood at %s', new.at, new.cut_off);
  elsif new.at > v_cut_off.until or new.at > now() then
    raise exception using
      errcode = 'check_violation',
      message = format('the outcome is of %s, expected a time up to %s', new.at, least(v_cut_off.until, now())),
      detail = case when new.at > v_cut_off.until then 'That is the end of the horizon of this score.' else 'What has not happened yet is no outcome.' end;
  elsif v_cut_off.kind = 'binary' and new.value not in (0, 1) or new.value in ('NaN', 'Infinity', '-Infinity') or new.value < v_cut_off.low or new.value > v_cut_off.high then
    raise exception using
      errcode = 'check_violation',
      message = format('the outcome is %s, expected %s', new.value,
                       case v_cut_off.kind when 'binary' then '0 or 1'
                            else format('a number from %s to %s', coalesce(v_cut_off.low::text, 'any'), coalesce(v_cut_off.high::text, 'any')) end);
  end if;
  select o.* into v_there from modelpack.outcome as o
   where (o.profile, o.score, o.cut_off, o.entity_key) = (new.profile, new.score, new.cut_off, new.entity_key);
  if found then
    if v_there.value is distinct from new.value then
      raise exception using
        errcode = 'unique_violation',
        message = format('the score of %s is settled already, as %s', new.cut_off, coalesce(v_there.value::text, 'lost')),
        detail = format('By %s, at %s. What is settled does not change.', v_there.how, v_there.settled_at),
        hint = 'As modelpack_owner: delete the row of modelpack.outcome first.';
    end if;
    return null;
  end if;
  return new;
end
$modelpack$;
comment on function modelpack.check_outcome() is 'Trigger: refuses truth from outside that judges no score, lies before or beyond it, is out of range, or differs from what is settled.';
revoke all on function modelpack.check_outcome() from public;
drop trigger if exists check_outcome on modelpack.outcome;
create trigger check_outcome before insert on modelpack.outcome
  for each row when (new.how = 'recorded') execute function modelpack.check_outcome();
comment on trigger check_outcome on modelpack.outcome is 'checks truth from outside';
