%# The training set: the features of every profile as they would have been at moments in the past.
%# `static`: columns that no event maintains; `features`: where `reads` has the others; `shown`: names and expressions over
%# both, over the label and over what the scores are fed.
% from "upkeep_parts.sql" import by_events
% macro moment(at)
({{ at | literal }}::timestamptz)
% endmacro
%# Whether a row was there.
% macro seen(event)
exists (select from {{ event.table }} as e where {{ same(event.keys("e"), plan.keys("p")) }} and e.{{ event.at }} <= t.at)
% endmacro
select {{ shown | selected | lines(",") }}
  from (
        select {{ static | of("p") | join(", ") }}, t.at{% for value in features %}, {{ value }}{% endfor %}{% if label %},
               ({{ label }}) as label{% endif %}
          from (values {{ moments | each(moment) | join(", ") }}) as t (at)
         cross join {{ plan.table }} as p
         {{ by_events(reads) }}
         % if plan.events and not everybody
         where {{ plan.events | each(seen) | join(" or ") }}
         % endif
       ) as p
 cross join lateral (select p.at) as m ("the moment")
 order by p.at, {{ plan.keys("p") | join(", ") }}
