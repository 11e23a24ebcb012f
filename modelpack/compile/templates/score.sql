%# SCORE, before an INSERT or UPDATE of a row of the profile: brings its features up to the moment and scores it.
%#
%# `columns`        the key, features and scores: what a row is unchanged without
%# `settings`       what texts of times and of numbers depend on
%# `outliving`      events with features that outlive them, and each one's values by the events that are left
%# `lasting`        the names of these features
%# `gone`           tests whether one of them differs from those values
%# `hashes`         a query of the hash of the row's key
%# `stored`, `without_windows`, `windowed`
%#                  events with features of that kind, `without_windows` those that have stored ones alone
%# `ageing`         decayed features and what they weigh at the moment
% from "parts.sql" import events_in_place, identical, meet, turn, turn_back

% macro scored_already(score)
new.{{ score.scored_at }} = new.features_at and new.{{ score.scored_at }} is distinct from old.{{ score.scored_at }}
% endmacro

% macro moved(key)
new.{{ key }} <> old.{{ key }}
% endmacro

% macro turned(name, value)
current_setting({{ name | literal }}) <> {{ value | literal }}
% endmacro

%# Features of an event, by the events that are there.
% macro read(event, features, more=())
select {{ event.aggregates(features).values() | lines(",") }}
  into {{ event.aggregates(features) | of("new") | lines(",") }}
  from {{ event.table }} as e
 where {{ event.conditions(same(event.keys("e"), plan.keys("new")), *more) }};
% endmacro

%# Events dated ahead may have come due since the features were last brought up to a moment.
%# Where the server's clock was set back it is the other way round: events that counted lie ahead now. With
%# on_delete="keep" they may be gone, so their weight is carried back as it was carried on.
% macro read_due(event)
% macro ahead(feature)
new.{{ feature.bound | ident }}
% endmacro
% set latest = event.decayed | each(ahead) | join(", ")
if {% if event.decayed | length == 1 %}{{ latest }}{% else %}greatest({{ latest }}){% endif %} > least(old.features_at, new.features_at){% if event.on_delete == "subtract" %} or v_moment < greatest(old.features_at, new.features_at){% endif %} then
  % if not event.windowed
  {{ events_in_place(plan, [event]) }}
  % endif
  {{ read(event, event.decayed) }}
  % if event.on_delete == "subtract"
  %# events of this very statement that are not yet added must not be
  new.features_reread_at := {{ statement }};
  % endif
end if;
% endmacro

%# Score the row by the champion, or say why there is no score.
% macro scored(score)
-- score {{ score.name | note }}
v_version := {{ score.called("version") }}();
% if score.may_fail
v_failure := null;
v_numbers := null;
begin  -- an input may be impossible: 1 / 0 costs a score, not the event
  v_numbers := {{ score.called("numbers") }}(new, v_moment, v_version);
  v_texts := {{ score.called("texts") }}(new, v_moment, v_version);
exception when data_exception then
  v_failure := 'an input cannot be computed: ' || modelpack.why(sqlstate);
end;
% endif
v_score := {{ score.called("predict") }}(
  v_version,
  % if score.may_fail
  v_numbers, v_texts,
  % else
  {{ score.called("numbers") }}(new, v_moment, v_version),
  {{ score.called("texts") }}(new, v_moment, v_version),
  % endif
  {{ plan.key_text("new") }}, v_moment, tg_op = 'UPDATE');
if v_score is null then
  new.{{ score.stale }} := {{ score.called("reason") }}(v_version, {% if score.may_fail %}v_failure{% else %}null{% endif %});
  % if score.on_error == "null"
  new.{{ score.value }} := null;
  new.{{ score.version }} := null;
  new.{{ score.scored_at }} := null;
  % endif
else
  new.{{ score.value }} := v_score;
  new.{{ score.version }} := v_version;
  new.{{ score.scored_at }} := v_moment;
  new.{{ score.stale }} := null;
end if;
% endmacro

declare
  v_moment constant timestamptz := clock_timestamp();
  % if plan.scores
  v_version integer;
  v_numbers double precision[];
  v_texts text[];
  v_score double precision;
  v_failure text;
  % endif
  v_settings text[];
  v_moves boolean;
begin
  %# COUNT leaves features_at empty where nothing ages: one look tells its rows from all others
  if tg_op = 'UPDATE'{% if not plan.decayed %} and new.features_at is not null{% endif %} and {{ same(plan.keys("new"), plan.keys("old")) }} then
    if new.features_at is not distinct from old.features_at then
      -- nothing that a score depends on has changed
      if {{ identical(columns | of("new"), columns | of("old")) }}
         % if plan.scores
         and {{ plan.called("same") }}(new, old)
         % endif
      then
        return new;
      end if;
    % if plan.batched
    % for score in plan.scores
    {% if loop.first %}elsif{% else %}  and{% endif %} {{ scored_already(score) }}
    % endfor
    then
      return new;  -- modelpack.rescore has scored it
    % endif
    end if;
  end if;
  %# another key: the row is another entity's from then on
  if tg_op = 'UPDATE' and ({{ plan.key | each(moved) | join(" or ") }}) then
    % if outliving
    if exists (
         select
           from (select old.*) as p
          % for event, values in outliving
          cross join lateral (
            {{ values }}
          ) as r{{ loop.index0 }}
          % endfor
          where {{ gone | join(" or ") }}
       ) then  -- some of these events are gone
      raise exception using
        errcode = 'feature_not_supported',
        message = {{ "this UPDATE changes the key of a row of {}, which would lose {}" | filled(plan.table, lasting) | literal }},
        detail = 'With on_delete="keep" older events are gone, so these cannot be read again for another key.',
        hint = 'Insert a row with the new key, copy these columns to it as a member of modelpack_owner, and delete the old row; or declare the event with on_delete="subtract".';
    end if;
    % endif
    if tg_relid <> {{ plan.table | literal }}::regclass then
      -- to another partition it goes as an INSERT, which scores and logs it
      execute format('select not (%s) from (select ($1).*) as r', pg_get_partition_constraintdef(tg_relid))
         into v_moves using new;
      if v_moves then
        return new;
      end if;
    end if;
  end if;
  if {{ settings.items() | each(turned) | join(" or ") }} then  -- not within a function of ours
    {{ turn(settings) }}
  end if;
  if tg_op = 'INSERT' or {{ plan.key | each(moved) | join(" or ") }} then
    -- a new key: every feature from the events that are there already
    % if hashes
    -- events of this key that are ignored just now: whoever brings them waits for us, or we for them
    {{ meet(plan, hashes) }}
    % endif
    % for name in plan.outputs
    new.{{ name | ident }} := null;
    % endfor
    %# those with windows are looked at where these are read
    {{ events_in_place(plan, without_windows) }}
    % for event in stored
    {{ read(event, event.stored) }}
    % endfor
    new.features_read_at := {{ statement }};
  % if ageing
  else
    -- decayed features lose weight up to the moment
    % for name, aged in ageing
    new.{{ name | ident }} := {{ aged }};
    % endfor
    % for event in plan.events if event.decayed
    {{ read_due(event) }}
    % endfor
  % endif
  end if;
  % if windowed
  -- windows, read under the row's lock
  {{ events_in_place(plan, windowed) }}
  % for event in windowed
  {{ read(event, event.windowed, event.recent()) }}
  % endfor
  % endif
  new.features_at := v_moment;
  % for score in plan.scores
  {{ scored(score) }}
  % endfor
  if v_settings is not null then
    {{ turn_back(settings) }}
  end if;
  return new;
end
