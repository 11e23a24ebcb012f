create or replace function modelpack.drop_object(statement text, class regclass, object oid, part integer default 0) returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Whoever may look names up in a schema can make a view that calls a function there, which he may not call: what lives as long
-- as his session goes along, and for what stays its owner is named.
declare
  v_what constant text := pg_describe_object(class, object, part);
  v_found record;
begin
  for v_try in 1 .. 10 loop
    select string_agg(format('%s, of %s', d.what, coalesce(d.owner::text, 'nobody')), '; ') filter (where not d.temporary) as listed,
           string_agg(d.mend, '; ') filter (where not d.temporary) as mend, count(*) > 0 as any,
           coalesce(array_agg(d.relation) filter (where d.relation is not null), '{}') as relations
      into v_found
      from modelpack.dependents(array[class], array[object], array[part]) as d;
    if v_found.listed is not null then
      raise exception using
        errcode = 'dependent_objects_still_exist',
        message = format('%s is to be dropped, and something of somebody else''s depends on it', v_what),
        detail = format('That is: %s.', v_found.listed),
        hint = format('Have it dropped by its owner or a superuser, and try again: %s;', v_found.mend);
    end if;
    begin
      perform modelpack.do_soon(statement || case when v_found.any then ' cascade' else '' end, v_what, class, object, v_found.relations);
      return;
    exception when dependent_objects_still_exist then
      null;  -- something came in between
    end;
  end loop;
  raise exception using
    errcode = 'dependent_objects_still_exist',
    message = format('%s is to be dropped, and others keep making what depends on it', v_what),
    hint = 'Have them stop, and try again.';
end
$modelpack$;
comment on function modelpack.drop_object(text, regclass, oid, integer) is
  'Runs a statement that drops an object (part: a column of it): what is temporary and depends on it goes along, what is not is refused by name. Waits no longer than modelpack.patience().';
