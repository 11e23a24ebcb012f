create or replace function modelpack.get_outcome(profile regclass, score text) returns jsonb
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
declare
  v_profile constant modelpack.profile := modelpack.get_profile(profile);
  v_found jsonb := (select s.value -> 'outcome' from jsonb_array_elements(v_profile.declaration -> 'scores') as s where s.value ->> 'name' = get_outcome.score);
begin
  if v_found is null then
    raise exception using
      errcode = 'undefined_object',
      message = format('the score %s of %s has no outcome', modelpack.shown(score, 63), v_profile.name),
      detail = format('Scores with an outcome: %s.', coalesce((select string_agg(s.value ->> 'name', ', ' order by s.ordinality)
                 from jsonb_array_elements(v_profile.declaration -> 'scores') with ordinality as s where s.value ? 'outcome'), 'none')),
      hint = 'Declare it: Score(..., outcome=Outcome(...)), and run modelpack apply.';
  end if;
  return v_found || jsonb_build_object('profile', v_profile.name, 'score', score,
    'model', (select s.model from modelpack.score as s where s.profile_id = v_profile.profile_id and s.score = get_outcome.score),
    'stem', (select s.stem from modelpack.score as s where s.profile_id = v_profile.profile_id and s.score = get_outcome.score));
end
$modelpack$;
comment on function modelpack.get_outcome(regclass, text) is 'The outcome that a score declares, with the names of its profile, model and functions, or an error that lists those that have one.';
revoke all on function modelpack.get_outcome(regclass, text) from public;
