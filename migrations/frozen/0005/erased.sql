create or replace function modelpack.erased(profile regclass, entity_key text, keep_scores boolean default false) returns table (relation text, rows bigint)
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set extra_float_digits = 1
set datestyle = 'ISO, MDY'
set intervalstyle = postgres
set bytea_output = hex
set quote_all_identifiers = off
as $modelpack$
#variable_conflict use_column
declare
  v_profile constant modelpack.profile := modelpack.get_profile(profile);
  v_key constant record := modelpack.key_text(profile, entity_key);
  v_event record;
begin
  return query select t.relation, t.rows from modelpack.traces(profile, entity_key, keep_scores) as t;
  -- tables of the application: by the rights of who asks
  relation := v_profile.name;
  rows := null;
  if has_table_privilege(profile, 'select') and modelpack.plain(profile, array(select jsonb_array_elements_text(v_profile.declaration -> 'key'))) then
    -- a feature of a row without events is 0 or nothing; what makes JSON of a type of somebody's is his code
    execute format('select count(*) from %s as q where %s and (%s)', profile, v_key.condition,
                   (select coalesce(string_agg(format(case when modelpack.plain(profile, array[m.name])
                                                           then 'to_jsonb(q.%I) not in (''null'', ''0'', ''false'', ''""'', ''[]'', ''{}'', ''"00:00:00"'')'
                                                           else 'q.%I is not null' end, m.name), ' or '), 'false')
                      from unnest(v_profile.maintained) as m (name)))
       into rows;
  end if;
  if rows is distinct from 0 then
    return next;
  end if;
  for v_event in select e.* from modelpack.event_tables(profile) as e loop
    relation := v_event.name;
    rows := null;
    if v_event.relation is not null and has_table_privilege(v_event.relation, 'select') then
      execute format('select count(*) from %s as e where (%s) = (%s)', v_event.relation, v_event.key, v_key.literals) into rows;
    end if;
    if rows is distinct from 0 then
      return next;
    end if;
  end loop;
end
$modelpack$;
comment on function modelpack.erased(regclass, text, boolean) is
  'What is left of an entity: tables with rows of it, its row of the profile where a feature is not that of a new row, and its events. No row: nothing is left. rows is NULL where who asks may not look. keep_scores: what is left beside the evidence that modelpack.erase(keep_scores => true) leaves.';
revoke all on function modelpack.erased(regclass, text, boolean) from public;
grant execute on function modelpack.erased(regclass, text, boolean) to modelpack_monitor;
