create or replace function modelpack.follow_crossings() returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
set extra_float_digits = 1
as $modelpack$
-- A declaration has been applied. Where a score of it has bounds, a function that writes a crossing down, and the triggers that call it;
-- at the end of the transaction, when all else is there. What was counted and scored before that was no crossing of anybody's.
declare
  v_found regclass;
  v_profile modelpack.profile;
  v_score modelpack.score;
  v_bounds double precision[];
begin
  select p.relation into v_found from modelpack.profile as p join pg_class as c on c.oid = p.relation where p.profile_id = new.profile_id;
  if not found then
    return null;  -- it was taken off again
  end if;
  v_profile := modelpack.hold_profile(v_found);
  select * into v_score from modelpack.score as s where s.profile_id = new.profile_id and s.score = new.score;
  v_bounds := (select array_agg(b.bound::double precision order by b.place)
                 from jsonb_array_elements(v_profile.declaration -> 'scores') as s
                cross join lateral jsonb_array_elements_text(s.value -> 'crossing') with ordinality as b (bound, place)
                where s.value ->> 'name' = v_score.score);
  if v_bounds is null then
    return null;
  end if;
  perform modelpack.put_function(v_profile, v_score.stem || '_crossed',
    'entity_key text, from_score double precision, to_score double precision, from_version integer, to_version integer, "at" timestamptz, cause text', 'void',
    $how$plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
$how$, format($crossed$
#variable_conflict use_variable
-- enable_seqscan: off, since the plan is made once a session, and before the first crossing the table is empty.
declare
  v_before record;
  v_bounds double precision[];
begin
  -- one row for each transaction: from where the entity was before it
  delete from modelpack.crossing as c
   where c.transaction_id = pg_current_xact_id() and c.entity_key = entity_key and c.profile = %1$L and c.score = %2$L and c.era = 0
  returning c.from_score, c.from_version, c.cause into v_before;
  if found then
    from_score := v_before.from_score;
    from_version := v_before.from_version;
    cause := case when v_before.cause = 'first' or cause <> 'version' then v_before.cause else cause end;
  end if;
  v_bounds := modelpack.crossed_bounds(from_score, to_score, %3$L);
  if v_bounds <> '{}' then
    insert into modelpack.crossing (profile, score, entity_key, from_score, to_score, bounds, direction, cause, model, version, from_version, at)
    values (%1$L, %2$L, entity_key, from_score, to_score, v_bounds, case when from_score > to_score then 'down' else 'up' end, cause, %4$L, to_version,
            from_version, "at");
    -- until the transaction, or the savepoint, ends: scores that come back have to be looked up. Anybody may set it, for himself
    perform set_config('modelpack.crossed', 'on', true);
  end if;
end
$crossed$, v_profile.name, v_score.score, v_bounds, v_score.model),
    format('Writes a crossing of the score %s down.', v_score.score), 'room');
  perform modelpack.do_soon(format('select modelpack.crossing_table(%s, %L)', new.profile_id, new.score), format('the table %s', v_profile.relation),
                            'pg_class', v_profile.relation, array[v_profile.relation]);
  return null;
end
$modelpack$;
comment on function modelpack.follow_crossings() is 'Trigger: makes the triggers that see scores cross bounds, where a declaration that is applied has some.';
revoke all on function modelpack.follow_crossings() from public;
drop trigger if exists follow_crossings on modelpack.score;
create constraint trigger follow_crossings after insert on modelpack.score deferrable initially deferred
  for each row execute function modelpack.follow_crossings();
comment on trigger follow_crossings on modelpack.score is 'makes the triggers of crossings';
