create or replace function modelpack.bind(relation text) returns void
language plpgsql security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Fills the live versions into the score and log functions of a profile and replaces them. SCORE logs what an
-- UPDATE scores; an INSERT is logged by a trigger of its own when the row is known to stay.
declare
  v_profile modelpack.profile;
  v_score record;
  v_feed record;
  v_numbers text;
  v_texts text;
  v_blocks text := '';
  v_columns text[] := '{}';
  v_logs text := '';
  -- what scores many rows at a time, where every score can be had so
  v_batch boolean := true;
  v_inputs text[] := '{}';
  v_calls text[] := '{}';
  v_sets text[] := '{}';
  v_scored text[] := '{}';
  v_returned text[] := '{}';
  v_batch_logs text := '';
  v_template text;
  v_statics text;
  v_unchanged text;
  -- what the text of a key depends on, if it is a time, an interval or bytes; others would only pay for the clauses
  v_header constant text := 'language plpgsql security definer';
  v_pinned text;
  -- what happens to a score that cannot be had, by score.on_error
  v_stale constant text := $stale$new.@score@_stale := v_failure;  -- the last score stands, with its version and time
  if current_setting('modelpack.plpython', true) = 'loaded' then
    perform modelpack.record_failure(@version_id@, @profile@, v_failure);
  end if;$stale$;
  -- the first call of a session, when nobody knows yet whether the server has PL/Python, is made more carefully
  v_run constant text := $run$if current_setting('modelpack.plpython', true) = 'loaded' then
  v_score := modelpack.score(@version_id@, v_numbers, @packed@);
else
  select f.score, f.failure into v_score, v_failure from modelpack.score_first(@version_id@, v_numbers, @packed@) as f;
end if;$run$;
  v_gone constant text := $gone$
  -- and is taken away: on_error = "null"
  new.@score@ := null;
  new.@score@_version := null;
  new.@score@_scored_at := null;
$gone$;
  v_raise constant text := $raise$raise exception using
    errcode = 'data_exception',
    message = '@model@ version @version@ gives no score for a row of ' || @profile@ || ': ' || v_failure,
    hint = 'The score is declared with on_error="raise": nothing is written without it.';$raise$;
