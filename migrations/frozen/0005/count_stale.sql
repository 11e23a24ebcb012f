create or replace function modelpack.count_stale() returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $modelpack$
#variable_conflict use_column
-- Rows are counted as the owner of their table, by a function of the declaration, and by an index of the stale ones where there is one.
declare
  v_profile record;
  v_counted jsonb;
begin
  for v_profile in
    select p.profile_id, p.name, p.stem,
           -- the one is as of the last ANALYZE, the other is lost in a crash
           (select nullif(greatest(sum(greatest(c.reltuples, 0)), sum(pg_stat_get_live_tuples(c.oid))), 0)::bigint from pg_partition_tree(p.relation) as t join pg_class as c on c.oid = t.relid where t.isleaf or c.relkind = 'r') as rows,
           (select sum(pg_relation_size(t.relid)) from pg_partition_tree(p.relation) as t where t.isleaf) as blocks
      from modelpack.profile as p
     where exists (select from pg_class as c where c.oid = p.relation)
       and exists (select from modelpack.score as s where s.profile_id = p.profile_id)
       and not exists (select from modelpack.stale_count as c
                        where c.profile = p.name and c.hour = date_trunc('hour', now()) and c.counted_at > now() - interval '5 minutes')
  loop
    v_counted := null;
    begin
      if to_regprocedure(format('modelpack.%I()', v_profile.stem || '_reasons')) is not null then
        execute format('select coalesce(jsonb_agg(to_jsonb(r)), ''[]'') from modelpack.%I() as r', v_profile.stem || '_reasons') into v_counted;
      end if;
    exception when undefined_table or undefined_column or undefined_function or insufficient_privilege then
      null;  -- modelpack.doctor() says what is missing
    end;
    insert into modelpack.stale_count (profile, score, hour, model, rows, stale, reasons, counted_at)
    select v_profile.name, s.score, date_trunc('hour', now()), s.model, case when v_profile.rows is not null or v_profile.blocks = 0 then greatest(v_profile.rows, r.stale, 0) end, case when v_counted is not null then coalesce(r.stale, 0) end,
           case when v_counted is not null then coalesce(r.reasons, '{}') end, clock_timestamp()
      from modelpack.score as s
      left join (select x.score, sum(x.rows)::bigint as stale, jsonb_object_agg(x.reason, x.rows) filter (where x.place <= 20) as reasons
                   from (select y.score, y.reason, y.rows, row_number() over (partition by y.score order by y.rows desc, y.reason) as place
                           from jsonb_to_recordset(v_counted) as y (score text, reason text, rows bigint)) as x
                  group by x.score) as r on r.score = s.score
     where s.profile_id = v_profile.profile_id
    on conflict (profile, score, hour) do update
      set model = excluded.model, rows = excluded.rows, stale = excluded.stale, reasons = excluded.reasons, counted_at = excluded.counted_at;
  end loop;
end
$modelpack$;
comment on function modelpack.count_stale() is
  'Counts rows of profiles without a fresh score, by reason, at most every five minutes; a step of modelpack.observe.';
revoke all on function modelpack.count_stale() from public;
