create or replace function modelpack.erase_row(
  profile integer, entity_key text, delete_row boolean, events_stay boolean,
  out profile_row text, out events jsonb, out inputs modelpack.prediction[]
)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $modelpack$
-- Runs as a superuser, since whoever erases need not own the table: makes a function that runs as the owner of the table, as all
-- does that touches it, calls it and drops it. All that is pasted are names, and literals of the key.
declare
  v_profile constant modelpack.profile := (select p from modelpack.profile as p where p.profile_id = erase_row.profile);
  v_owner constant regrole := modelpack.runs_as(v_profile.relation);
  v_key constant record := modelpack.key_text(v_profile.relation, erase_row.entity_key);
  v_name constant text := format('erase_%s_%s', pg_backend_pid(), v_profile.profile_id);
  v_events text := '';
  v_inputs text := '';
  v_do text;
  v_event record;
  v_score modelpack.score;
begin
  -- modelpack_owner writes the declarations: only where the owner of the table has had them run on it
  if not exists (select from pg_trigger as t join pg_proc as f on f.oid = t.tgfoid
                  where t.tgrelid = v_profile.relation and f.pronamespace = 'modelpack'::regnamespace
                    and f.proname = v_profile.stem || '_guard' and f.proowner = v_owner)
     or v_profile.declaration -> 'events' <> '[]'
        and not exists (select from pg_proc as f where f.oid = to_regprocedure(format('modelpack.%I(text[])', v_profile.stem || '_recount'))
                           and f.proowner = v_owner and f.prosecdef) then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('%s lacks triggers or functions of its declaration, or they are not its owner''s', v_profile.relation),
      hint = 'select * from modelpack.doctor() says what is missing.';
  end if;
  for v_event in select e.* from modelpack.event_tables(v_profile.relation) as e loop
    if not exists (select from pg_trigger as t join pg_proc as f on f.oid = t.tgfoid
                    where v_event.relation is not null and t.tgrelid = v_event.relation and f.pronamespace = 'modelpack'::regnamespace
                      and starts_with(f.proname, v_profile.stem || '_count_') and f.proowner = v_owner) then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s is another table than the event table that the declaration of %s means: it has no count trigger', v_event.name, v_profile.name),
        hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
    end if;
    v_events := v_events || format($events$
select count(*) into v_count from %s as e where (%s) = (%s);
if v_count > 0 then
  events := events || jsonb_build_object(%L, v_count);
end if;
$events$, v_event.relation, v_event.key, v_key.literals, v_event.name);
  end loop;
  for v_score in select s.* from modelpack.score as s where s.profile_id = v_profile.profile_id order by s.position loop
    -- an input may be impossible, and a version be fed no more
    v_inputs := v_inputs || format($inputs$
if v_row.%1$I is not null then
  begin
    inputs := array_append(inputs, row(null, v_row.%1$I, %2$L, %3$L, %4$L, %5$L, v_row.%6$I, v_row.%7$I,
      modelpack.%8$I(v_row, v_row.%1$I, v_row.%6$I), modelpack.%9$I(v_row, v_row.%1$I, v_row.%6$I), null)::modelpack.prediction);
  exception when others then
    if sqlstate ~ '^(40|53|57|25006)' then
      raise;
    end if;
  end;
end if;
$inputs$, v_score.score || '_scored_at', v_profile.name, v_key.key, v_score.score, v_score.model, v_score.score || '_version', v_score.score,
                                   v_score.stem || '_numbers', v_score.stem || '_texts');
  end loop;
  v_do := case
    when delete_row then format('delete from %s as q where %s;', v_profile.relation, v_key.condition)
    -- a row that is not counted yet is counted by its events, whatever it had
    when v_profile.declaration -> 'events' <> '[]' then
      format(E'update %s as q set features_read_at = null where %s;\nperform modelpack.%I(array[%L]);', v_profile.relation, v_key.condition,
             v_profile.stem || '_recount', v_key.key)
    else '' end;
  execute format($function$
create function modelpack.%I(out profile_row text, out events jsonb, out inputs modelpack.prediction[])
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set extra_float_digits = 1
set datestyle = 'ISO, MDY'
set intervalstyle = postgres
set bytea_output = hex
as %s$function$, v_name, modelpack.dollar(format($body$
#variable_conflict use_variable
declare
  v_row %1$s%%rowtype;
  v_count bigint;
begin
events := '{}';
inputs := '{}';
select q.* into v_row from %1$s as q where %2$s for update;
profile_row := case when not found then 'absent' else %3$L end;
%4$s
if profile_row = 'absent' or events <> '{}' and not %5$L::boolean then
  return;
end if;
%6$s
%7$s
end
$body$, v_profile.relation, v_key.condition, case when delete_row then 'deleted' else 'reset' end, v_events, events_stay, v_inputs, v_do)));
  execute format('alter function modelpack.%I() owner to %s', v_name, v_owner);
  execute format('revoke all on function modelpack.%I() from public', v_name);
  execute format('select * from modelpack.%I()', v_name) into profile_row, events, inputs;
  execute format('drop function modelpack.%I()', v_name);
end
$modelpack$;
comment on function modelpack.erase_row(integer, text, boolean, boolean) is
  'Locks the row of a profile, counts its events, and resets or deletes it, as the owner of the table; a step of modelpack.erase. Gives what became of it, its events by table, and what its scores were fed. Nothing is changed where there are events that are not to stay.';
revoke all on function modelpack.erase_row(integer, text, boolean, boolean) from public;
