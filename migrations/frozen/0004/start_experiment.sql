create or replace function modelpack.start_experiment(
  me modelpack.me, profile regclass, score text, experiment text, arms jsonb, condition text, stale_limit double precision, time_limit double precision
) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_caller constant name := modelpack.caller(me, 'start_experiment');
  v_profile modelpack.profile := modelpack.get_profile(profile);
  v_score constant modelpack.score := (select s from modelpack.score as s where s.profile_id = v_profile.profile_id and s.score = start_experiment.score);
  v_arm record;
  v_weights jsonb;
  v_experiment integer;
  v_champion integer;
begin
  if v_score.score is null then
    raise exception using
      errcode = 'undefined_object',
      message = format('%s has no score %s', v_profile.name, modelpack.shown(score, 63)),
      detail = format('It has: %s.', coalesce((select string_agg(s.score, ', ' order by s.position) from modelpack.score as s where s.profile_id = v_profile.profile_id), 'none')),
      hint = 'Name one of these, or declare it and run modelpack apply.';
  end if;
  perform modelpack.check_grant(v_caller, v_score.model, 'start an experiment with');
  perform modelpack.take_turn(v_score.model);
  v_profile := modelpack.hold_profile(v_profile.relation);
  if coalesce(experiment, '') !~ '^[a-z][a-z0-9_]{0,39}$' then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('%s cannot name an experiment', modelpack.shown(coalesce(experiment, 'NULL'), 63)),
      detail = 'Expected a lower-case letter, then at most 39 letters, digits and _.',
      hint = 'Choose another name.';
  end if;
  if exists (select from modelpack.experiment as e where e.experiment = start_experiment.experiment) then
    raise exception using
      errcode = 'duplicate_object',
      message = format('there is an experiment %s already', experiment),
      detail = 'What an experiment found is kept under its name.',
      hint = 'Choose another name.';
  end if;
  if exists (select from modelpack.experiment as e where e.profile = v_profile.name and e.score = v_score.score and e.ended_at is null) then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('the experiment %s runs on the score %s of %s',
                       (select e.experiment from modelpack.experiment as e where e.profile = v_profile.name and e.score = v_score.score and e.ended_at is null),
                       v_score.score, v_profile.name),
      detail = 'A score has one experiment at a time: of two, neither could say what came of which.',
      hint = 'End it first: select modelpack.stop_experiment(EXPERIMENT), or modelpack.conclude_experiment(EXPERIMENT, ARM).';
  end if;
  if condition is not null and not pg_has_role(v_caller, 'modelpack_owner', 'member') then
    raise exception using
      errcode = 'insufficient_privilege',
      message = format('%s may not say by SQL which rows take part: it runs with the rights of modelpack_owner', v_caller),
      hint = 'Start the experiment without a condition, or have a member of modelpack_owner start it.';
  end if;
  if coalesce(stale_limit, -1) not between 0 and 1 or not coalesce(time_limit, 0) between 0.001 and 1000000 then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('the limits of the guardrails cannot be stale_limit %s and time_limit %s', coalesce(stale_limit::text, 'NULL'), coalesce(time_limit::text, 'NULL')),
      detail = 'Expected a share from 0 to 1, and how many times as long a score may take, above 0.',
      hint = 'Leave them out for 0.05 and 10.';
  end if;
  if jsonb_typeof(arms) is distinct from 'array' or jsonb_array_length(arms) not between 2 and 20
     or exists (select from jsonb_array_elements(arms) as a
                 where jsonb_typeof(a.value) <> 'object' or coalesce(a.value ->> 'arm', '') !~ '^[a-z][a-z0-9_]{0,39}$' or not a.value ? 'weight'
                    or a.value - '{arm,weight,version}'::text[] <> '{}')
     or (select count(distinct a.value ->> 'arm') from jsonb_array_elements(arms) as a) <> jsonb_array_length(arms) then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('the arms %s cannot be used', modelpack.shown(coalesce(arms::text, 'NULL'), 300)),
      detail = 'Expected 2 to 20 objects in a list, such as [{"arm": "champion", "weight": 90}, {"arm": "challenger", "version": 5, "weight": 10}], '
               'each arm with a name of its own: a lower-case letter, then letters, digits and _.',
      hint = 'The arm that comes first is what the others are compared with.';
  end if;
  v_weights := modelpack.check_weights(experiment, array(select a.value ->> 'arm' from jsonb_array_elements(arms) as a),
                                       (select jsonb_object_agg(a.value ->> 'arm', a.value -> 'weight') from jsonb_array_elements(arms) as a));
  v_champion := (select a.version from modelpack.alias as a where a.model = v_score.model and a.alias = 'champion');
  if v_champion is null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('no version of the model %s has been promoted', v_score.model),
      hint = 'Promote one first: rows that take no part in an experiment are scored by the champion.';
  end if;
  if exists (select from pg_attribute as a
              where a.attrelid = v_profile.relation and a.attname = v_score.score || '_arm' and not a.attisdropped
                and (a.attname <> all (v_profile.added_columns) or a.attname = any (v_profile.maintained))) then
    raise exception using
      errcode = 'duplicate_column',
      message = format('%s has a column %I of its own, and an experiment keeps the arm of a row under that name', v_profile.name, v_score.score || '_arm'),
      detail = 'What stands there would be written over.',
      hint = format('alter table %s rename column %I to OTHER', v_profile.name, v_score.score || '_arm');
  end if;
  insert into modelpack.experiment (experiment, profile, score, model, condition, started_by, stale_limit, time_limit)
  values (experiment, v_profile.name, v_score.score, v_score.model, condition, v_caller, stale_limit, time_limit)
  returning experiment_id into v_experiment;
  for v_arm in
    select a.value ->> 'arm' as arm, a.ordinality as position, a.value ->> 'version' as named,
           -- an arm is of the version that it names, of the alias of its name, or of the champion
           coalesce(v.version, case when a.value ->> 'version' is null then coalesce(l.version, case when a.value ->> 'arm' = 'control' then v_champion end) end) as version
      from jsonb_array_elements(arms) with ordinality as a
      left join modelpack.version as v on v.model = v_score.model and v.version::text = a.value ->> 'version'
      left join modelpack.alias as l on l.model = v_score.model and l.alias = a.value ->> 'arm'
     order by a.ordinality
  loop
    if v_arm.version is null then
      raise exception using
        errcode = 'undefined_object',
        message = case when v_arm.named is null then format('nothing says which version the arm %s is of', v_arm.arm)
                       else format('the model %s has no version %s, which the arm %s is to be of', v_score.model, modelpack.shown(v_arm.named, 40), v_arm.arm) end,
        detail = format('Versions: %s. Aliases: %s.',
                        (select string_agg(v.version::text, ', ' order by v.version) from modelpack.version as v where v.model = v_score.model),
                        (select string_agg(l.alias, ', ' order by l.alias) from modelpack.alias as l where l.model = v_score.model)),
        hint = format('Give the arm a version, {"arm": "%s", "version": NUMBER, ...}, or call it by an alias of the model.', v_arm.arm);
    end if;
    perform modelpack.check_not_retired(v_score.model, v_arm.version);
    if v_arm.version <> v_champion and (select m.requires_approval from modelpack.model as m where m.model = v_score.model)
       and not exists (select from modelpack.approval as p where p.version_id = modelpack.get_version(v_score.model, v_arm.version)) then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s version %s is not approved, and the arm %s would score by it', v_score.model, v_arm.version, v_arm.arm),
        detail = format('The model %s requires approval by somebody other than the publisher.', v_score.model),
        hint = format('As a member of modelpack_approver: select modelpack.approve(%L, %s).', v_score.model, v_arm.version);
    end if;
    perform modelpack.prove(modelpack.get_version(v_score.model, v_arm.version), v_caller);
    insert into modelpack.arm (experiment_id, arm, position, version) values (v_experiment, v_arm.arm, v_arm.position, v_arm.version);
  end loop;
  insert into modelpack.weighting (experiment_id, weights, set_by, reason) values (v_experiment, v_weights, v_caller, 'as it was started');
  perform modelpack.arrange(v_profile.profile_id, v_score.score);
  perform modelpack.bind(v_profile.relation);
  return v_experiment;
