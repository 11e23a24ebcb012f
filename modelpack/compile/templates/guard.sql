%# GUARD, before an UPDATE of a row of the profile: refuses what was written by hand.
%# `kept`: the columns that modelpack writes.
% from "parts.sql" import identical
declare
  v_path constant text := pg_catalog.current_setting('search_path');
begin
  -- our own functions, at the least cost
  if v_path operator(pg_catalog.=) {{ path }} and current_user operator(pg_catalog.=) tg_argv[0] then
    return new;
  end if;
  if {{ identical(kept | of("new"), kept | of("old")) }}
     or pg_catalog.pg_has_role(current_user, 'modelpack_owner', 'member')  -- a superuser or the DBA, who means it
     or v_path operator(pg_catalog.=) {{ path }}  -- our own functions, after the role was renamed
        and current_user operator(pg_catalog.=) (
          select pg_catalog.pg_get_userbyid(c.relowner) from pg_catalog.pg_class as c where c.oid operator(pg_catalog.=) tg_relid)
  then
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
end
