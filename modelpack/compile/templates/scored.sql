%# SCORED, for who does not run as our own functions do: a row as it is going to be, with its features and scores.
%# `p`, `q`: the row as it is going to be, and as it is. `written`: what was done to it. The log of a row that is new is written once it is known that it stays.
%#
%# `settings`       what texts of times and of numbers depend on
%# `hashes`         a query of the hash of the row's key
%# `ignoring`       whether events are ignored that name a key without a profile
% from "parts.sql" import turn, turn_back
% import "score_parts.sql" as parts with context

% set logged
written <> 'anew'
% endset

% macro turned(name, value)
current_setting({{ name | literal }}) <> {{ value | literal }}
% endmacro

% macro moved(key)
new.{{ key }} <> old.{{ key }}
% endmacro

declare
  new record := p;
  old record := q;
  % if plan.scores
  v_was record;
  % endif
  v_moment constant timestamptz := clock_timestamp();
  {{ parts.variables() }}
  v_settings text[];
begin
  if written = 'by hand' then
    if {{ plan.key | each(moved) | join(" or ") }}{% if plan.scores %} or not {{ plan.called("same") }}(new, old){% endif %} then
      return new;  -- the score trigger sees it, too
    end if;
  end if;
  -- not within a function of ours
  if {{ settings.items() | each(turned) | join(" or ") }} then
    {{ turn(settings) }}
  end if;
  if written in ('anew', 'under another key') or (new.features_read_at >= {{ plan.since }}) is not true then
    -- a new key, or one that was not counted yet: every feature from the events that are there already
    {{ parts.read_afresh(hashes) }}
  % if ageing
  else
    {{ parts.age() }}
  % endif
  end if;
  {{ parts.read_windows() }}
  new.features_at := v_moment;
  % if plan.scores
  v_was := new;
  {{ parts.all_scored("v_moment" | ident, "v_was" | ident, logged) }}
  % endif
  if v_settings is not null then
    {{ turn_back(settings) }}
  end if;
  return new;
end
