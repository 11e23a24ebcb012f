create or replace function modelpack.examine_tables() returns table (status text, "check" text, found text, expected text, mend text)
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  p modelpack.profile;
  v_event jsonb;
  v_relation regclass;
  v_key text[];
begin
  for p in select * from modelpack.profile as q order by q.name loop
    if not exists (select from pg_class as c where c.oid = p.relation) then
      return query select 'fail', format('profile table %s', p.name), 'it was dropped', 'a table, or no declaration',
                          format('select modelpack.detach_dropped(%L);', p.name);
      continue;
    end if;
    return query
    select 'fail', case when r.relation is not null then format('rights on %s', r.relation)
                        when r.schema is not null then format('rights on the schema %s', r.schema) else format('rights on %s', r.routine) end,
           format('%s has no %s', r.role, r.privilege), format('what the functions of %s need, which run as %s', p.name, r.role),
           format('select modelpack.grant_access(%L);', p.relation::text)
      from modelpack.needed_rights() as r
     where r.profile_id = p.profile_id and not r.granted
     order by 2, 3;
    return query
    select 'fail', format('row security of %s', t.relation), format('it may hide rows from %s', modelpack.runs_as(p.relation)),
           format('every row, for the functions of %s', p.name),
           format('alter table %s no force row level security; or as a superuser: alter role %s bypassrls; then call modelpack.rebuild(%L);',
                  t.relation, modelpack.runs_as(p.relation), p.relation::text)
      from (select distinct r.relation from modelpack.needed_rights() as r where r.profile_id = p.profile_id and r.relation is not null) as t
     where modelpack.hides_rows(t.relation, modelpack.runs_as(p.relation))
     order by 2;
    return query
    select 'fail', format('kin of %s', t.relation), format('%s %s', t.relation, modelpack.kin(t.relation)),
           'a table that stands alone, or a partitioned table itself: rows are not counted that come by another table',
           format('alter table CHILD no inherit PARENT; or alter table PARENT detach partition PARTITION; then call modelpack.rebuild(%L);', p.relation::text)
      from (select p.relation union select m.relation from modelpack.made as m where m.profile_id = p.profile_id and m.kind = 'event') as t (relation)
     where modelpack.kin(t.relation) is not null
     order by 2;
    -- without USAGE no name is looked up
    if not (select has_schema_privilege(c.relnamespace, 'USAGE') from pg_class as c where c.oid = p.relation) then
      continue;
    end if;
    if to_regclass(p.name) is distinct from p.relation then
      return query select 'fail', format('profile table %s', p.name), format('it is called %s now', p.relation), 'the name in the declaration',
                          case when exists (select from modelpack.misplaced(p.profile_id) as m where m.declared = p.name and m.taken)
                               then format('select modelpack.detach(%L); then modelpack apply DECLARATION for the table that has the name now, which counts its features anew; or rename both tables back', p.relation::text)
                               else format('alter table %s rename to %s; or declare the new name and apply', p.relation, substring(p.name from '[^.]+$')) end;
      continue;
    end if;
    return query
    select 'fail', format('column of %s', p.name), format('%s is missing', w.name), 'every column that modelpack keeps',
           format('alter table %s rename column ... to %I; where it was renamed, else modelpack remove and apply', p.relation, w.name)
      from (select unnest(p.maintained) as name
            union
            select s.score || x from modelpack.score as s, unnest(array['', '_version', '_scored_at', '_stale']) as x
             where s.profile_id = p.profile_id) as w
     where not exists (select from pg_attribute as a where a.attrelid = p.relation and a.attname = w.name and not a.attisdropped)
     order by 3;
    return query
    select 'warn', format('index of stale rows of %s', p.name), 'there is none', 'a partial index, so that stale rows are found without reading the table',
           format('select modelpack.ensure_stale_index(%L, array[%s], array[%s]);', p.relation::text,
                  (select string_agg(quote_literal(k), ', ') from jsonb_array_elements_text(p.declaration -> 'key') as k),
                  (select string_agg(quote_literal(s.score || '_stale'), ', ' order by s.position) from modelpack.score as s where s.profile_id = p.profile_id))
     where exists (select from modelpack.score as s where s.profile_id = p.profile_id)
       and not exists (select from pg_index as i
                          join pg_depend as d on d.classid = 'pg_class'::regclass and d.objid = i.indexrelid and d.refobjid = p.relation
                          join pg_attribute as a on a.attrelid = p.relation and a.attnum = d.refobjsubid
                          join modelpack.score as s on s.profile_id = p.profile_id and a.attname = s.score || '_stale'
                         where i.indrelid = p.relation and i.indisvalid and i.indpred is not null);
    for v_event in select e from jsonb_array_elements(p.declaration -> 'events') as e loop
      v_relation := to_regclass(modelpack.qualified(v_event ->> 'table'));
      v_key := array(select jsonb_array_elements_text(coalesce(nullif(v_event -> 'key', 'null'), p.declaration -> 'key')));
      if v_relation is null or exists (select from modelpack.misplaced(p.profile_id) as m where m.declared = modelpack.qualified(v_event ->> 'table')) then
        return query
        select 'fail', format('event table %s of %s', v_event ->> 'table', p.name),
               coalesce((select format('it is called %s now', m.relation)
                           from modelpack.misplaced(p.profile_id) as m join pg_class as c on c.oid = m.relation
                          where m.declared = modelpack.qualified(v_event ->> 'table')), 'it was dropped')
               || case when v_relation is null then '' else ', and another table has its name, whose rows are not counted' end,
               'the table of the declaration',
               case when v_relation is null then 'rename it back; or take the event out of the declaration, or declare the new name, and modelpack apply'
                    else 'modelpack apply DECLARATION, which counts the table that has the name now in its place; or rename both tables back' end;
        continue;
      end if;
      return query
      select 'fail', format('column of %s', v_relation), format('%s is missing, which features of %s read', w.name, p.name), 'every column of the declaration',
             format('alter table %s rename column ... to %I; where it was renamed, else change the declaration and apply', v_relation, w.name)
        from (select unnest(v_key) as name
              union select v_event ->> 'at'
              union select f ->> 'column' from jsonb_array_elements(v_event -> 'features') as f) as w
       where w.name is not null
         and not exists (select from pg_attribute as a where a.attrelid = v_relation and a.attname = w.name and not a.attisdropped)
       order by 3;
      return query
      select 'fail', format('column of %s', v_relation), format('%s is a virtual generated column, which triggers see as NULL', w.name),
             'columns that are stored',
             format('drop %I and add it again, generated always as (...) stored; then call modelpack.rebuild(%L);', w.name, p.relation::text)
        from (select unnest(v_key) as name
              union select v_event ->> 'at'
              union select f ->> 'column' from jsonb_array_elements(v_event -> 'features') as f) as w
        join pg_attribute as a on a.attrelid = v_relation and a.attname = w.name and a.attgenerated = 'v'
       order by 3;
      return query
      select 'warn', format('index of %s', v_relation), format('none starts with (%s)', array_to_string(v_key, ', ')),
             'an index, so that reading features again does not read the whole table',
             format('create index concurrently on %s (%s);', v_relation, (select string_agg(format('%I', k), ', ') from unnest(v_key) as k))
       where not exists (
               select from pg_index as i
                where i.indrelid = v_relation and i.indisvalid and i.indpred is null and i.indexprs is null
                  and (select array_agg(a.attname::text order by a.attname)
                         from unnest(i.indkey::smallint[]) with ordinality as k (attnum, place)
                         join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
                        where k.place <= cardinality(v_key)) = (select array_agg(k order by k) from unnest(v_key) as k));
    end loop;
  end loop;
end
$modelpack$;
comment on function modelpack.examine_tables() is
  'Tables, columns, indexes and rights of all profiles, against their declarations. No row: all is right.';
