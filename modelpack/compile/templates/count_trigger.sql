%# The trigger that runs a function of COUNT, after `verb`.
create or replace trigger {{ plan.trigger(verb) | ident }} after {{ verb | ident }} on {{ event.table }}
  % if verb == "insert"
  referencing new table as new_rows
  % elif verb == "update"
  referencing old table as old_rows new table as new_rows
  % elif verb == "delete"
  referencing old table as old_rows
  % endif
  for each statement execute function modelpack.{{ plan.count_name(event, verb) | ident }}()
