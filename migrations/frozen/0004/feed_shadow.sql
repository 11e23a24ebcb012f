create or replace function modelpack.feed_shadow(shadow integer) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $modelpack$
-- What a shadow needs that takes what the log does not hold: functions that pack its inputs from a row that was scored, one that writes
-- them down, and the triggers that call these. Where it has ended they go.
declare
  v_shadow constant modelpack.shadow := (select s from modelpack.shadow as s where s.shadow_id = feed_shadow.shadow);
  v_profile modelpack.profile;
  v_found record;
  v_score record;
  v_feed record;
  v_called text;
begin
  for v_found in
    select p.relation from modelpack.profile as p
     where exists (select from modelpack.score as s where s.profile_id = p.profile_id and s.model = v_shadow.model)
       and exists (select from pg_class as c where c.oid = p.relation)
     order by p.profile_id
  loop
    v_profile := modelpack.hold_profile(v_found.relation);
    continue when v_profile.profile_id is null;  -- it was taken off meanwhile
    for v_score in
      select s.score, s.position from modelpack.score as s
       where s.profile_id = v_profile.profile_id and s.model = v_shadow.model and v_shadow.ended_at is null
       order by s.position
    loop
      v_feed := modelpack.feed(v_profile.profile_id, v_score.score, v_shadow.version);
      v_called := format('shadow_%s_%s_%s', shadow, v_profile.profile_id, v_score.position);
      perform modelpack.put_function(v_profile, v_called || '_numbers', 'p anyelement, "the moment" timestamptz', 'double precision[]',
        'sql stable security invoker', format('select %s', v_feed.numbers),
        format('The numbers that version %s of %s is fed from a profile row, as a shadow.', v_shadow.version, v_shadow.model), 'room');
      perform modelpack.put_function(v_profile, v_called || '_texts', 'p anyelement, "the moment" timestamptz', 'text[]',
        'sql stable security invoker', format('select %s', v_feed.texts),
        format('The texts that version %s of %s is fed from a profile row, as a shadow.', v_shadow.version, v_shadow.model), 'room');
      perform modelpack.put_function(v_profile, v_called || '_keep',
        'version integer, moment timestamptz, entity_key text, numbers double precision[], texts text[]', 'void', $how$plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
$how$, format($keep$
#variable_conflict use_variable
begin
  -- to read the sequence as a table would be a scan that COUNT has turned off, and so be compiled for each event
  insert into modelpack.shadow_input (shadow_id, profile, score, entity_key, scored_at, version, inputs, text_inputs)
  select s.shadow_id, %L, %L, entity_key, moment, version, numbers, texts
    from modelpack.shadow as s
   where s.shadow_id = %s and s.input_limit > coalesce(pg_sequence_last_value('modelpack.shadow_input_input_id_seq'), 0);
end
$keep$, v_profile.name, v_score.score, shadow),
        format('Writes down what version %s of %s is to be fed for the score %s, while there is room.', v_shadow.version, v_shadow.model, v_score.score), 'room');
    end loop;
    perform modelpack.do_soon(format('select modelpack.shadow_table(%s, %s)', shadow, v_profile.profile_id), format('the table %s', v_profile.relation),
                              'pg_class', v_profile.relation, array[v_profile.relation]);
  end loop;
end
$modelpack$;
comment on function modelpack.feed_shadow(integer) is
  'Makes what writes the inputs of a shadow down that the log does not hold, or takes it away where the shadow has ended; a step of starting and stopping one, and of applying a declaration.';
revoke all on function modelpack.feed_shadow(integer) from public;
