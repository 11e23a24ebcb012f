create or replace function modelpack.traces(profile regclass, entity_key text, keep_scores boolean) returns table (relation text, rows bigint)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
-- as in modelpack.erase_entity
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
set max_parallel_workers_per_gather = 0
as $modelpack$
#variable_conflict use_column
declare
  v_profile constant modelpack.profile := modelpack.get_profile(profile);
  v_key constant record := modelpack.key_text(profile, entity_key);
  v_table record;
begin
  for v_table in
    select p.*, t.condition from modelpack.personal as p cross join modelpack.traced(p) as t
     where t.condition is not null and not (keep_scores and p.with_scores = 'keep')
     order by p.place, p.relation
  loop
    execute format('select count(*) from modelpack.%I as t where %s%s', v_table.relation, v_table.condition,
                   (select format(' and (%s)', string_agg(format('t.%I is distinct from %L', e.key, e.value), ' or ' order by e.key))
                      from jsonb_each_text(v_table.emptied) as e where keep_scores and v_table.with_scores = 'empty' having count(*) > 0))
       into rows
      using v_profile.name, case when v_table.hashed then v_key.hash else v_key.key end;
    relation := format('modelpack.%I', v_table.relation);
    if rows > 0 then
      return next;
    end if;
  end loop;
  -- hashes in samples of roll-ups
  if to_regclass('modelpack.rollup') is not null then
    execute 'select count(*) from modelpack.rollup as r join modelpack.watched as w using (watched_id) where w.profile = $1 and hashtextextended($2, 0) = any (r.entity_hashes)'
       into rows using v_profile.name, v_key.key;
    relation := 'modelpack.rollup';
    if rows > 0 then
      return next;
    end if;
  end if;
end
$modelpack$;
comment on function modelpack.traces(regclass, text, boolean) is
  'Rows of an entity that tables of the schema hold; with keep_scores those that hold more than modelpack.erase(keep_scores => true) leaves. A part of modelpack.erased.';
revoke all on function modelpack.traces(regclass, text, boolean) from public;
grant execute on function modelpack.traces(regclass, text, boolean) to modelpack_monitor;
