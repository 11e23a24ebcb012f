create or replace function modelpack.crossing_table(profile integer, score text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
set extra_float_digits = 1
as $modelpack$
-- Runs as a superuser, so that it does not matter who has become what by the end of the transaction: triggers whose function runs as
-- the owner of the table, since it reads his keys. All that is pasted are names and numbers.
declare
  v_profile constant modelpack.profile := (select p from modelpack.profile as p where p.profile_id = crossing_table.profile);
  v_score constant modelpack.score := (select s from modelpack.score as s where s.profile_id = crossing_table.profile and s.score = crossing_table.score);
  v_owner constant regrole := modelpack.runs_as(v_profile.relation);
  v_called constant text := v_score.stem || '_cross';
  v_name constant text := 'model_cross_' || crossing_table.score;
  v_bounds constant double precision[] := array(
    select b.bound::double precision
      from jsonb_array_elements(v_profile.declaration -> 'scores') as s
     cross join lateral jsonb_array_elements_text(s.value -> 'crossing') with ordinality as b (bound, place)
     where s.value ->> 'name' = crossing_table.score
     order by b.place);
  v_function text;
  v_log record;
  v_settings text;
  v_key text;
begin
  select f.proconfig as settings into v_log
    from pg_trigger as t join pg_proc as f on f.oid = t.tgfoid
   where t.tgrelid = v_profile.relation and f.pronamespace = 'modelpack'::regnamespace and f.proname = v_profile.stem || '_log'
     and f.proowner = v_owner and f.prosecdef;
  if not found then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('%s has no trigger %s_log of its owner''s', v_profile.relation, v_profile.stem),
      hint = 'select * from modelpack.doctor() says what is missing.';
  end if;
  -- keys are read with what the log has set
  v_settings := (select coalesce(string_agg(format(E'set %I to %L\n', c[1], c[2]), ''), '')
                   from unnest(v_log.settings) as s, regexp_match(s, '^([^=]+)=(.*)$') as c where lower(c[1]) <> 'search_path');
  select format(case when count(*) = 1 then '%s::text' else 'jsonb_build_array(%s)::text' end,
                string_agg(format('modelpack.key_value(p.%I)', k.name), ', ' order by k.place))
    into v_key
    from jsonb_array_elements_text(v_profile.declaration -> 'key') with ordinality as k (name, place);
  execute format($function$
create or replace function modelpack.%I(p anyelement, from_score double precision, from_version integer, is_new boolean) returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
%sas %s$function$, v_called || '_row', v_settings, modelpack.dollar(format($body$
begin
  perform modelpack.%I(%s, from_score, p.%I, from_version, p.%I, p.%I,
                       case when is_new then 'first' when from_score is null then 'return' when from_version is distinct from p.%I then 'version' else 'change' end);
end
$body$, v_score.stem || '_crossed', v_key, v_score.score, v_score.score || '_version', v_score.score || '_scored_at', v_score.score || '_version')));
  -- All that an event pays. Without WHEN, which each statement would parse anew, and without SET: every name is qualified
  execute format($function$
create or replace function modelpack.%I() returns trigger
language plpgsql volatile security definer
as %s$function$, v_called, modelpack.dollar(format($body$
begin
  if (pg_catalog.width_bucket(new.%1$I, %2$L::pg_catalog.float8[]) operator(pg_catalog.<>) pg_catalog.width_bucket(old.%1$I, %2$L::pg_catalog.float8[])) is not false then
    -- no score crosses nothing; a first one below all bounds neither, unless the row has crossed before in this transaction
    if new.%1$I is not null and (new.%1$I operator(pg_catalog.>=) %3$L::pg_catalog.float8 or old.%1$I is not null
                                 or pg_catalog.current_setting('modelpack.crossed', true) operator(pg_catalog.=) 'on') then
      perform modelpack.%4$I(new, old.%1$I, old.%5$I, tg_op operator(pg_catalog.=) 'INSERT');
    end if;
  end if;
  return null;
end
$body$, v_score.score, v_bounds, v_bounds[1], v_called || '_row', v_score.score || '_version')));
  foreach v_function in array array[format('%I()', v_called), format('%I(anyelement, double precision, integer, boolean)', v_called || '_row')] loop
    execute format('comment on function modelpack.%s is %L', v_function, format('The score %s has crossed a bound. [%s]', v_score.score, v_profile.stem));
    execute format('alter function modelpack.%s owner to %s', v_function, v_owner);
    execute format('revoke all on function modelpack.%s from public', v_function);
  end loop;
  execute format('drop trigger if exists %I on %s', v_name, v_profile.relation);
  execute format('create trigger %I after insert or update on %s for each row execute function modelpack.%I()', v_name, v_profile.relation, v_called);
  -- the doctor looks at them as at those of the declaration
  delete from modelpack.made as m
   where m.profile_id = crossing_table.profile and (m.kind = 'function' and m.object in (v_called, v_called || '_row') or m.kind = 'trigger' and m.object = v_name);
  insert into modelpack.made (profile_id, kind, object, relation, definition)
  select crossing_table.profile, 'function', f.proname::text, null, md5(f.prosrc)
    from pg_proc as f where f.pronamespace = 'modelpack'::regnamespace and f.proname in (v_called, v_called || '_row')
  union all
  select crossing_table.profile, 'trigger', t.tgname, t.tgrelid, t.tgtype || ' ' || f.proname
    from pg_trigger as t join pg_proc as f on f.oid = t.tgfoid
   where t.tgrelid = v_profile.relation and not t.tgisinternal and f.pronamespace = 'modelpack'::regnamespace and f.proname = v_called;
  -- at UPDATEs where a score may come to be another, and at no others
  perform modelpack.listen(v_profile.relation);
end
$modelpack$;
comment on function modelpack.crossing_table(integer, text) is
  'Gives a profile the triggers that see a score cross its bounds, as a superuser, at the end of the transaction that applies the declaration.';
revoke all on function modelpack.crossing_table(integer, text) from public;
