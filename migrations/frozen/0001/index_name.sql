create or replace function modelpack.index_name(relation regclass, wanted text[]) returns text
language sql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- A name is 63 bytes long at most, and letters may have several: what is cut or left out is in the hash.
select format('%s_modelpack_%s_idx', left(regexp_replace(c.relname, '[^A-Za-z0-9_]', '_', 'g'), 30), left(md5(jsonb_build_array(c.oid, wanted)::text), 12))
  from pg_class as c
 where c.oid = relation
$modelpack$;
comment on function modelpack.index_name(regclass, text[]) is 'The name of an index that attaching adds to a table: another one for other columns and for every other table.';
