create or replace function modelpack.open_cohort(profile regclass, only_score text, wished timestamptz)
returns table (score text, cut_off timestamptz)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $modelpack$
#variable_conflict use_column
declare
  v_profile constant modelpack.profile := modelpack.get_profile(profile);
  v_score record;
  v_outcome jsonb;
  v_at timestamptz;
begin
  if wished > now() or not isfinite(wished) then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('the cut-off %s %s', wished, case when wished > now() then 'lies in the future' else 'is no moment' end),
      hint = 'Leave it out for the last one that was due.';
  end if;
  if only_score is not null then
    perform modelpack.get_outcome(profile, only_score);
  end if;
  for v_score in
    select s.value ->> 'name' as name from jsonb_array_elements(v_profile.declaration -> 'scores') with ordinality as s
     where s.value ? 'outcome' and s.value ->> 'name' = coalesce(only_score, s.value ->> 'name') order by s.ordinality
  loop
    v_outcome := modelpack.get_outcome(profile, v_score.name);
    -- weeks begin on Monday
    v_at := coalesce(wished, date_bin((v_outcome ->> 'every')::interval, now(), timestamptz '2001-01-01'));
    insert into modelpack.cut_off (profile, score, cut_off, model, kind, until, ripe_at, early, low, high, share)
    values (v_profile.name, v_score.name, v_at, v_outcome ->> 'model', v_outcome ->> 'kind',
            v_at + (v_outcome ->> 'horizon')::interval, v_at + (v_outcome ->> 'horizon')::interval + (v_outcome ->> 'grace')::interval,
            (v_outcome ->> 'early')::double precision, (v_outcome ->> 'low')::double precision, (v_outcome ->> 'high')::double precision,
            (v_outcome -> 'share')::integer)
        on conflict do nothing;
    -- and what was interrupted before the last one was due: it would be judged by the rows that it got
    return query select k.score, k.cut_off from modelpack.cut_off as k
                  where k.profile = v_profile.name and k.score = v_score.name and (k.cut_off = v_at or wished is null) and not k.complete
                  order by k.cut_off;
  end loop;
end
$modelpack$;
comment on function modelpack.open_cohort(regclass, text, timestamptz) is 'The cohorts of a profile that are due and not complete, made where they are missing; a step of modelpack.take_cohort().';
revoke all on function modelpack.open_cohort(regclass, text, timestamptz) from public;
grant execute on function modelpack.open_cohort(regclass, text, timestamptz) to modelpack_publisher;
