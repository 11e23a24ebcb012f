create or replace function modelpack.demand(model text, version integer, champion integer, requirement text, asked_by text) returns jsonb
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_missed text;
  v_figures jsonb;
begin
  if champion is null then
    return '[]';  -- the first champion replaces nobody
  end if;
  select string_agg(j.words, '. ') filter (where not j.met),
         jsonb_agg(jsonb_build_object('profile', j.profile, 'score', j.score, 'condition', j.condition, 'words', j.words) || j.figures)
    into v_missed, v_figures
    from modelpack.judge_requirement(demand.model, demand.version, demand.champion, demand.requirement) as j;
  if v_missed is not null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('version %s of %s does not meet what is required: %s', version, model, requirement),
      detail = v_missed || '.',
      hint = format('%s select * from modelpack.try_requirement(%L, %s, %L) has the figures of each condition.', asked_by, model, version, requirement);
  end if;
  return v_figures;
end
$modelpack$;
comment on function modelpack.demand(text, integer, integer, text, text) is 'Refuses a version that does not meet a requirement, in a sentence with the figures; else the figures.';
revoke all on function modelpack.demand(text, integer, integer, text, text) from public;
