create or replace function modelpack.unsettled(profile regclass, only_score text) returns table (score text, cut_off timestamptz, pending bigint)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_profile constant modelpack.profile := modelpack.get_profile(profile);
begin
  if only_score is not null then
    perform modelpack.get_outcome(profile, only_score);
  end if;
  return query
  select k.score, k.cut_off, count(*)
    from modelpack.cut_off as k
    join modelpack.cohort as c using (profile, score, cut_off)
   -- a score whose outcome is declared now, and has an expression to settle it by, of the kind that was declared then
   where k.profile = v_profile.name and k.score = coalesce(only_score, k.score)
     and exists (select from jsonb_array_elements(v_profile.declaration -> 'scores') as s
                  where s.value ->> 'name' = k.score and s.value -> 'outcome' ->> 'sql' is not null
                    and s.value -> 'outcome' ->> 'kind' = k.kind
                    and (k.ripe_at <= now() or s.value -> 'outcome' ->> 'early' is not null))
     -- row by row, by its index: what nobody has counted yet would be joined as if it were a row or two
     and not exists (select from modelpack.outcome as o where (o.profile, o.score, o.cut_off, o.entity_key) = (c.profile, c.score, c.cut_off, c.entity_key) offset 0)
   group by k.score, k.cut_off
   order by k.cut_off, k.score;
end
$modelpack$;
comment on function modelpack.unsettled(regclass, text) is 'Cohorts with pending rows of which some may be settled now: the horizon has passed, or an event can settle them early.';
revoke all on function modelpack.unsettled(regclass, text) from public;
grant execute on function modelpack.unsettled(regclass, text) to modelpack_publisher;
