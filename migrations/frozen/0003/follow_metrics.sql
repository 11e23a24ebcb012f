create or replace function modelpack.follow_metrics() returns trigger
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- A declaration is being recorded. For each metric of a score a function is made that measures entities over spans of time. It
-- belongs to the owner of the profile, as all that evaluates a user's expressions.
declare
  v_profile constant modelpack.profile := (select p from modelpack.profile as p where p.profile_id = new.profile_id);
  v_outcome constant jsonb := (select s.value -> 'outcome' from jsonb_array_elements(v_profile.declaration -> 'scores') as s where s.value ->> 'name' = new.score);
  v_keys constant text[] := array(select jsonb_array_elements_text(v_profile.declaration -> 'key'));
  v_path constant text := (select s.reset_val from pg_settings as s where s.name = 'search_path');
  v_columns text[];
  v_metric record;
begin
  -- what is known of the row whatever happened since
  select array_agg(a.attname order by a.attnum) into v_columns
    from pg_attribute as a
   where a.attrelid = v_profile.relation and a.attnum > 0 and not a.attisdropped
     and a.attname <> all (v_profile.maintained || v_profile.added_columns || array['features_at', 'features_read_at', 'features_reread_at'])
     and not exists (select from jsonb_array_elements(v_profile.declaration -> 'scores') as s, unnest(array['', '_version', '_scored_at', '_stale', '_arm']) as x (suffix)
                      where a.attname = (s.value ->> 'name') || x.suffix);
  for v_metric in
    select m.metric, m.sql, format('modelpack.%I', new.stem || '_metric_' || m.place) as name from modelpack.outcome_metrics(v_outcome) as m where m.sql is not null
  loop
    execute format($sql$
create or replace function %s(keys text[], "from" timestamptz[], upto timestamptz[]) returns table (place bigint, value double precision)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set extra_float_digits = 1
as %s$sql$, v_metric.name, modelpack.dollar(format($body$
#variable_conflict use_column
begin
  return query
  select t.place, %s
    from unnest(keys, "from", upto) with ordinality as t (key, at, until, place)
   cross join lateral jsonb_to_record(jsonb_build_object(%s)) as k (%s)
    join (select %s from %s as q) as p on %s;
end
$body$, modelpack.resolve_outcome(v_profile.relation, v_columns, v_metric.sql, v_path),
        (select string_agg(format('%L, t.key%s', 'k' || k.place, case when cardinality(v_keys) > 1 then format('::jsonb -> %s', k.place - 1) end), ', ' order by k.place)
           from unnest(v_keys) with ordinality as k (name, place)),
        (select string_agg(format('k%s %s', k.place, (select format_type(a.atttypid, a.atttypmod) from pg_attribute as a
                                                       where a.attrelid = v_profile.relation and a.attname = k.name)), ', ' order by k.place)
           from unnest(v_keys) with ordinality as k (name, place)),
        (select string_agg(format('q.%I', c.name), ', ' order by c.place) from unnest(v_columns) with ordinality as c (name, place)),
        v_profile.relation,
        (select string_agg(format('p.%I = k.k%s', k.name, k.place), ' and ' order by k.place) from unnest(v_keys) with ordinality as k (name, place)))));
    execute format('revoke all on function %s(text[], timestamptz[], timestamptz[]) from public', v_metric.name);
    execute format('comment on function %s(text[], timestamptz[], timestamptz[]) is %L', v_metric.name,
                   format('The metric %s of the score %s for some keys, each over a span of time. [%s]', v_metric.metric, new.score, v_profile.stem));
  end loop;
  return null;
end
$modelpack$;
comment on function modelpack.follow_metrics() is 'Trigger: makes the functions that measure the metrics of a score, where its declaration has any.';
revoke all on function modelpack.follow_metrics() from public;
drop trigger if exists follow_metrics on modelpack.score;
create trigger follow_metrics after insert on modelpack.score for each row execute function modelpack.follow_metrics();
comment on trigger follow_metrics on modelpack.score is 'makes the functions of metrics';
