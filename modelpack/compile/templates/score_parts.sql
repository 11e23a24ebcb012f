%# How a row of the profile is brought up to the moment and scored: `new` is the row as it is going to be, `old` as it is.
%#
%# `columns`        the key, features and scores: what a row is unchanged without
%# `stored`, `without_windows`, `windowed`
%#                  events with features of that kind, `without_windows` those that have stored ones alone
%# `ageing`         decayed features and what they weigh at the moment
% from "parts.sql" import events_in_place, identical, meet, snapshot_in_place

%# Whether what our own functions write is a row that they have scored already, at the moment that they write.
% macro scored_already()
% macro one(score)
new.{{ score.scored_at }} = new.features_at and new.{{ score.scored_at }} is distinct from old.{{ score.scored_at }}
% endmacro
{{ plan.scores | each(one) | lines(before="and ") }}
% endmacro

%# Whether features and scores stay as they are.
% macro unchanged()
{{ identical(columns | of("new"), columns | of("old")) }}
% endmacro

%# Features of an event, by the events that are there.
% macro read(event, features, more=())
select {{ event.aggregates(features).values() | lines(",") }}
  into {{ event.aggregates(features) | of("new") | lines(",") }}
  from {{ event.table }} as e
 where {{ event.conditions(same(event.keys("e"), plan.keys("new")), *more) }};
% endmacro

%# Every feature, for a key that is new, or a row that was never counted.
% macro read_afresh(hashes)
% macro foreign(event)
exists (select from {{ event.table }} as e where {{ same(event.keys("e"), plan.keys("new")) }} and e.xmin <> pg_current_xact_id()::xid)
% endmacro
{{ snapshot_in_place(plan) }}
% for name in plan.outputs
new.{{ name | ident }} := null;
% endfor
%# those with windows are looked at where these are read
{{ events_in_place(plan, without_windows) }}
% if hashes and ignoring
-- events of this key that are ignored or go just now: whoever brings or takes them waits for us, or we for them
{{ meet(plan, hashes) }}
% elif hashes
{{ events_in_place(plan, windowed) }}
-- events of others with this key, which may go just now: whoever takes them waits for us, or we for them
if written in ('anew', 'under another key') and (
  {{ plan.events | each(foreign) | lines(before="or ") }}
) then
  {{ meet(plan, hashes) }}
end if;
% endif
% for event in stored
{{ read(event, event.stored) }}
% endfor
new.features_read_at := {{ statement }};
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

% macro age()
% if ageing
-- decayed features lose weight up to the moment
% for name, aged in ageing
new.{{ name | ident }} := {{ aged }};
% endfor
% for event in plan.events if event.decayed
{{ read_due(event) }}
% endfor
% endif
% endmacro

% macro read_windows()
% if windowed
-- windows, read under the row's lock
{{ events_in_place(plan, windowed) }}
% for event in windowed
{{ read(event, event.windowed, event.recent()) }}
% endfor
% endif
% endmacro

%# Score the row by the champions, or say why there is no score. `moment`: of scoring. `was`: the row with the scores that stand
%# where there is no new one. `logged`: whether the log is written here, if that is not certain.
%# Each simple expression of PL/pgSQL is prepared anew in every transaction: so what is asked goes straight into the row.
% macro all_scored(moment, was, logged=none)
% for score in plan.scores
{{ scored(score, moment, was, logged) }}
% endfor
% endmacro

% macro scored(score, moment, was, logged)
-- score {{ score.name | note }}
%# a model may be fed the version that scored before
v_version := coalesce({{ score.called("chosen") }}(new), {{ score.called("version") }}());
% if score.may_fail
v_failure := null;
v_numbers := null;
begin  -- an input may be impossible: 1 / 0 costs a score, not the event
  v_numbers := {{ score.called("numbers") }}(new, {{ moment }}, v_version);
  v_texts := {{ score.called("texts") }}(new, {{ moment }}, v_version);
exception when data_exception then
  v_failure := 'an input cannot be computed: ' || modelpack.why(sqlstate);
end;
% endif
new.{{ score.value }} := {{ score.called("predict") }}(
  v_version,
  % if score.may_fail
  v_numbers, v_texts,
  % else
  {{ score.called("numbers") }}(new, {{ moment }}, v_version),
  {{ score.called("texts") }}(new, {{ moment }}, v_version),
  % endif
  {{ plan.key_text("new") }}, {{ moment }}, {% if logged %}{{ logged }}{% else %}true{% endif %});
new.{{ score.version }} := v_version;
new.{{ score.scored_at }} := {{ moment }};
if new.{{ score.value }} is null or new.{{ score.stale }} is not null then
  new.{{ score.stale }} := case when new.{{ score.value }} is null then {{ score.called("reason") }}(v_version, {% if score.may_fail %}v_failure{% else %}null{% endif %}) end;
  if new.{{ score.value }} is null then
    % if score.on_error == "null"
    new.{{ score.version }} := null;
    new.{{ score.scored_at }} := null;
    % else
    -- the last score stands
    new.{{ score.value }} := {{ was }}.{{ score.value }};
    new.{{ score.version }} := {{ was }}.{{ score.version }};
    new.{{ score.scored_at }} := {{ was }}.{{ score.scored_at }};
    % endif
  end if;
end if;
% endmacro

%# The variables that it needs.
% macro variables()
% if plan.scores
v_version integer;
% endif
% for score in plan.scores if score.may_fail
%   if loop.first
v_numbers double precision[];
v_texts text[];
v_failure text;
%   endif
% endfor
% endmacro
