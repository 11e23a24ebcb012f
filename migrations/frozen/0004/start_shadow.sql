create or replace function modelpack.start_shadow(me modelpack.me, model text, version integer, share double precision) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_caller constant name := modelpack.caller(me, 'start_shadow');
  v_champion integer;
  v_lacks text[];
  v_found record;
  v_fed boolean := false;
  v_shadow integer;
begin
  perform modelpack.check_grant(v_caller, start_shadow.model, 'have a shadow score with');
  perform modelpack.take_turn(start_shadow.model);
  perform modelpack.prove(modelpack.get_version(start_shadow.model, start_shadow.version), v_caller);
  perform modelpack.check_not_retired(start_shadow.model, start_shadow.version);
  v_champion := (select a.version from modelpack.alias as a where a.model = start_shadow.model and a.alias = 'champion');
  v_lacks := modelpack.can_replay(start_shadow.model, v_champion, start_shadow.version);
  if v_champion is null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('no version of the model %s has been promoted, so nothing is logged that a shadow could score', start_shadow.model),
      hint = 'Promote one first.';
  end if;
  -- what others may not see yet, scores no row of theirs
  if (select m.requires_approval from modelpack.model as m where m.model = start_shadow.model)
     and start_shadow.version <> v_champion
     and not exists (select from modelpack.approval as p where p.version_id = modelpack.get_version(start_shadow.model, start_shadow.version)) then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('%s version %s is not approved, and a shadow scores rows', start_shadow.model, start_shadow.version),
      detail = format('The model %s requires approval by somebody other than the publisher.', start_shadow.model),
      hint = format('As a member of modelpack_approver: select modelpack.approve(%L, %s).', start_shadow.model, start_shadow.version);
  end if;
  if share is null or share < 0.0001 or share > 1 then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('the share is %s, expected 0.0001 to 1', coalesce(share::text, 'NULL'));
  end if;
  if exists (select from modelpack.shadow as s where s.model = start_shadow.model and s.version = start_shadow.version and s.ended_at is null) then
    raise exception using
      errcode = 'duplicate_object',
      message = format('version %s of %s is a shadow already', start_shadow.version, start_shadow.model),
      hint = format('select modelpack.stop_shadow(%L, %s) ends it.', start_shadow.model, start_shadow.version);
  end if;
  if v_lacks <> '{}' then
    -- what comes of the rows is shown to whoever may compare versions
    for v_found in
      select p.relation, f.columns
        from modelpack.score as s
        join modelpack.profile as p using (profile_id)
       cross join lateral modelpack.feed(p.profile_id, s.score, start_shadow.version) as f
       where s.model = start_shadow.model
    loop
      v_fed := true;
      if not modelpack.sees(v_caller, v_found.relation, v_found.columns) then
        raise exception using
          errcode = 'insufficient_privilege',
          message = format('%s may not read what version %s of %s is fed from %s', v_caller, start_shadow.version, start_shadow.model, v_found.relation),
          detail = format('The log of version %s does not hold: %s. A shadow that reads it from rows tells of them.', v_champion, array_to_string(v_lacks, ', ')),
          hint = format('grant select (%s) on %s to %I, or have somebody start it who may read them.',
                        (select string_agg(distinct format('%I', c), ', ') from unnest(v_found.columns) as c), v_found.relation, v_caller);
      end if;
    end loop;
    if not v_fed then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('version %s of %s takes what the log of version %s does not hold: %s', start_shadow.version, start_shadow.model, v_champion,
                         array_to_string(v_lacks, ', ')),
        detail = 'No profile has a score of the model, so there is no row to read it from.',
        hint = 'Apply a declaration first: modelpack apply.';
    end if;
  end if;
  insert into modelpack.shadow (model, version, share, started_by)
  values (start_shadow.model, start_shadow.version, round(share * 10000)::integer, v_caller)
  returning shadow_id into v_shadow;
  if v_fed then
    update modelpack.shadow as s set input_limit = modelpack.room_for(s) where s.shadow_id = v_shadow;
    perform modelpack.feed_shadow(v_shadow);
    -- by now no event runs that writes no inputs
    update modelpack.shadow as s set started_at = clock_timestamp() where s.shadow_id = v_shadow;
  end if;
  return v_shadow;
end
$modelpack$;
comment on function modelpack.start_shadow(modelpack.me, text, integer, double precision) is 'modelpack.start_shadow(model, version, share) for who calls it.';
revoke all on function modelpack.start_shadow(modelpack.me, text, integer, double precision) from public;
create or replace function modelpack.start_shadow(model text, version integer, share double precision default 1) returns integer
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.start_shadow(m, start_shadow.model, start_shadow.version, start_shadow.share) from modelpack.me as m
$modelpack$;
comment on function modelpack.start_shadow(text, integer, double precision) is
  'Has a version score what is logged from now on, beside the versions that score: CALL modelpack.score_shadows does it, and no event waits for it. What the log lacks of its inputs, events write into modelpack.shadow_input. share: of the entities, chosen by a hash of the key.';
revoke all on function modelpack.start_shadow(text, integer, double precision) from public;
grant execute on function modelpack.start_shadow(text, integer, double precision), modelpack.start_shadow(modelpack.me, text, integer, double precision) to modelpack_publisher;
