create or replace function modelpack.bind(relation text) returns void
language plpgsql security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Fills the live versions into the score and log functions of a profile and replaces them.
declare
  v_profile modelpack.profile;
  v_score record;
  v_feed record;
  v_numbers text;
  v_texts text;
  v_blocks text := '';
  v_columns text[] := '{}';
  v_log_insert text := '';
  v_log_update text := '';
  v_log text;
  v_unchanged text;
  -- what happens to a score that cannot be had, by score.on_error
  v_stale constant text := $stale$new.@score@_stale := v_failure;  -- the last score stands, with its version and time
  if current_setting('modelpack.plpython', true) = 'loaded' then
    perform modelpack.record_failure(@version_id@, @profile@, v_failure);
  end if;$stale$;
  -- the first call of a session, when nobody knows yet whether the server has PL/Python, is made more carefully
  v_call constant text := $call$if current_setting('modelpack.plpython', true) = 'loaded' then
  v_score := modelpack.score(@version_id@, @numbers@, @texts@);
else
  select f.score, f.failure into v_score, v_failure from modelpack.score_first(@version_id@, @numbers@, @texts@) as f;
end if;$call$;
  v_gone constant text := $gone$
  -- and is taken away: on_error = "null"
  new.@score@ := null;
  new.@score@_version := null;
  new.@score@_scored_at := null;
  new.@score@_microseconds := null;$gone$;
  v_raise constant text := $raise$raise exception using
    errcode = 'data_exception',
    message = '@model@ version @version@ gives no score for a row of ' || @profile@ || ': ' || v_failure,
    hint = 'The score is declared with on_error="raise": nothing is written without it.';$raise$;
begin
  select * into strict v_profile from modelpack.profile as p where p.relation = bind.relation::regclass for update;
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
      continue;
    elsif v_score.version is null then
      v_blocks := v_blocks || modelpack.fill($block$
-- score @score@
new.@score@_stale := 'no version of the model @model@ has been promoted';$block$,
        'score', v_score.score, 'model', v_score.model);
      continue;
    end if;
    v_feed := modelpack.feed(v_profile.profile_id, v_score.score, v_score.version);
    v_columns := v_columns || v_feed.columns;
    v_blocks := v_blocks || modelpack.fill($block$
-- score @score@: model @model@, version @version@
v_started := clock_timestamp();
v_failure := null;
@call@
if v_score is null then
  if v_failure is null then
    v_failure := modelpack.failure();
  end if;
  @failed@
else
  new.@score@ := v_score;
  new.@score@_version := @version@;
  new.@score@_scored_at := v_moment;
  new.@score@_stale := null;
  -- the clock may have been set, either way, while the model ran
  new.@score@_microseconds := greatest(0, least(date_part('epoch', clock_timestamp() - v_started) * 1000000, 2147483647));
end if;$block$,
      'call', case when v_feed.may_fail then $call$v_score := null;
begin  -- an input that a row makes impossible (a division by zero) costs that row its score, not the event
  v_numbers := @numbers@;
  v_texts := @texts@;
exception when data_exception then
  v_failure := 'an input cannot be computed: ' || sqlerrm;
end;
if v_failure is null then
  @first@
end if;$call$ else v_call end,
      'first', replace(replace(replace(v_call, E'\n', E'\n  '), '@numbers@', 'v_numbers'), '@texts@', 'v_texts'),
      'failed', case v_score.on_error when 'stale' then v_stale when 'null' then v_stale || v_gone else v_raise end,
      'profile', quote_literal(v_profile.name), 'numbers', v_feed.numbers, 'texts', v_feed.texts,
      'score', v_score.score, 'model', v_score.model, 'version', v_score.version::text, 'version_id', v_score.version_id::text);
    v_blocks := replace(replace(v_blocks, '$row$', 'new'), '$moment$', 'v_moment');

    -- a statement that began before a promotion may still log scores of the version before, packed its own way
    v_numbers := v_feed.numbers;
    v_texts := v_feed.texts;
    if v_score.before <> v_score.version then
      begin
        v_feed := modelpack.feed(v_profile.profile_id, v_score.score, v_score.before);
        if v_feed.numbers <> v_numbers or v_feed.texts <> v_texts then
          v_numbers := modelpack.fill('case when n.@score@_version = @before@ then @old@ else @new@ end',
            'score', v_score.score, 'before', v_score.before::text, 'old', v_feed.numbers, 'new', v_numbers);
          v_texts := modelpack.fill('case when n.@score@_version = @before@ then @old@ else @new@ end',
            'score', v_score.score, 'before', v_score.before::text, 'old', v_feed.texts, 'new', v_texts);
        end if;
      exception when datatype_mismatch then
        null;  -- the profile cannot feed that version any more, so it scores nothing here
      end;
    end if;
    v_log := modelpack.fill($block$
-- score @score@
insert into modelpack.prediction
       (scored_at, profile, entity_key, score, model, version, prediction, inputs, text_inputs, microseconds)
select n.@score@_scored_at, @profile@, @key@, @quoted@, '@model@', n.@score@_version, n.@score@,
       @numbers@, @texts@, n.@score@_microseconds
@source@;$block$,
      'numbers', v_numbers, 'texts', v_texts, 'key', v_profile.entity_key,
      'profile', quote_literal(v_profile.name), 'quoted', quote_literal(v_score.score),
      'score', v_score.score, 'model', v_score.model);
    v_log := replace(replace(v_log, '$row$', 'n'), '$moment$', format('n.%I', v_score.score || '_scored_at'));
    v_log_insert := v_log_insert || modelpack.fill(v_log, 'source', v_score.log_insert);
    v_log_update := v_log_update || modelpack.fill(v_log, 'source', v_score.log_update);
  end loop;

  select E'\n       and row(' || string_agg(format('new.%I', c.name), ', ' order by c.name) || ') is not distinct from row('
         || string_agg(format('old.%I', c.name), ', ' order by c.name) || ')'
    into v_unchanged
    from (select distinct u.name from unnest(v_columns) as u (name)
           where u.name <> all (v_profile.maintained)) as c;
  execute modelpack.fill(v_profile.score_function,
            'unchanged', coalesce(v_unchanged, ''), 'scores', ltrim(replace(v_blocks, E'\n', E'\n  '), E'\n '));
  if v_profile.log_insert <> '' then
    execute modelpack.fill(v_profile.log_insert, 'logs', ltrim(replace(v_log_insert, E'\n', E'\n  '), E'\n '));
    execute modelpack.fill(v_profile.log_update, 'logs', ltrim(replace(v_log_update, E'\n', E'\n  '), E'\n '));
  end if;
  update modelpack.made as m
     set definition = md5(f.prosrc)
    from unnest(array[v_profile.score_function, v_profile.log_insert, v_profile.log_update]) as t (template)
    join pg_proc as f on f.oid = to_regprocedure(substring(t.template from '^create or replace function (modelpack\.[^(]+\(\))'))
   where m.profile_id = v_profile.profile_id and m.kind = 'function' and m.object = f.oid::regprocedure::text;
end
$modelpack$;
comment on function modelpack.bind(text) is
  'Fills the versions that are champions now into the score and log functions of a profile. Attaching, promoting and rolling back call it.';
