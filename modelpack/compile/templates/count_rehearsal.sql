%# What the functions of COUNT do with the values of events, for a DO block: the server says whether their types take it.
%# Tables called new_rows and old_rows are there, with rows as the event table has them.
% import "count_parts.sql" as count with context
#variable_conflict use_variable
declare
  v_moment constant timestamptz := clock_timestamp();
  v_statement constant timestamptz := {{ statement }};
begin
  {{ count.refuse_forgetting() }}
  {{ count.write(count.summed(count.nested(count.rows_of("new_rows")), adding), adding) }}
  % if one
  {{ count.write_one(one, rehearsal=true) }}
  % endif
  {{ count.write(count.summed("changed" | ident, changing), changing, count.with_changed()) }}
end
