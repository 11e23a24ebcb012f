create or replace function modelpack.examine_rows() returns table (status text, "check" text, found text, expected text, mend text)
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  p modelpack.profile;
  v_score record;
  v_event jsonb;
  v_rows bigint;
  v_text text;
  v_keys text[];
begin
  for p in
    select q.* from modelpack.profile as q join pg_class as c on c.oid = q.relation
     where case when has_schema_privilege(c.relnamespace, 'USAGE') then to_regclass(q.name) = q.relation end
     order by q.name
  loop
    begin
      for v_score in
        select s.*, a.version as champion from modelpack.score as s
          left join modelpack.alias as a on a.model = s.model and a.alias = 'champion'
         where s.profile_id = p.profile_id order by s.position
      loop
        execute format('select count(*), min(r) from (select %1$I as r from %2$s where %1$I is not null limit 10000) as x',
                       v_score.score || '_stale', p.relation) into v_rows, v_text;
        return query
        select 'warn', format('stale rows of %s', p.name),
               format('%s%s, such as: %s', case when v_rows = 10000 then 'at least ' else '' end, v_rows, v_text),
               format('every %s is fresh', v_score.score),
               -- without a champion nothing can be scored: the row of the model says how to get one
               case when v_score.champion is null then format('first promote a version (see: champion of %s), then: ', v_score.model) else '' end
               || format('call modelpack.rescore(%L, only_stale => true);', p.relation::text)
         where v_rows > 0;
        execute format('select count(*) from (select from %s where %I is distinct from $1 and %I is null and $1 is not null limit 10000) as x',
                       p.relation, v_score.score || '_version', v_score.score || '_stale')
           into v_rows using v_score.champion;
        return query
        select 'warn', format('rows of %s behind the champion', p.name),
               format('%s%s', case when v_rows = 10000 then 'at least ' else '' end, v_rows),
               format('scored by version %s of %s', v_score.champion, v_score.model), format('call modelpack.rescore(%L);', p.relation::text)
         where v_rows > 0;
      end loop;
      execute format('select count(*) from (select from %s where features_at > clock_timestamp() + interval ''1 minute'' limit 10000) as x', p.relation) into v_rows;
      return query
      select 'warn', format('rows of %s ahead of the clock', p.name), format('%s%s', case when v_rows = 10000 then 'at least ' else '' end, v_rows),
             'features as of the last change: the server''s clock was set back, or the rows come from a machine whose clock goes before',
             format('call modelpack.refresh(%L, older_than => interval ''0 s'');', p.relation::text)
       where v_rows > 0;
      -- a sample of events, read as they lie; a load with triggers switched off shows here
      for v_event in select e from jsonb_array_elements(p.declaration -> 'events') as e loop
        execute format(
          'select array_agg(distinct case when jsonb_array_length(k) = 1 then k ->> 0 else k::text end) from (select jsonb_build_array(%s) as k from %s as e tablesample system ($1) limit 200) as x',
          (select string_agg(format('e.%I', k), ', ') from jsonb_array_elements_text(coalesce(nullif(v_event -> 'key', 'null'), p.declaration -> 'key')) as k),
          modelpack.qualified(v_event ->> 'table'))
          into v_keys using (select case when pg_relation_size(c.oid) < 1000000 then 100
                                         else greatest(0.01, 100.0 * 1000000 / pg_relation_size(c.oid)) end
                               from pg_class as c where c.oid = modelpack.qualified(v_event ->> 'table')::regclass);
        select count(distinct d.entity_key), string_agg(distinct d.feature, ', ')
          into v_rows, v_text from modelpack.verify(p.relation, v_keys) as d;
        return query
        select 'fail', format('features of %s (a sample of %s)', p.name, v_event ->> 'table'), format('%s rows differ, in %s', v_rows, v_text),
               'every feature is what its events say', format('call modelpack.rebuild(%L);', p.relation::text)
         where v_rows > 0;
        execute format('select count(*) from unnest($1) as k where k is not null and not exists (select from %s as n where %s = k)', p.relation, replace(p.entity_key, '$row$', 'n'))
           into v_rows using v_keys;
        return query
        select 'fail', format('customers of %s (a sample of %s)', p.name, v_event ->> 'table'), format('%s have events and no profile', v_rows),
               'a profile for every key of an event', format('insert into %s (…) select distinct … from %s on conflict do nothing; call modelpack.rebuild(%L);', p.relation, v_event ->> 'table', p.relation::text)
         where v_rows > 0 and v_event ->> 'missing' = 'create' and v_event ->> 'where' is null;
      end loop;
    exception when undefined_table or undefined_column or undefined_function or insufficient_privilege then
      null;  -- what is missing has a row of its own
    end;
    return query
    select 'warn', format('heap-only updates of %s', p.name), format('%s %% of %s updates, fillfactor %s', round(100.0 * t.n_tup_hot_upd / t.n_tup_upd), t.n_tup_upd, f.factor),
           'at least 80 %: an update finds room on the page of its row and no index grows',
           format('alter table %s set (fillfactor = %s); pages get that room as rows move to new ones; at once only by vacuum full %1$s; '
                  'whose ACCESS EXCLUSIVE lock keeps everybody off the table while it is rewritten', p.relation, least(f.factor, 90) - 10)
      from pg_stat_user_tables as t
      join pg_class as c on c.oid = t.relid
     cross join lateral (select coalesce((select o.option_value::integer from pg_options_to_table(c.reloptions) as o where o.option_name = 'fillfactor'), 100) as factor) as f
     -- a backfill or a rescore of all rows is no sign of how single rows will fare
     where t.relid = p.relation and t.n_tup_upd >= greatest(1000, 5 * t.n_live_tup) and t.n_tup_hot_upd < 0.8 * t.n_tup_upd;
    return query
    select 'warn', format('dead rows of %s', p.name), format('%s dead, %s live', t.n_dead_tup, t.n_live_tup), 'fewer dead than a fifth of the live rows',
           format('vacuum %s;', p.relation)
      from pg_stat_user_tables as t
     where t.relid = p.relation and t.n_dead_tup > 1000 + 0.2 * t.n_live_tup;
  end loop;
end
$modelpack$;
comment on function modelpack.examine_rows() is
  'Rows of all profiles: stale, behind the champion, samples of features that differ from their events, bloat. No row: all is right.';
