create or replace function modelpack.examine_rows(caller name default null) returns table (status text, "check" text, found text, expected text, mend text)
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  p modelpack.profile;
  v_found record;
  v_rows text;
  v_sees boolean;
  v_told boolean;
  v_model record;
begin
  for p in
    select q.* from modelpack.profile as q join pg_class as c on c.oid = q.relation
     where case when has_schema_privilege(c.relnamespace, 'USAGE') then to_regclass(q.name) = q.relation else true end
       -- events are not held against another table that has the name
       and not exists (select from modelpack.misplaced(q.profile_id) as m where m.taken)
     order by q.name
  loop
    v_sees := caller is null or modelpack.sees(caller, p.relation);
    -- a publisher chooses which rows his model fails for
    v_told := v_sees or pg_has_role(caller, 'modelpack_monitor', 'member');
    begin
      -- whoever owns the table reads it: its policies and operators are none of ours
      for v_found in execute format('select * from modelpack.%I()', p.stem || '_examine') loop
        v_rows := case when v_told then format('%s%s', case when v_found.rows = 10000 then 'at least ' else '' end, v_found.rows)
                       else 'some, not counted here: that takes SELECT on the profile' end;
        select s.score, s.model, a.version as champion into v_model
          from modelpack.score as s left join modelpack.alias as a on a.model = s.model and a.alias = 'champion'
         where s.profile_id = p.profile_id and s.score = v_found.subject;
        case v_found.what
          when 'stale' then
            return query
            select 'warn', format('stale rows of %s', p.name), v_rows || case when v_told then ', such as: ' || v_found.example else '' end,
                   format('every %s is fresh', v_model.score),
                   -- without a champion nothing can be scored: the row of the model says how to get one
                   case when v_model.champion is null then format('first promote a version (see: champion of %s), then: ', v_model.model) else '' end
                   || format('call modelpack.rescore(%L, only_stale => true);', p.relation::text);
          when 'uncounted' then
            return query
            select 'warn', format('rows of %s that are not counted yet', p.name), v_rows,
                   'every row is counted: modelpack.backfill_progress shows whether a job is at it', format('call modelpack.backfill(%L);', p.relation::text);
          when 'behind' then
            return query
            select 'warn', format('rows of %s behind the champion', p.name), v_rows,
                   format('scored by version %s of %s', v_model.champion, v_model.model), format('call modelpack.rescore(%L);', p.relation::text);
          when 'ahead' then
            return query
            select 'warn', format('rows of %s ahead of the clock', p.name), v_rows,
                   'features as of the last change: the server''s clock was set back, or the rows come from a machine whose clock goes before',
                   format('call modelpack.refresh(%L, older_than => interval ''0 s'');', p.relation::text);
          when 'differ' then
            return query
            select 'fail', format('features of %s (a sample of %s)', p.name, v_found.subject), format('%s rows differ, in %s', v_found.rows, v_found.example),
                   'every feature is what its events say', format('call modelpack.rebuild(%L);', p.relation::text);
          when 'missing' then
            return query
            select 'fail', format('customers of %s (a sample of %s)', p.name, v_found.subject), format('%s have events and no profile', v_found.rows),
                   'a profile for every key of an event',
                   format('insert into %s (...) select distinct ... from %s on conflict do nothing; call modelpack.rebuild(%L);', p.relation, modelpack.qualified(v_found.subject), p.relation::text);
        end case;
      end loop;
    exception when undefined_table or undefined_column or undefined_function or insufficient_privilege then
      null;  -- what is missing has a row of its own
    when others then
      if v_sees then
        raise;
      end if;
      raise exception using errcode = sqlstate, message = format('the rows of %s cannot be read: %s', p.name, modelpack.why(sqlstate));
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
comment on function modelpack.examine_rows(name) is
  'Rows of all profiles, as a caller may know of them (NULL: all of it): stale, behind the champion, samples of features that differ from their events, bloat. No row: all is right.';
