create or replace function modelpack.start_shadow(me modelpack.me, model text, version integer, share double precision) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_caller constant name := modelpack.caller(me, 'start_shadow');
  v_champion integer;
  v_lacks text[];
  v_shadow integer;
begin
  perform modelpack.check_grant(v_caller, start_shadow.model, 'have a shadow score with');
  perform modelpack.take_turn(start_shadow.model);
  perform modelpack.prove(modelpack.get_version(start_shadow.model, start_shadow.version), v_caller);
  perform modelpack.check_not_retired(start_shadow.model, start_shadow.version);
  v_champion := (select a.version from modelpack.alias as a where a.model = start_shadow.model and a.alias = 'champion');
  v_lacks := modelpack.can_replay(start_shadow.model, v_champion, start_shadow.version);
  if v_champion is null or v_lacks <> '{}' then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = case when v_champion is null then format('no version of the model %s has been promoted, so nothing is logged that a shadow could score', start_shadow.model)
                     else format('version %s of %s takes what the log of version %s does not hold: %s', start_shadow.version, start_shadow.model, v_champion,
                                 array_to_string(v_lacks, ', ')) end,
      detail = 'A shadow scores logged inputs, so that no event waits for it.',
      hint = 'Give it an arm of an experiment with a small share instead: modelpack experiment start.';
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
  insert into modelpack.shadow (model, version, share, started_by)
  values (start_shadow.model, start_shadow.version, round(share * 10000)::integer, v_caller)
  returning shadow_id into v_shadow;
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
  'Has a version score what is logged from now on, beside the versions that score: CALL modelpack.score_shadows does it, and no event waits for it. share: of the entities, chosen by a hash of the key.';
revoke all on function modelpack.start_shadow(text, integer, double precision) from public;
grant execute on function modelpack.start_shadow(text, integer, double precision), modelpack.start_shadow(modelpack.me, text, integer, double precision) to modelpack_publisher;
