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
                          format('select modelpack.forget(%L);', p.name);
      continue;
    end if;
    -- before any name is looked up: without USAGE even that fails
    return query
    select 'fail', format('rights on %s', p.name), format('modelpack_owner has no USAGE on the schema %s', n.nspname), 'usage',
           format('grant usage on schema %I to modelpack_owner;', n.nspname)
      from (select c.relnamespace from pg_class as c
             where c.oid = p.relation or c.oid in (select m.relation from modelpack.made as m where m.profile_id = p.profile_id)
             group by c.relnamespace) as u
      join pg_namespace as n on n.oid = u.relnamespace
     where not has_schema_privilege('modelpack_owner', n.oid, 'USAGE')
     order by 3;
    if found then
      continue;
    end if;
    if to_regclass(p.name) is distinct from p.relation then
      return query select 'fail', format('profile table %s', p.name), format('it is called %s now', p.relation), 'the name in the declaration',
                          case when exists (select from modelpack.misplaced(p.profile_id) as m where m.declared = p.name and m.taken)
                               then format('select modelpack.detach(%L); then modelpack apply DECLARATION for the table that has the name now, which counts its features anew; or rename both tables back', p.relation::text)
                               else format('alter table %s rename to %I; or declare the new name and apply', p.relation, substring(p.name from '[^.]+$')) end;
      continue;
    end if;
    return query
    select 'fail', format('column of %s', p.name), format('%s is missing', w.name), 'every column that modelpack keeps',
           format('alter table %s rename column … to %I; where it was renamed, else modelpack remove and apply', p.relation, w.name)
      from (select unnest(p.maintained) as name
            union
            select s.score || x from modelpack.score as s, unnest(array['', '_version', '_scored_at', '_stale']) as x
             where s.profile_id = p.profile_id) as w
     where not exists (select from pg_attribute as a where a.attrelid = p.relation and a.attname = w.name and not a.attisdropped)
     order by 3;
    return query
    select 'fail', format('rights on %s', p.name), format('modelpack_owner has no %s', r.name), 'select, insert and update',
           format('select modelpack.grant_access(%L, true);', p.relation::text)
      from unnest(array['SELECT', 'INSERT', 'UPDATE']) as r (name)
     where not has_table_privilege('modelpack_owner', p.relation, r.name);
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
             format('alter table %s rename column … to %I; where it was renamed, else change the declaration and apply', v_relation, w.name)
        from (select unnest(v_key) as name
              union select v_event ->> 'at'
              union select f ->> 'column' from jsonb_array_elements(v_event -> 'features') as f) as w
       where w.name is not null
         and not exists (select from pg_attribute as a where a.attrelid = v_relation and a.attname = w.name and not a.attisdropped)
       order by 3;
      return query
      select 'fail', format('rights on %s', v_relation), 'modelpack_owner has no SELECT', 'select',
             format('select modelpack.grant_access(%L, false);', v_relation::text)
       where not has_table_privilege('modelpack_owner', v_relation, 'SELECT');
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
