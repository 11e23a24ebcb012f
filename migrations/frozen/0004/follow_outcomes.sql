create or replace function modelpack.follow_outcomes() returns trigger
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- A declaration is being recorded. If a score of it has an outcome, the functions that write down and judge its scores are
-- made beside the others, so that attaching gives them to the owner of the profile, and detaching drops them.
declare
  v_profile constant modelpack.profile := (select p from modelpack.profile as p where p.profile_id = new.profile_id);
  v_outcome constant jsonb := (select s.value -> 'outcome' from jsonb_array_elements(v_profile.declaration -> 'scores') as s where s.value ->> 'name' = new.score);
  v_keys constant text[] := array(select jsonb_array_elements_text(v_profile.declaration -> 'key'));
  -- what is known of the row whatever happened since
  v_columns constant text[] := array(
    select a.attname from pg_attribute as a
     where a.attrelid = v_profile.relation and a.attnum > 0 and not a.attisdropped
       and a.attname <> all (v_profile.maintained || v_profile.added_columns || array['features_at', 'features_read_at', 'features_reread_at'])
       and not exists (select from jsonb_array_elements(v_profile.declaration -> 'scores') as s, unnest(array['', '_version', '_scored_at', '_stale']) as x (suffix)
                        where a.attname = (s.value ->> 'name') || x.suffix)
     order by a.attnum);
  v_key constant text := (select format(case when count(*) = 1 then '%s::text' else 'jsonb_build_array(%s)::text' end,
                                        string_agg(format('modelpack.key_value(p.%I)', k.name), ', ' order by k.place))
                            from unnest(v_keys) with ordinality as k (name, place));
  -- functions have a search_path of their own: this is the one that the session began with
  v_path constant text := (select s.reset_val from pg_settings as s where s.name = 'search_path');
  v_segments text;
  v_item record;
begin
  if v_outcome is null then
    return null;
  end if;
  select coalesce(string_agg(format('%L, p.%I::text', s.name, s.name), ', ' order by s.place), '') into v_segments
    from jsonb_array_elements_text(v_outcome -> 'segments') with ordinality as s (name, place);
  for v_item in
    select '_standing' as name, '(first_block bigint, last_block bigint, share integer)' as arguments, '(bigint, bigint, integer)' as types,
           'table (entity_key text, prediction double precision, version integer, scored_at timestamptz, stale boolean, segments jsonb)' as returns,
           -- the same entities in every cohort
           format($sql$
begin
  return query
  select %s, p.%I::double precision, p.%I, p.%I, p.%I is not null, jsonb_build_object(%s)
    from %s as p
   where p.ctid >= format('(%%s,0)', first_block)::tid
     and p.ctid < format('(%%s,0)', coalesce(last_block + 1, 4294967295))::tid
     and abs(hash_record_extended(row(%s), 0) %% 10000) < share
     and p.%I is not null and p.%I is not null;
end
$sql$, v_key, new.score, new.score || '_version', new.score || '_scored_at', new.score || '_stale', v_segments, v_profile.relation,
       (select string_agg(format('p.%I', k.name), ', ' order by k.place) from unnest(v_keys) with ordinality as k (name, place)),
       new.score, new.score || '_version') as body,
           format('Scores of %s that stand in a range of blocks, for modelpack.take_cohort().', new.score) as purpose
    union all
    select '_truth', '(keys text[], "at" timestamptz, until timestamptz)', '(text[], timestamptz, timestamptz)',
           'table (entity_key text, value double precision)',
           format($sql$
begin
  return query
  select %s, %s
    from (select %s from %s as q) as p
    join jsonb_to_recordset((select jsonb_agg(jsonb_build_object(%s)) from unnest(keys) as u (key))) as k (%s)
      on %s
   cross join (values ("at", until)) as t (at, until);
end
$sql$, v_key, modelpack.resolve_outcome(v_profile.relation, v_columns, v_outcome ->> 'sql', v_path),
       (select string_agg(format('q.%I', c.name), ', ' order by c.place) from unnest(v_columns) with ordinality as c (name, place)),
       v_profile.relation,
       (select string_agg(format('%L, u.key%s', 'k' || k.place, case when cardinality(v_keys) > 1 then format('::jsonb -> %s', k.place - 1) end), ', ' order by k.place)
          from unnest(v_keys) with ordinality as k (name, place)),
       (select string_agg(format('k%s %s', k.place, (select format_type(a.atttypid, a.atttypmod) from pg_attribute as a
                                                      where a.attrelid = v_profile.relation and a.attname = k.name)), ', ' order by k.place)
          from unnest(v_keys) with ordinality as k (name, place)),
       (select string_agg(format('p.%I = k.k%s', k.name, k.place), ' and ' order by k.place) from unnest(v_keys) with ordinality as k (name, place))),
           format('What came of the score %s for some keys, for modelpack.settle().', new.score)
     where v_outcome ->> 'sql' is not null
  loop
    -- every column is named with its table: a profile may have columns called share or keys, too
    execute format($sql$
create or replace function modelpack.%I%s returns %s
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set extra_float_digits = 1
as %s$sql$,
      new.stem || v_item.name, v_item.arguments, v_item.returns, modelpack.dollar(E'\n#variable_conflict use_variable' || v_item.body));
    execute format('revoke all on function modelpack.%I%s from public', new.stem || v_item.name, v_item.types);
    execute format('comment on function modelpack.%I%s is %L', new.stem || v_item.name, v_item.types, format('%s [%s]', v_item.purpose, v_profile.stem));
  end loop;
  return null;
end
$modelpack$;
comment on function modelpack.follow_outcomes() is 'Trigger: makes the functions that write down and judge the scores of a declaration, where it has outcomes.';
revoke all on function modelpack.follow_outcomes() from public;
drop trigger if exists follow_outcomes on modelpack.score;
create trigger follow_outcomes after insert on modelpack.score for each row execute function modelpack.follow_outcomes();
comment on trigger follow_outcomes on modelpack.score is 'makes the functions of outcomes';
