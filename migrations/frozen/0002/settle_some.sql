create or replace function modelpack.settle_some(
  job_id bigint, profile regclass, score text, cut_off timestamptz, after_key text, batch integer, out last_key text, out settled bigint
) returns record
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
declare
  v_outcome constant jsonb := modelpack.get_outcome(profile, score);
  v_cut_off constant modelpack.cut_off := (select k from modelpack.cut_off as k where k.profile = v_outcome ->> 'profile'
                                             and k.score = settle_some.score and k.cut_off = settle_some.cut_off);
  v_ripe constant boolean := v_cut_off.ripe_at <= now();
  -- what settles early follows from the expression, which may be another one by now
  v_early constant double precision := (v_outcome ->> 'early')::double precision;
  v_keys text[];
  v_wrong double precision;
begin
  v_keys := array(
    select c.entity_key from modelpack.cohort as c
     where c.profile = v_cut_off.profile and c.score = v_cut_off.score and c.cut_off = v_cut_off.cut_off
       and (after_key is null or c.entity_key > after_key)
       -- row by row, by its index: what nobody has counted yet would be joined as if it were a row or two
       and not exists (select from modelpack.outcome as o where (o.profile, o.score, o.cut_off, o.entity_key) = (c.profile, c.score, c.cut_off, c.entity_key) offset 0)
     order by c.entity_key limit greatest(1, batch));
  last_key := v_keys[cardinality(v_keys)];
  settled := 0;
  if last_key is null then
    return;
  end if;
  execute format($sql$
    with truth as (
      select k.key, t.value
        from unnest($1) as k (key)
        left join modelpack.%I($1, $2, $3) as t on t.entity_key = k.key
       -- before the horizon only what its event has settled
       where $4 or t.value = $5
    ), put as (
      insert into modelpack.outcome (profile, score, cut_off, entity_key, value, how)
      select $6, $7, $2, t.key, t.value, case when t.value is null then 'lost' when $4 then 'horizon' else 'event' end
        from truth as t
       order by t.key  -- of two sessions one waits for the other, and never in a circle
          on conflict do nothing
      returning value
    )
    select count(*),
           min(p.value) filter (where $8 = 'binary' and p.value not in (0, 1) or p.value in ('NaN', 'Infinity', '-Infinity') or p.value < $9 or p.value > $10)
      from put as p$sql$, v_outcome ->> 'stem' || '_truth')
    into settled, v_wrong
   using v_keys, v_cut_off.cut_off, v_cut_off.until, v_ripe, v_early, v_cut_off.profile, v_cut_off.score, v_cut_off.kind, v_cut_off.low, v_cut_off.high;
  if v_wrong is not null then
    raise exception using
      errcode = 'check_violation',
      message = format('the outcome of %s is %s for a row of the cohort of %s', score, v_wrong, cut_off),
      detail = format('Expected: %s.', case v_cut_off.kind when 'binary' then '0 or 1' else
                      format('a number from %s to %s', coalesce(v_cut_off.low::text, 'any'), coalesce(v_cut_off.high::text, 'any')) end),
      hint = 'Correct the expression of the outcome, or declare kind="number" or another range; then run modelpack apply.';
  end if;
  update modelpack.job as j set rows = j.rows + settled, looked_at = j.looked_at + cardinality(v_keys), progress_at = clock_timestamp()
   where j.job_id = settle_some.job_id and j.pid = pg_backend_pid();
end
$modelpack$;
comment on function modelpack.settle_some(bigint, regclass, text, timestamptz, text, integer) is 'One chunk of modelpack.settle(): the next pending rows of a cohort.';
revoke all on function modelpack.settle_some(bigint, regclass, text, timestamptz, text, integer) from public;
grant execute on function modelpack.settle_some(bigint, regclass, text, timestamptz, text, integer) to modelpack_publisher;
