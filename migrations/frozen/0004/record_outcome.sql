create or replace function modelpack.record_outcome(me modelpack.me, profile regclass, score text, entity_key text, value double precision, at timestamptz) returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_outcome constant jsonb := modelpack.get_outcome(profile, score);
  v_caller constant name := modelpack.caller(me);
  v_judged timestamptz[];
  v_first timestamptz;
  v_rows bigint;
  v_other record;
begin
  perform modelpack.check_grant(v_caller, v_outcome ->> 'model', 'record outcomes of');
  if value is null or at is null then
    raise exception using
      errcode = 'not_null_violation',
      message = 'an outcome needs a value, and the time at which it happened',
      hint = 'Leave the time out for now.';
  end if;
  select array_agg(c.cut_off order by c.cut_off) filter (where c.cut_off < record_outcome.at and record_outcome.at <= k.until), min(c.cut_off) into v_judged, v_first
    from modelpack.cohort as c join modelpack.cut_off as k using (profile, score, cut_off)
   where c.profile = v_outcome ->> 'profile' and c.score = record_outcome.score and c.entity_key = record_outcome.entity_key;
  if v_judged is null then
    raise exception using
      errcode = case when v_first is null then 'foreign_key_violation' else 'check_violation' end,
      message = case when v_first is null then format('no score of %s was written down for this entity', record_outcome.score)
                     when record_outcome.at <= v_first then format('the outcome is of %s, before the first score that it could judge, which stood at %s', record_outcome.at, v_first)
                     else format('the outcome is of %s, beyond the horizon of every score that was written down for this entity', record_outcome.at) end,
      detail = case when v_first is null then 'Expected: a key of the profile as the log writes it, of an entity that is in a cohort.'
                    else 'Expected: a time after a score of a cohort, and within its horizon.' end,
      hint = 'modelpack.cohort has the scores that can be judged; CALL modelpack.take_cohort() writes them down.';
  end if;
  insert into modelpack.outcome (profile, score, cut_off, entity_key, value, at, settled_by)
  select v_outcome ->> 'profile', record_outcome.score, j.cut_off, record_outcome.entity_key, record_outcome.value, record_outcome.at, v_caller
    from unnest(v_judged) as j (cut_off)
      on conflict do nothing;
  get diagnostics v_rows = row_count;
  -- another session may have settled one meanwhile: the same again, or something else
  select o.cut_off, o.value, o.how into v_other
    from modelpack.outcome as o
   where o.profile = v_outcome ->> 'profile' and o.score = record_outcome.score and o.entity_key = record_outcome.entity_key and o.cut_off = any (v_judged)
     and o.value is distinct from record_outcome.value
   limit 1;
  if found then
    raise exception using
      errcode = 'unique_violation',
      message = format('the score of %s is settled already, as %s', v_other.cut_off, coalesce(v_other.value::text, 'lost')),
      detail = format('By %s. What is settled does not change.', v_other.how),
      hint = 'As modelpack_owner: delete the row of modelpack.outcome first.';
  end if;
  return v_rows;
end
$modelpack$;
comment on function modelpack.record_outcome(modelpack.me, regclass, text, text, double precision, timestamptz) is 'modelpack.record_outcome(profile, score, entity_key, value, at) for who calls it.';
revoke all on function modelpack.record_outcome(modelpack.me, regclass, text, text, double precision, timestamptz) from public;
create or replace function modelpack.record_outcome(profile regclass, score text, entity_key text, value double precision, at timestamptz default now()) returns bigint
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.record_outcome(m, record_outcome.profile, record_outcome.score, record_outcome.entity_key, record_outcome.value, record_outcome.at) from modelpack.me as m
$modelpack$;
comment on function modelpack.record_outcome(regclass, text, text, double precision, timestamptz) is
  'Records what came of an entity, from outside the database: it settles every score of a cohort in whose horizon it happened. Gives how many were new; the same again is passed over, another value is refused.';
revoke all on function modelpack.record_outcome(regclass, text, text, double precision, timestamptz) from public;
grant execute on function modelpack.record_outcome(regclass, text, text, double precision, timestamptz), modelpack.record_outcome(modelpack.me, regclass, text, text, double precision, timestamptz) to modelpack_publisher;
