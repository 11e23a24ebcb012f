create or replace function modelpack.shadow_table(shadow integer, profile integer) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $modelpack$
-- Runs as a superuser, since whoever starts a shadow need not own the table: triggers whose function runs as the owner of the table,
-- because it evaluates his expressions. All that is pasted are names.
declare
  v_profile constant modelpack.profile := (select p from modelpack.profile as p where p.profile_id = shadow_table.profile);
  v_shadow constant modelpack.shadow := (select s from modelpack.shadow as s where s.shadow_id = shadow_table.shadow);
  v_owner constant regrole := modelpack.runs_as(v_profile.relation);
  v_ours constant text := format('shadow_%s_%s_', shadow, profile);
  v_item record;
  v_key text;
  v_settings text;
begin
  for v_item in
    select t.tgname as name from pg_trigger as t join pg_proc as f on f.oid = t.tgfoid
     where t.tgrelid = v_profile.relation and not t.tgisinternal and f.pronamespace = 'modelpack'::regnamespace and starts_with(f.proname, v_ours)
  loop
    execute format('drop trigger %I on %s', v_item.name, v_profile.relation);
    delete from modelpack.made as m where m.profile_id = shadow_table.profile and m.kind = 'trigger' and m.object = v_item.name;
  end loop;
  if v_shadow.ended_at is not null then
    for v_item in
      select f.oid, f.proname from pg_proc as f where f.pronamespace = 'modelpack'::regnamespace and starts_with(f.proname, v_ours)
    loop
      perform modelpack.drop_object(format('drop function %s', v_item.oid::regprocedure), 'pg_proc', v_item.oid);
    end loop;
    delete from modelpack.made as m where m.profile_id = shadow_table.profile and starts_with(m.object, v_ours);
    return;
  end if;
  -- modelpack_owner writes the declarations, and the functions that pack a row: only where its owner has had them run on the table
  -- Keys and inputs are read with what that has set
  select f.proconfig as settings into v_item
    from pg_trigger as t join pg_proc as f on f.oid = t.tgfoid
   where t.tgrelid = v_profile.relation and f.pronamespace = 'modelpack'::regnamespace and f.proname = v_profile.stem || '_log'
     and f.proowner = v_owner and f.prosecdef;
  if not found then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('%s has no trigger %s_log of its owner''s', v_profile.relation, v_profile.stem),
      hint = 'select * from modelpack.doctor() says what is missing.';
  end if;
  v_settings := (select coalesce(string_agg(format(E'set %I to %L\n', c[1], c[2]), ''), '')
                   from unnest(v_item.settings) as s, regexp_match(s, '^([^=]+)=(.*)$') as c where lower(c[1]) <> 'search_path');
  select format(case when count(*) = 1 then '%s::text' else 'jsonb_build_array(%s)::text' end,
                string_agg(format('modelpack.key_value(new.%I)', k.name), ', ' order by k.place))
    into v_key
    from jsonb_array_elements_text(v_profile.declaration -> 'key') with ordinality as k (name, place);
  for v_item in
    select s.score, v_ours || s.position as called, format('model_shadow_%s_%s', shadow, s.position) as name
      from modelpack.score as s where s.profile_id = shadow_table.profile and s.model = v_shadow.model
     order by s.position
  loop
    -- An error costs the shadow a row. Nothing is written where it is caught, so that no number is taken for a subtransaction; and what
    -- a statement has to be ended for, or run again, goes on its way
    execute format($function$
create or replace function modelpack.%I() returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
%sas %s$function$, v_item.called, v_settings, modelpack.dollar(format($body$
declare
  v_key constant text := %s;
  v_numbers double precision[];
  v_texts text[];
begin
  %sbegin
    v_numbers := modelpack.%I(new, new.%I);
    v_texts := modelpack.%I(new, new.%I);
  exception when others then
    if sqlstate ~ '^(40|53|57|25006)' then
      raise;
    end if;
    v_numbers := null;
  end;
  if v_numbers is not null then
    perform modelpack.%I(new.%I, new.%I, v_key, v_numbers, v_texts);
  end if;
  return null;
end
$body$, v_key,
        case when v_shadow.share = 10000 then ''
             else format(E'if abs(hashtextextended(v_key, 0) %% 10000) >= %s then\n    return null;\n  end if;\n  ', v_shadow.share) end,
        v_item.called || '_numbers', v_item.score || '_scored_at', v_item.called || '_texts', v_item.score || '_scored_at',
        v_item.called || '_keep', v_item.score || '_version', v_item.score || '_scored_at')));
    execute format('comment on function modelpack.%I() is %L', v_item.called,
                   format('What version %s of %s is to be fed from a row that was scored. [%s]', v_shadow.version, v_shadow.model, v_profile.stem));
    execute format('alter function modelpack.%I() owner to %s', v_item.called, v_owner);
    execute format('revoke all on function modelpack.%I() from public', v_item.called);
    execute format('create trigger %I after insert on %s for each row when (new.%I is not null and new.%I <> %s) execute function modelpack.%I()',
                   v_item.name || '_new', v_profile.relation, v_item.score || '_scored_at', v_item.score || '_version', v_shadow.version, v_item.called);
    execute format('create trigger %I after update on %s for each row when (new.%I is distinct from old.%I and new.%I <> %s) execute function modelpack.%I()',
                   v_item.name, v_profile.relation, v_item.score || '_scored_at', v_item.score || '_scored_at', v_item.score || '_version', v_shadow.version,
                   v_item.called);
  end loop;
  -- the doctor looks at them as at those of the declaration
  delete from modelpack.made as m where m.profile_id = shadow_table.profile and m.kind = 'function' and starts_with(m.object, v_ours);
  insert into modelpack.made (profile_id, kind, object, relation, definition)
  select shadow_table.profile, 'function', f.proname::text, null, md5(f.prosrc)
    from pg_proc as f where f.pronamespace = 'modelpack'::regnamespace and starts_with(f.proname, v_ours) and f.prorettype = 'trigger'::regtype
  union all
  select shadow_table.profile, 'trigger', t.tgname, t.tgrelid, t.tgtype || ' ' || f.proname
    from pg_trigger as t join pg_proc as f on f.oid = t.tgfoid
   where t.tgrelid = v_profile.relation and not t.tgisinternal and f.pronamespace = 'modelpack'::regnamespace and starts_with(f.proname, v_ours);
end
$modelpack$;
comment on function modelpack.shadow_table(integer, integer) is
  'Gives a profile the triggers that write what a shadow is to be fed, or takes them away where it has ended, as a superuser: whoever starts one need not own the table.';
revoke all on function modelpack.shadow_table(integer, integer) from public;