end
$modelpack$;
comment on function modelpack.start_experiment(modelpack.me, regclass, text, text, jsonb, text, double precision, double precision) is
  'modelpack.start_experiment(profile, score, experiment, arms, condition) for who calls it.';
revoke all on function modelpack.start_experiment(modelpack.me, regclass, text, text, jsonb, text, double precision, double precision) from public;
create or replace function modelpack.start_experiment(
  profile regclass, score text, experiment text, arms jsonb, condition text default null,
  stale_limit double precision default 0.05, time_limit double precision default 10
) returns integer
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- the condition is read as who calls would, and handed on with all names qualified
select modelpack.start_experiment(m, start_experiment.profile, start_experiment.score, start_experiment.experiment, start_experiment.arms,
         case when start_experiment.condition is null or not pg_has_role('modelpack_owner', 'member') then start_experiment.condition
              else coalesce(modelpack.resolve(start_experiment.profile::text, start_experiment.condition, 'p', true,
                                              path => (select s.reset_val from pg_settings as s where s.name = 'search_path')), start_experiment.condition) end,
         start_experiment.stale_limit, start_experiment.time_limit)
  from modelpack.me as m
$modelpack$;
comment on function modelpack.start_experiment(regclass, text, text, jsonb, text, double precision, double precision) is
  'Begins an experiment on a score: each entity is given one of the arms when its row is next scored, keeps it, and is scored by its version. arms: [{"arm": "champion", "weight": 90}, {"arm": "challenger", "version": 5, "weight": 10}]; an arm without a version is called as an alias. condition: which rows p take part. Rows keep their scores until something happens to them or CALL modelpack.rescore.';
revoke all on function modelpack.start_experiment(regclass, text, text, jsonb, text, double precision, double precision) from public;
grant execute on function modelpack.start_experiment(regclass, text, text, jsonb, text, double precision, double precision),
      modelpack.start_experiment(modelpack.me, regclass, text, text, jsonb, text, double precision, double precision) to modelpack_publisher;
