%# GUARD, before an UPDATE of features or scores of a row of the profile: scores what our own functions write, in place,
%# and refuses what was written by hand. It runs as who writes, so all is qualified but what our own functions reach.
%# `kept`: the columns that modelpack writes.
% from "parts.sql" import identical
% import "score_parts.sql" as parts with context

%# Whoever writes anything else: whether he may, and whether there is anything to score.
% macro other_writers()
if {{ by_name() }} then
  v_ours := {{ granted() }};
end if;
if v_ours is not true then  -- the role was renamed, or a dump restored for another
  v_ours := pg_catalog.current_setting('search_path') operator(pg_catalog.=) {{ path }}
    and current_user operator(pg_catalog.=) (
      select pg_catalog.pg_get_userbyid(f.proowner)
        from pg_catalog.pg_trigger as t
        join pg_catalog.pg_proc as f on f.oid operator(pg_catalog.=) t.tgfoid
       where t.tgrelid operator(pg_catalog.=) tg_relid and t.tgname operator(pg_catalog.=) tg_name);
end if;
if v_ours is not true then
  if {{ identical(kept | of("new"), kept | of("old")) }} then
    return new;
  end if;
  if pg_catalog.pg_has_role(current_user, 'modelpack_owner', 'member') then  -- a superuser or the DBA, who means it
    if tg_nargs operator(pg_catalog.<>) 2 then
      %# a superuser may write, so nothing is called that does not run as its owner
      new := {{ plan.called("scored") }}(new, old, 'by hand');
    end if;
    return new;
  end if;
  raise exception using
    errcode = 'insufficient_privilege',
    message = pg_catalog.format('an UPDATE by %I changes columns of %s that modelpack keeps: %s', current_user, {{ plan.table | literal }},
      pg_catalog.array_to_string(array[
        % for name in kept
        case when not row(new.{{ name | ident }})::pg_catalog.record operator(pg_catalog.*=) row(old.{{ name | ident }})::pg_catalog.record then {{ name | literal }} end{% if not loop.last %},{% endif %}
        % endfor
      ], ', ')),
    detail = 'Features follow from events and scores from features; a value written by hand would be wrong at once.',
    hint = 'Leave these columns out of the UPDATE (in an ORM: mark them read-only).';
end if;
-- the score trigger looks at every UPDATE{% if plan.scores %}; or the row was scored with many others, in one call{% endif +%}
if tg_nargs = 2{% if plan.scores %} or {{ parts.scored_already() }}{% endif %} then
  return new;
%# COUNT leaves features_at empty where nothing ages
elsif new.features_at = old.features_at then
  -- nothing that a score depends on has changed
  if {{ parts.unchanged() }}
  then
    return new;
  end if;
end if;
% endmacro

% macro by_name()
pg_catalog.current_setting('search_path') operator(pg_catalog.=) {{ path }}
and current_user operator(pg_catalog.=) tg_argv[0]
% endmacro

%# Names something in the schema, which not everybody may use: so it stands by itself, and is never prepared for others.
% macro granted()
pg_catalog.has_function_privilege({{ "{}()" | filled(plan.called("guard")) | literal }}::pg_catalog.regprocedure, 'EXECUTE WITH GRANT OPTION')
% endmacro

%# Each simple expression is prepared anew in every transaction: so there are few on the way of one event.
% set moment
{% if ageing or windowed %}v_moment{% else %}new.features_at{% endif %}
% endset
declare
  v_ours boolean;
  % if ageing or windowed
  v_moment timestamptz;
  % endif
  {{ parts.variables() }}
begin
  -- our own functions are known by the name of their role; it must be one that may grant this function, since another
  -- role may have got the name
  % if not plan.decayed
  %# COUNT leaves features_at empty where nothing ages
  <<asked>>
  begin
    if {{ by_name() }}
       and tg_nargs operator(pg_catalog.=) 1 and new.features_at is null
    then  -- COUNT has brought events: the row is scored, and nothing else is asked
      exit asked when {{ granted() }};
    end if;
    {{ other_writers() }}
  end asked;
  % else
  {{ other_writers() }}
  % endif
  % if ageing or windowed
  v_moment := pg_catalog.clock_timestamp();
  {{ parts.age() }}
  {{ parts.read_windows() }}
  new.features_at := v_moment;
  % else
  new.features_at := pg_catalog.clock_timestamp();
  % endif
  {{ parts.all_scored(moment, "old" | ident) }}
  return new;
end
