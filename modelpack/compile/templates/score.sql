%# SCORE, before a row of the profile is written that is new, has another key, or has another static input.
%# What our own functions write is scored by the guard, in place.
%#
%# `outliving`      events with features that outlive them, and each one's values by the events that are left
%# `lasting`        the names of these features
%# `gone`           tests whether one of them differs from those values
% import "score_parts.sql" as parts with context
% from "parts.sql" import mark
% set packed_numbers
(x.packed).inputs
% endset
% set packed_texts
(x.packed).text_inputs
% endset

% macro moved(key)
new.{{ key }} <> old.{{ key }}
% endmacro

%# The mark of what was scored stands where the reason would, while nobody has compared it.
% macro as_scored(s)
%   if s.may_fail
new.{{ s.stale }} = (select {{ mark(packed_numbers, packed_texts) }}
                       from (select {{ s.called("packed") }}(new, new.features_at, new.{{ s.version }}) as packed offset 0) as x)
%   else
new.{{ s.stale }} = {{ mark(fed(s, "numbers"), fed(s, "texts")) }}
%   endif
% endmacro
% macro fed(s, kind)
{{ s.called(kind) }}(new, new.features_at, new.{{ s.version }})
% endmacro

declare
  v_moves boolean;
begin
  if tg_op = 'UPDATE' and {{ same(plan.keys("new"), plan.keys("old")) }} then
    if tg_nargs = 0 then
      -- features and scores are the guard's to look at
      % if plan.scores
      if {{ plan.called("same") }}(new, old) then
        return new;
      end if;
      % else
      return new;
      % endif
    %# a user's own BEFORE trigger may change anything, so that this one sees every UPDATE and the guard scores nothing
    elsif new.features_at = old.features_at then
      -- nothing that a score depends on has changed
      if {{ parts.unchanged() }}
         % if plan.scores
         and {{ plan.called("same") }}(new, old)
         % endif
      then
        return new;
      end if;
    % if plan.scores
    elsif {{ parts.scored_already() }}
          and {{ plan.scores | each(as_scored) | lines(before="and ") }} then
      -- with many others, in one call, and what was scored is what is stored
      % for s in plan.scores
      new.{{ s.stale }} := null;
      % endfor
      return new;
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
        hint = 'Insert a row with the new key, copy these columns to it as a member of modelpack_owner, and delete the '
               'old row; or declare the event with on_delete="subtract".';
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
  new := {{ plan.called("scored") }}(new, old, case when tg_op = 'INSERT' then 'anew' when {{ plan.key | each(moved) | join(" or ") }} then 'under another key' else 'with another input' end);
  return new;
end
