create or replace function modelpack.misplaced(profile_id integer) returns table (declared text, relation regclass, taken boolean)
language sql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Tables are known by their OID: one that was renamed or dropped leaves its name to nobody, or to another. Names are held
-- against the catalog, since to_regclass needs USAGE on the schema.
select d.declared, d.relation, t.oid is not null
  from (select p.name as declared, p.relation
          from modelpack.profile as p where p.profile_id = misplaced.profile_id
         union all
        select m.object, m.relation
          from modelpack.made as m where m.profile_id = misplaced.profile_id and m.kind = 'event') as d
  left join lateral (select c.oid from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
                      where array[n.nspname::text, c.relname::text] = parse_ident(d.declared)) as t on true
 where t.oid is distinct from d.relation::oid
$modelpack$;
comment on function modelpack.misplaced(integer) is
  'Tables of a declaration that no longer have the names in it, and whether other relations have taken these.';
