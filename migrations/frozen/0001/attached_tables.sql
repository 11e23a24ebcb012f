create or replace function modelpack.attached_tables()
returns table (relation regclass, profile regclass, stem text, is_event boolean, on_delete text)
language sql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select p.relation, p.relation, p.stem, false, null from modelpack.profile as p
union all
select to_regclass(modelpack.qualified(e.value ->> 'table')), p.relation, p.stem, true, e.value ->> 'on_delete'
  from modelpack.profile as p
 cross join jsonb_array_elements(p.declaration -> 'events') as e
$modelpack$;
comment on function modelpack.attached_tables() is 'The profile and event tables of all declarations.';
