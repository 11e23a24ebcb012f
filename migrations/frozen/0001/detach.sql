create or replace function modelpack.detach(relation text) returns void
language plpgsql security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Takes back what attaching did: triggers, functions, and the columns and indexes that it added.
declare
  v_profile modelpack.profile;
  v_item record;
begin
  -- before any row of it, as whoever applies a declaration does
  perform modelpack.alone();
  v_profile := modelpack.hold_profile(to_regclass(detach.relation));
  if v_profile.profile_id is null then
    raise exception using
      errcode = 'undefined_object',
      message = format('%s has no declaration', detach.relation),
      hint = 'select name from modelpack.profile lists those that have one.';
  end if;
  perform modelpack.lock_tables(
            array(select a.relation from modelpack.attached_tables() as a
                   where a.profile = v_profile.relation and a.is_event and a.relation is not null),
            v_profile.relation, 'access exclusive');
  perform modelpack.disarm(v_profile.relation, v_profile.stem);
  -- the names are looked up, not pasted: who may write the declarations is not who may run any SQL here
  for v_item in
    select distinct i.indexrelid as index
      from unnest(v_profile.added_indexes) as n (name) join pg_index as i on i.indexrelid = to_regclass(n.name)
     where i.indrelid in (select a.relation from modelpack.attached_tables() as a where a.profile = v_profile.relation)
  loop
    perform modelpack.drop_object(format('drop index %s', v_item.index::regclass), 'pg_class', v_item.index);
  end loop;
  for v_item in
    select a.attname, a.attnum from unnest(v_profile.added_columns) as c (name)
      join pg_attribute as a on a.attrelid = v_profile.relation and a.attname = c.name and not a.attisdropped
  loop
    perform modelpack.drop_object(format('alter table %s drop column %I', v_profile.relation, v_item.attname), 'pg_class', v_profile.relation, v_item.attnum);
  end loop;
  delete from modelpack.profile as p where p.profile_id = v_profile.profile_id;
  delete from modelpack.ignored as i where i.profile = v_profile.name;
  perform modelpack.revoke_access();
  -- see modelpack.lock_tables
  if current_setting('modelpack.lock_timeout', true) <> '' then
    perform set_config('lock_timeout', current_setting('modelpack.lock_timeout'), true), set_config('modelpack.lock_timeout', '', true);
  end if;
end
$modelpack$;
comment on function modelpack.detach(text) is
  'Takes a declaration off its tables: triggers, generated functions, and the columns and indexes that attaching added. Events and the user''s own columns stay.';