begin
  select * into strict v_profile from modelpack.profile as p where p.relation = bind.relation::regclass for update;
  select v_header || coalesce(max(E'\nset datestyle = ''ISO, MDY''\nset intervalstyle = postgres\nset bytea_output = hex'), '')
    into v_pinned
    from pg_attribute as a join pg_type as t on t.oid = a.atttypid
   where a.attrelid = v_profile.relation and v_profile.declaration -> 'key' ? a.attname
     and (t.typcategory in ('D', 'T') or 'bytea'::regtype in (t.oid, t.typbasetype));
  for v_score in
    select s.*, a.version, v.version_id, m.disabled,
           (select h.previous from modelpack.promotion as h
             where h.model = s.model and h.alias = 'champion' order by h.promotion_id desc limit 1) as before
      from modelpack.score as s
      left join modelpack.model as m on m.model = s.model
      left join modelpack.alias as a on a.model = s.model and a.alias = 'champion'
      left join modelpack.version as v on v.model = a.model and v.version = a.version
     where s.profile_id = v_profile.profile_id
     order by s.position
  loop
    if v_score.disabled is not null then
      v_blocks := v_blocks || modelpack.fill($block$
-- score @score@: the model @model@ is disabled
new.@score@_stale := @reason@;@gone@$block$,
        'gone', case when v_score.on_error = 'null' then v_gone else '' end,
        'score', v_score.score, 'model', v_score.model, 'reason', quote_literal('disabled: ' || v_score.disabled));
      v_batch := false;
      continue;
    elsif v_score.version is null then
      v_blocks := v_blocks || modelpack.fill($block$
-- score @score@
new.@score@_stale := 'no version of the model @model@ has been promoted';$block$,
        'score', v_score.score, 'model', v_score.model);
      v_batch := false;
      continue;
    end if;
    v_feed := modelpack.feed(v_profile.profile_id, v_score.score, v_score.version);
    v_columns := v_columns || v_feed.columns;
    v_blocks := v_blocks || modelpack.fill($block$
-- score @score@: model @model@, version @version@
v_started := clock_timestamp();
@call@
if v_score is null then
  if current_setting('modelpack.plpython', true) = 'loaded' then
    v_failure := @why@;
  end if;
  @failed@
else
  new.@score@ := v_score;
  new.@score@_version := @version@;
  new.@score@_scored_at := v_moment;
  new.@score@_stale := null;
  if tg_op = 'UPDATE' then
    -- the clock may have been set, either way, while the model ran
    v_microseconds := greatest(0, least(date_part('epoch', clock_timestamp() - v_started) * 1000000, 2147483647));
    insert into modelpack.prediction
           (scored_at, profile, entity_key, score, model, version, prediction, inputs, text_inputs, microseconds)
    values (v_moment, @profile@, @key@, @quoted@, '@model@', @version@, v_score, v_numbers, @packed@, v_microseconds);
  end if;
end if;$block$,
      'call', case when v_feed.may_fail then $call$v_failure := null;
v_score := null;
begin  -- an input that a row makes impossible (a division by zero) costs that row its score, not the event
  v_numbers := @numbers@;
  v_texts := @texts@;
exception when data_exception then
  v_failure := 'an input cannot be computed: ' || modelpack.why(sqlstate);
end;
if v_failure is null then
  @run@
end if;$call$
              when v_feed.texts = 'null::text[]' then 'v_numbers := @numbers@;
@run@'
              else 'v_numbers := @numbers@;
v_texts := @texts@;
@run@' end,
      'run', case when v_feed.may_fail then replace(v_run, E'\n', E'\n  ') else v_run end,
      'why', case when v_feed.may_fail then 'coalesce(v_failure, modelpack.failure())' else 'modelpack.failure()' end,
      'packed', case when v_feed.texts = 'null::text[]' then 'null' else 'v_texts' end,
      'key', v_profile.entity_key, 'quoted', quote_literal(v_score.score),
      'failed', case v_score.on_error when 'stale' then v_stale when 'null' then v_stale || v_gone else v_raise end,
      'profile', quote_literal(v_profile.name), 'numbers', v_feed.numbers, 'texts', v_feed.texts,
      'score', v_score.score, 'model', v_score.model, 'version', v_score.version::text, 'version_id', v_score.version_id::text);

    v_batch := v_batch and not v_feed.may_fail and v_feed.texts = 'null::text[]' and v_feed.numbers like 'array[%';
    v_inputs := v_inputs || format('%s as %I', v_feed.numbers, v_score.score || ' inputs');
    v_calls := v_calls || format($call$modelpack.score_many(%s, (select array_send(array_replace(array_agg(c.%I), null, 'NaN')) from chosen as c))::double precision[] as %I$call$,
                                 v_score.version_id, v_score.score || ' inputs', v_score.score || ' scores');
    v_sets := v_sets || modelpack.fill('@score@ = a.@scores@[c."the number"], @score@_version = @version@, @score@_scored_at = v_moment, @score@_stale = null',
                                       'score', v_score.score, 'scores', quote_ident(v_score.score || ' scores'), 'version', v_score.version::text);
    v_scored := v_scored || format($scored$a.%I[c."the number"] <> 'NaN'$scored$, v_score.score || ' scores');
    v_returned := v_returned || format('p.%I, c.%I', v_score.score, v_score.score || ' inputs');
    v_batch_logs := v_batch_logs || modelpack.fill($block$, @logged@ as (
    insert into modelpack.prediction
           (scored_at, profile, entity_key, score, model, version, prediction, inputs)
    select v_moment, @profile@, w.entity_key, @quoted@, '@model@', @version@, w.@score@, w.@inputs@
      from written as w
  )$block$,
      'logged', quote_ident('logged_' || v_score.score), 'profile', quote_literal(v_profile.name), 'quoted', quote_literal(v_score.score),
      'model', v_score.model, 'version', v_score.version::text, 'score', v_score.score, 'inputs', quote_ident(v_score.score || ' inputs'));

    -- a statement that began before a promotion may still log scores of the version before, packed its own way
    v_numbers := v_feed.numbers;
    v_texts := v_feed.texts;
    if v_score.before <> v_score.version then
      begin
        v_feed := modelpack.feed(v_profile.profile_id, v_score.score, v_score.before);
        if v_feed.numbers <> v_numbers or v_feed.texts <> v_texts then
          v_numbers := modelpack.fill('case when new.@score@_version = @before@ then @old@ else @new@ end',
            'score', v_score.score, 'before', v_score.before::text, 'old', v_feed.numbers, 'new', v_numbers);
          v_texts := modelpack.fill('case when new.@score@_version = @before@ then @old@ else @new@ end',
            'score', v_score.score, 'before', v_score.before::text, 'old', v_feed.texts, 'new', v_texts);
        end if;
      exception when datatype_mismatch then
        null;  -- the profile cannot feed that version any more, so it scores nothing here
      end;
    end if;
    v_logs := v_logs || modelpack.fill($block$
-- score @score@
if new.@score@_scored_at is not null then
  insert into modelpack.prediction
         (scored_at, profile, entity_key, score, model, version, prediction, inputs, text_inputs)
  values (new.@score@_scored_at, @profile@, @key@, @quoted@, '@model@', new.@score@_version, new.@score@, @numbers@, @texts@);
end if;$block$,
      'numbers', replace(v_numbers, '$moment$', format('new.%I', v_score.score || '_scored_at')),
      'texts', replace(v_texts, '$moment$', format('new.%I', v_score.score || '_scored_at')),
      'key', v_profile.entity_key, 'profile', quote_literal(v_profile.name), 'quoted', quote_literal(v_score.score),
      'score', v_score.score, 'model', v_score.model);
  end loop;

  select E'\n         and row(' || string_agg(format('new.%I', c.name), ', ' order by c.name) || ')::pg_catalog.record operator(pg_catalog.*=) row('
         || string_agg(format('old.%I', c.name), ', ' order by c.name) || ')::pg_catalog.record',
         string_agg(format(', p.%I', c.name), '' order by c.name)
    into v_unchanged, v_statics
    from (select distinct u.name from unnest(v_columns) as u (name)
           where u.name <> all (v_profile.maintained)) as c;
  v_blocks := replace(replace(v_blocks, '$row$', 'new'), '$moment$', 'v_moment');
  execute modelpack.fill(replace(v_profile.score_function, v_header, v_pinned),
            'unchanged', coalesce(v_unchanged, ''), 'scores', ltrim(replace(v_blocks, E'\n', E'\n  '), E'\n '));
  foreach v_template in array array[v_profile.rescore_function, v_profile.rebuild_function] loop
    if v_batch and cardinality(v_calls) > 0 and v_template like '%@batch@%' then
      v_template := modelpack.fill(regexp_replace(v_template, '\s*@single@.*?@end@', ''), 'batch', '', 'end', '',
        'inputs', replace(replace(array_to_string(v_inputs, ', '), '$row$', 'p'), '$moment$', 'v_moment'), 'statics', coalesce(v_statics, ''),
        'calls', array_to_string(v_calls, E',\n           '), 'sets', array_to_string(v_sets, E',\n           '),
        'scored', array_to_string(v_scored, ' and '), 'returned', array_to_string(v_returned, ', '), 'logs', v_batch_logs);
    else
      v_template := modelpack.fill(regexp_replace(v_template, '@batch@.*?@end@', '-- one row at a time: see modelpack.rescore'),
                                   'single', '', 'end', '');
    end if;
    execute replace(v_template, v_header, v_pinned);
  end loop;
  if v_profile.log_function <> '' then
    v_logs := replace(v_logs, '$row$', 'new');
    execute modelpack.fill(replace(v_profile.log_function, v_header, v_pinned), 'logs', ltrim(replace(v_logs, E'\n', E'\n  '), E'\n '));
  end if;
  update modelpack.made as m
     set definition = md5(f.prosrc)
    from unnest(array[v_profile.score_function, v_profile.rescore_function, v_profile.rebuild_function, v_profile.log_function]) as t (template)
    join pg_proc as f on f.oid = to_regproc(substring(t.template from $name$^create or replace function (modelpack\.[^(]+)\($name$))
   where m.profile_id = v_profile.profile_id and m.kind = 'function' and m.object = f.proname;
end
$modelpack$;
comment on function modelpack.bind(text) is
  'Fills the versions that are champions now into the score and log functions of a profile. Attaching, promoting and rolling back call it.';
