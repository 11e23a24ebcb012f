create or replace function modelpack.check_places(profile modelpack.profile) returns void
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
declare
  v_found record;
begin
  select m.declared, m.taken, (select format('%s', m.relation) from pg_class as c where c.oid = m.relation) as now_called
    into v_found
    from modelpack.misplaced(check_places.profile.profile_id) as m
   order by m.declared
   limit 1;
  if found then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('%s %s', v_found.declared,
                       case when v_found.taken then format('is another table than the one that the declaration of %s means', check_places.profile.name)
                            else 'is not there' end),
      detail = case when v_found.now_called is null then 'That was dropped.' else format('That is called %s now.', v_found.now_called) end,
      hint = 'select * from modelpack.doctor() says what to run.';
  end if;
end
$modelpack$;
comment on function modelpack.check_places(modelpack.profile) is
  'Refuses to read or write a profile whose tables no longer have the names in the declaration: other tables may have them.';
