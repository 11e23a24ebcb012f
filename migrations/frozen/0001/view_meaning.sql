create or replace function modelpack.view_meaning(definition text) returns text
language plpgsql volatile security invoker
as $modelpack$
-- The search_path is the caller's: it is what this is about. So every name here is qualified.
declare
  v_found text;
begin
  execute pg_catalog.concat('create temporary view modelpack_meaning as ', definition);
  select pg_catalog.string_agg(m.found[1], ' ' order by m.place)
    into v_found
    from pg_catalog.pg_rewrite as r
   cross join pg_catalog.regexp_matches(r.ev_action::pg_catalog.text,
           ':((?:opno|opnos|funcid|aggfnoid|inputcollid|inputcollids|consttype|constvalue|resulttype|minmaxtype|element_typeid|vartype) (?:[(][^)]*[)]|[^:)}]*))',
           'g') with ordinality as m (found, place)
   where r.ev_class operator(pg_catalog.=) 'pg_temp.modelpack_meaning'::pg_catalog.regclass;
  drop view pg_temp.modelpack_meaning;
  return v_found;
end
$modelpack$;
comment on function modelpack.view_meaning(text) is
  'The operators, functions, types, collations and constants that a query means under the search_path of its caller, in order.';
