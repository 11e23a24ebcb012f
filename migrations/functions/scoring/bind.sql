create or replace function modelpack.bind(relation regclass, tried_model text default null, tried_version integer default null) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $modelpack$
-- Writes the functions that say which versions are champions, what they are fed from a row, and what they give. All else that
-- runs on a profile calls these and stays as it is. What packs a row is plain SQL, which the planner writes into its
-- caller and which so runs as the table's owner; what runs the model or writes the log takes built-in types only.
declare
  v_profile modelpack.profile;
  v_score record;
  v_feed record;
  v_other record;
  v_numbers text;
  v_texts text;
  v_ids text;
  v_calls text;
  v_columns text[] := '{}';
  v_batched boolean := true;
  v_switch text;
  v_switches text[] := '{}';
  v_fields constant text := 'scored_at, profile, entity_key, score, model, version, prediction, inputs, text_inputs';
  v_row constant text := 'p anyelement, "the moment" timestamptz, version integer';
  v_asks constant text := $runs$plpgsql stable security definer
set search_path = pg_catalog, pg_temp
$runs$;
  v_runs constant text := $runs$plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
$runs$;
begin
  v_profile := modelpack.hold_profile(bind.relation);
  if v_profile.profile_id is null then
    return;  -- it was taken off while a promotion waited for it
  end if;
  delete from modelpack.made as m
   where m.profile_id = v_profile.profile_id and m.kind = 'seam'
     -- those of modelpack.shape, which whoever alters the table beside an open promotion has to be able to write
     and m.object <> v_profile.stem || '_shaped' and m.object !~ (v_profile.stem || '_with(_[0-9]+)?$');
  perform modelpack.put_function(v_profile, v_profile.stem || '_since', '', 'timestamptz', 'sql stable security invoker',
    format('select %L::timestamptz', case when isfinite(v_profile.since) then to_char(v_profile.since at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00')
                                          else '-infinity' end),
    format('Rows of %s that were last read from the events before are not counted yet.', v_profile.name));
  perform modelpack.put_function(v_profile, v_profile.stem || '_seen', '', 'void', v_asks, format($seen$
begin
  if not exists (select from modelpack.profile as p where p.profile_id = %s and p.since = modelpack.%I()) then
    raise exception using
      errcode = 'serialization_failure',
      message = %L,
      detail = 'Its snapshot may miss events that came before the triggers.',
      hint = 'Run the transaction again.';
  end if;
end
$seen$, v_profile.profile_id, v_profile.stem || '_since',
      format('could not serialize access: the transaction began before the declaration of %s was applied', v_profile.name)),
    format('Refuses a transaction whose snapshot is older than the triggers of %s.', v_profile.name));
  for v_score in
    select s.*, a.version, v.version_id
      from modelpack.score as s
      left join modelpack.alias as a on a.model = s.model and a.alias = 'champion'
      left join modelpack.version as v on v.model = a.model and v.version = a.version
     where s.profile_id = v_profile.profile_id
     order by s.position
  loop
    v_numbers := null;
    v_texts := null;
    v_ids := null;
    v_calls := null;
    if v_score.version is not null then
      v_feed := modelpack.feed(v_profile.profile_id, v_score.score, v_score.version);
      v_columns := v_columns || v_feed.columns;
      v_numbers := format(E'when %s then %s', v_score.version, v_feed.numbers);
      v_texts := case when v_feed.takes_texts then format(E'when %s then %s', v_score.version, v_feed.texts) end;
      v_ids := format('when %s then %s', v_score.version, v_score.version_id);
      v_calls := format(E'\n                 when %s then modelpack.%%1$s(%s, numbers, texts)', v_score.version, v_score.version_id);
    else
      v_batched := false;
    end if;
    for v_other in
      select v.version, v.version_id, v.version = any (v_score.versions) as chosen
        from modelpack.version as v
       where v.model = v_score.model and v.version is distinct from v_score.version
         and (v.version = any (v_score.versions)
              -- a statement that began before a promotion may still have to do with the version before
              or v.version = case when v_score.model = bind.tried_model then bind.tried_version
                                  else (select h.previous from modelpack.promotion as h
                                         where h.model = v_score.model and h.alias = 'champion' order by h.promotion_id desc limit 1) end)
       order by v.version
    loop
      begin
        v_feed := modelpack.feed(v_profile.profile_id, v_score.score, v_other.version);
        v_numbers := v_numbers || format(E'\n       when %s then %s', v_other.version, v_feed.numbers);
        v_texts := nullif(concat_ws(E'\n       ', v_texts, case when v_feed.takes_texts then format('when %s then %s', v_other.version, v_feed.texts) end), '');
        v_ids := v_ids || format(' when %s then %s', v_other.version, v_other.version_id);
        v_calls := v_calls || format(E'\n                 when %s then modelpack.%%1$s(%s, numbers, texts)', v_other.version, v_other.version_id);
        if v_other.chosen then
          v_columns := v_columns || v_feed.columns;
        end if;
      exception when datatype_mismatch then
        if v_other.chosen then
          raise;
        end if;  -- the profile cannot feed the version before any more, so that scores nothing here
      end;
    end loop;
    v_switch := v_score.stem || '_enabled';
    v_switches := v_switches || format('modelpack.%I(v_nothing)', v_switch);
    if not exists (select from modelpack.made as m
                    where m.profile_id = v_profile.profile_id and m.kind = 'switch' and m.object = v_switch) then
      -- see modelpack.switch; modelpack.seal looks again, when it holds the model
      perform modelpack.put_function(v_profile, v_switch, 'nothing boolean', 'boolean',
        'sql stable security invoker' || case when exists (select from modelpack.model as m
                                                            where m.model = v_score.model and m.disabled is not null) then ' strict' else '' end,
        'select nothing is null',
        format('Whether the score %s may be given, asked with NULL: true, or NULL once modelpack.disable has made it STRICT. No promotion changes it.', v_score.score),
        'switch');
    end if;
    -- asked with a variable, since what is folded into a plan is not looked at again
    v_ids := case when v_ids is null then 'null' else format('case when modelpack.%I(v_nothing) then case version %s end end', v_switch, v_ids) end;
    v_calls := case when v_calls is null then 'null'
                    else replace(format('case when numbers is not null and modelpack.%I(v_nothing) then case version', v_switch), '%', '%%') || v_calls || E'\n               end end' end;
    perform modelpack.put_function(v_profile, v_score.stem || '_version', '', 'integer', 'sql stable security invoker',
      format('select %s::integer', coalesce(v_score.version::text, 'null')),
      format('The champion of %s, for the score %s.', v_score.model, v_score.score));
    perform modelpack.put_function(v_profile, v_score.stem || '_chosen', 'p anyelement', 'integer', 'sql stable security invoker',
      format('select (%s)::integer', coalesce(v_score.choice, 'null')),
      format('The version of %s that is chosen for a row, for the score %s; NULL: the champion.', v_score.model, v_score.score));
    perform modelpack.put_function(v_profile, v_score.stem || '_numbers', v_row, 'double precision[]', 'sql stable security invoker',
      coalesce(E'select case version\n       ' || v_numbers || E'\n       end', 'select null::double precision[]'),
      format('The numbers that a version of %s is fed from a profile row.', v_score.model));
    perform modelpack.put_function(v_profile, v_score.stem || '_texts', v_row, 'text[]', 'sql stable security invoker',
      coalesce(E'select case version\n       ' || v_texts || E'\n       end', 'select null::text[]'),
      format('The texts that a version of %s is fed from a profile row.', v_score.model));
    perform modelpack.put_function(v_profile, v_score.stem || '_predict',
      'version integer, numbers double precision[], texts text[], entity_key text, moment timestamptz, logged boolean',
      'double precision', v_runs, format($predict$
#variable_conflict use_variable
declare
  v_nothing boolean;
  v_started constant timestamptz := clock_timestamp();
  v_score double precision;
  v_microseconds integer;
begin
  -- the first call of a session, when nobody knows yet whether the server has PL/Python, is made more carefully
  if current_setting('modelpack.plpython', true) = 'loaded' then
    v_score := %s;
  else
    v_score := %s;
  end if;
  if v_score is not null and logged then
    -- the clock may have been set, either way, while the model ran; in the query it would be prepared for each event
    v_microseconds := greatest(0, least(date_part('epoch', clock_timestamp() - v_started) * 1000000, 2147483647));
    insert into modelpack.prediction
           (%s, microseconds)
    values (moment, %L, entity_key, %L, %L, version, v_score, numbers, texts, v_microseconds);
  end if;
  return v_score;
end
$predict$, format(v_calls, 'score'), format(v_calls, 'score_first'), v_fields, v_profile.name, v_score.score, v_score.model),
      format('The score %s of packed inputs, by the champion of %s (or the one before, for a statement that began with it), and its row in the log.',
             v_score.score, v_score.model));
    perform modelpack.put_function(v_profile, v_score.stem || '_many', 'version integer, numbers bytea, texts text[]', 'double precision[]', v_runs,
      format($many$
declare
  v_nothing boolean;
  v_id constant integer := %s;
  v_scores double precision[] := '{}';
begin
  if v_id is null then
    return v_scores;
  end if;
  if current_setting('modelpack.plpython', true) = 'loaded' then
    return modelpack.score_many(v_id, numbers, texts)::double precision[];
  end if;
  -- a server whose PL/Python library is missing costs rows their scores, not events
  begin
    v_scores := modelpack.score_many(v_id, numbers, texts)::double precision[];
    perform set_config('modelpack.plpython', 'loaded', false);
  exception when undefined_file then
    if sqlerrm not like '%%plpython%%' then
      raise;
    end if;
  end;
  return v_scores;
end
$many$, v_ids),
      format('The scores %s of many rows, by the champion of %s; NaN where a row has to be scored by itself.', v_score.score, v_score.model));
    perform modelpack.put_function(v_profile, v_score.stem || '_record', 'version integer, moment timestamptz, scored modelpack.scored[]',
      'bigint', v_runs, format($record$
#variable_conflict use_variable
declare
  v_rows bigint;
begin
  insert into modelpack.prediction
         (%s)
  select moment, %L, r.entity_key, %L, %L, version, r.prediction, coalesce(r.inputs, '{}'), r.text_inputs
    from unnest(scored) as r;
  get diagnostics v_rows = row_count;
  return v_rows;
end
$record$, v_fields, v_profile.name, v_score.score, v_score.model),
      format('Writes rows of the prediction log for the score %s.', v_score.score));
    perform modelpack.put_function(v_profile, v_score.stem || '_reason', 'version integer, failure text', 'text', v_runs,
      format(E'\nbegin\n  return modelpack.no_score(%s, %L, version, failure);\nend\n', v_profile.profile_id, v_score.score),
      format('Why there is no score %s.', v_score.score));
    -- what a batch writes in the same statement, it would be fed as it was
    v_batched := v_batched and v_score.choice is null and not v_columns && (
      select array_agg(o.score || w.suffix) || '{features_at,features_read_at,features_reread_at}'
        from modelpack.score as o cross join (values (''), ('_version'), ('_scored_at'), ('_stale')) as w (suffix)
       where o.profile_id = v_profile.profile_id);
  end loop;

  if v_profile.declaration -> 'scores' <> '[]' then
    perform modelpack.shape(v_profile);
    perform modelpack.put_function(v_profile, v_profile.stem || '_same', 'p anyelement, q anyelement', 'boolean', 'sql stable security invoker',
      (select coalesce(format('select row(%s)::pg_catalog.record operator(pg_catalog.*=) row(%s)::pg_catalog.record',
                              string_agg(format('p.%I', c.name), ', ' order by c.name), string_agg(format('q.%I', c.name), ', ' order by c.name)),
                       'select true')
         from (select distinct u.name from unnest(v_columns) as u (name) where u.name <> all (v_profile.maintained)) as c),
      format('Whether two rows of %s agree in what champions read, beside the columns that events keep.', v_profile.name));
    -- runs as modelpack_owner: whoever may execute a switch could hold its row in pg_proc by a GRANT, and so whoever disables
    perform modelpack.put_function(v_profile, v_profile.stem || '_batched', '', 'boolean',
      v_asks,
      format(E'\ndeclare\n  v_nothing boolean;\nbegin\n  return coalesce(%s, false);\nend\n',
             array_to_string(v_batched::text || v_switches, ' and ')),
      format('Whether champions score many rows of %s in one call.', v_profile.name));
  end if;
  if v_profile.declaration -> 'events' <> '[]' then
    perform modelpack.put_function(v_profile, v_profile.stem || '_meet', 'keys text[]', 'void', v_runs, format($meet$
begin
  insert into modelpack.ignored (profile, entity_key)
  select %L, k.key from unnest(keys) with ordinality as k (key, place) order by k.place
  on conflict (profile, entity_key) do update set entity_key = excluded.entity_key;
end
$meet$, v_profile.name),
      format('Locks keys without a profile of %s, for who makes one and who brings events that are ignored or takes events.', v_profile.name));
  end if;
  -- a version may read columns that none read before
  if exists (select from modelpack.heard(v_profile.relation) as h where not h.fits) then
    perform modelpack.do_soon(format('select modelpack.listen_for(%s, false)', v_profile.relation::oid), format('the table %s', v_profile.relation),
                              'pg_class', v_profile.relation, array[v_profile.relation]);
  end if;
end
$modelpack$;
comment on function modelpack.bind(regclass, text, integer) is
  'Writes the functions that name the versions that are champions now. Attaching, promoting and rolling back call it. The switches of scores are made here and then left alone: see modelpack.switch. tried_model, tried_version: a version that is fed in the place of the champion before, for modelpack.unseen(), which takes it back.';
