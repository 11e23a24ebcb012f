%# COUNT, after TRUNCATE of the event table.
% import "count_parts.sql" as count with context
begin
  {{ count.event_in_place() }}
  % if event.on_delete == "keep"
  -- what this very statement has read from the events stays from here on, too
  update {{ plan.table }} as p
     set features_read_at = 'infinity'
   where p.features_read_at = {{ statement }};
  % if event.windowed
  perform {{ plan.called("refresh") }}(0, null, null);
  % endif
  % else
  perform {{ plan.called("rebuild") }}(0, null);
  % endif
  return null;
end
