create or replace function modelpack.arrange(profile integer, score text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
set extra_float_digits = 1
as $modelpack$
-- What an experiment needs beside a score: a function that gives an entity its arm, a trigger that calls it for rows that have none
-- of its arms, and the text that names the version by the arm. The first two are made anew with each change of weights, so
-- that an event looks nothing up. The text of a key is that of the log, whatever the session has set.
declare
  v_profile constant modelpack.profile := (select p from modelpack.profile as p where p.profile_id = arrange.profile);
  v_score constant modelpack.score := (select s from modelpack.score as s where s.profile_id = arrange.profile and s.score = arrange.score);
  v_experiment constant modelpack.experiment := (select e from modelpack.experiment as e
                                                  where e.profile = v_profile.name and e.score = arrange.score and e.ended_at is null);
  v_weighting constant modelpack.weighting := (select w from modelpack.weighting as w
                                                where w.experiment_id = v_experiment.experiment_id order by w.weighting_id desc limit 1);
  v_column constant text := arrange.score || '_arm';
  v_function constant text := v_score.stem || '_assign';
  v_arms text[];
  v_key text;
  v_draws text;
begin
  if v_experiment.experiment_id is null then
    return;
  end if;
  if v_column = any (v_profile.maintained)
     or exists (select from modelpack.score as s, unnest(array['', '_version', '_scored_at', '_stale']) as x (suffix)
                 where s.profile_id = arrange.profile and s.score || x.suffix = v_column) then
    raise exception using
      errcode = 'duplicate_column',
      message = format('the declaration of %s keeps something of its own in the column %I, where the experiment %s keeps the arm of a row',
                       v_profile.name, v_column, v_experiment.experiment),
      detail = 'One would write over the other.',
      hint = format('Declare it under another name, or end the experiment first: select modelpack.stop_experiment(%L)', v_experiment.experiment);
  end if;
  v_arms := array(select v_experiment.experiment || '/' || a.arm from modelpack.arm as a where a.experiment_id = v_experiment.experiment_id order by a.position);
  select format(case when count(*) = 1 then '%s::text' else 'jsonb_build_array(%s)::text' end,
                string_agg(format('modelpack.key_value(new.%I)', k.name), ', ' order by k.place))
    into v_key
    from jsonb_array_elements_text(v_profile.declaration -> 'key') with ordinality as k (name, place);
  select string_agg(format('when v_drawn < %s then %L', d.upto, d.arm), E'\n                 ' order by d.position) into v_draws
    from (select a.arm, a.position, (v_weighting.weights ->> a.arm)::double precision as weight,
                 case when a.position = max(a.position) over () then 1
                      else sum((v_weighting.weights ->> a.arm)::double precision) over (order by a.position) end as upto
            from modelpack.arm as a where a.experiment_id = v_experiment.experiment_id and (v_weighting.weights ->> a.arm)::double precision > 0) as d;
  perform modelpack.put_function(v_profile, v_function, '', 'trigger', $how$plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set extra_float_digits = 1
set datestyle = 'ISO, MDY'
set intervalstyle = postgres
set bytea_output = hex
set enable_seqscan = off
$how$, format($assign$
-- enable_seqscan: off, since the plan is made once a session, and before the first arm the table is empty.
declare
  v_key constant text := %s;
  v_arm text;
  v_drawn double precision;%s
begin
  select s.arm into v_arm from modelpack.assignment as s where s.experiment_id = %s and s.entity_key = v_key;%s
  if v_arm is null%s then
    v_drawn := modelpack.draw(%L, v_key);
    v_arm := case %s end;
    insert into modelpack.assignment (experiment_id, entity_key, arm, weight, weighting_id)
    values (%s, v_key, v_arm, (%L::jsonb ->> v_arm)::double precision, %s)
    on conflict (experiment_id, entity_key) do nothing;
    if not found then  -- another session was first
      select s.arm into strict v_arm from modelpack.assignment as s where s.experiment_id = %s and s.entity_key = v_key;
    end if;
  end if;
  new.%I := %L || v_arm;
  return new;
end
$assign$, v_key, case when v_experiment.condition is null then '' else E'\n  v_takes_part boolean;' end, v_experiment.experiment_id,
          -- an event survives a condition that fails: the row takes no part
          case when v_experiment.condition is null then '' else format($condition$
  if v_arm is null then
    begin
      v_takes_part := (select (%s) from (select new.*) as p);
    exception when others then
      if sqlstate ~ '^(57|40|53)' or sqlstate = '25006' then
        raise;
      end if;
    end;
  end if;$condition$, v_experiment.condition) end,
          case when v_experiment.condition is null then '' else ' and v_takes_part' end,
          v_experiment.experiment_id || ' ' || v_experiment.experiment, v_draws, v_experiment.experiment_id, v_weighting.weights, v_weighting.weighting_id,
          v_experiment.experiment_id, v_column, v_experiment.experiment || '/'),
    format('Gives a row its arm in the experiment %s.', v_experiment.experiment), 'room');
  update modelpack.score as s
     set choice = format('case p.%I %s end', v_column,
                         (select string_agg(format('when %L then %s', v_experiment.experiment || '/' || a.arm, a.version), ' ' order by a.position)
                            from modelpack.arm as a where a.experiment_id = v_experiment.experiment_id)),
         versions = array(select distinct a.version from modelpack.arm as a where a.experiment_id = v_experiment.experiment_id order by 1)
   where s.profile_id = arrange.profile and s.score = arrange.score;
  update modelpack.profile as p set added_columns = p.added_columns || v_column
   where p.profile_id = arrange.profile and v_column <> all (p.added_columns)
     and not exists (select from pg_attribute as a where a.attrelid = p.relation and a.attname = v_column and not a.attisdropped);
  -- other weights are in the function alone, so that the table is not locked for them
  if not exists (select from pg_trigger as t where t.tgrelid = v_profile.relation and t.tgname = 'model_arm_' || arrange.score) then
    perform modelpack.do_soon(format('select modelpack.arm_table(%s, %L)', arrange.profile, arrange.score), format('the table %s', v_profile.relation),
                              'pg_class', v_profile.relation, array[v_profile.relation]);
  end if;
end
$modelpack$;
comment on function modelpack.arrange(integer, text) is
  'Makes the trigger that gives rows their arm, and names the version by it; a step of what starts or changes an experiment, and of applying a declaration while one runs.';
revoke all on function modelpack.arrange(integer, text) from public;
