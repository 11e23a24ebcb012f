create or replace function modelpack.exchange_columns(relation text, dropped text[], wanted text[]) returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Drops columns that attaching added, and notes those that are about to be added. What is dropped and wanted is made anew.
declare
  v_profile constant modelpack.profile := modelpack.get_profile(exchange_columns.relation::regclass);
  v_columns constant name[] := array(
    select a.attname from pg_attribute as a
     where a.attrelid = v_profile.relation and not a.attisdropped and a.attname = any (exchange_columns.dropped) and a.attname = any (v_profile.added_columns));
begin
  if v_columns <> '{}' then
    begin  -- all at once, while the table is locked; what depends on one is looked for only where there is something
      execute format('alter table %s %s', v_profile.relation,
                     (select string_agg(format('drop column %I', c.name), ', ') from unnest(v_columns) as c (name)));
    exception when dependent_objects_still_exist then
      perform modelpack.drop_object(format('alter table %s drop column %I', v_profile.relation, a.attname), 'pg_class', a.attrelid, a.attnum)
         from pg_attribute as a where a.attrelid = v_profile.relation and a.attname = any (v_columns) and not a.attisdropped;
    end;
  end if;
  update modelpack.profile as p
     set added_columns = array(select c from unnest(v_profile.added_columns) as c where c <> all (exchange_columns.dropped))
                         || array(select w.name
                                    from unnest(exchange_columns.wanted) with ordinality as w (name, place)
                                   where not exists (select from pg_attribute as a
                                                      where a.attrelid = v_profile.relation and a.attname = w.name and not a.attisdropped)
                                   order by w.place)
   where p.profile_id = v_profile.profile_id;
end
$modelpack$;
comment on function modelpack.exchange_columns(text, text[], text[]) is
  'Drops columns of a profile that a declaration added and a changed one does not want, and notes those that it is going to add; a step of replacing.';
