create or replace function modelpack.follow_triggers() returns event_trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
declare
  v_profile regclass;
  v_found record;
begin
  if tg_event = 'sql_drop' then
    select d.address_names[3] as name, m.relation into v_found
      from pg_event_trigger_dropped_objects() as d
      join modelpack.made as m on m.kind = 'trigger' and m.object = d.address_names[3]
      join modelpack.profile as p on p.profile_id = m.profile_id and p.relation = m.relation
      join pg_class as c on c.oid = m.relation
      join pg_namespace as n on n.oid = c.relnamespace
     where d.object_type = 'trigger' and not d.original and d.address_names[1] = n.nspname and d.address_names[2] = c.relname
     limit 1;
    if found then
      raise exception using
        errcode = 'dependent_objects_still_exist',
        message = format('the trigger %I of %s fires at UPDATEs of a column that is dropped, and would be gone with it', v_found.name, v_found.relation),
        detail = 'Rows would be written without their scores.',
        hint = format('In one transaction: select modelpack.listen(%L, every => true); then drop the column without CASCADE. Before that, take it out of the declaration and promote a version that does not read it.',
                      v_found.relation::text);
    end if;
    -- a version before may be fed from a column that is gone, and no row could be scored; where the champion is, this refuses it
    for v_profile in
      select distinct p.relation
        from pg_event_trigger_dropped_objects() as d
        join modelpack.profile as p on p.relation = d.objid
        join modelpack.made as m on m.profile_id = p.profile_id and m.kind = 'seam' and m.object not in (p.stem || '_with', p.stem || '_shaped')
        join pg_proc as f on f.pronamespace = 'modelpack'::regnamespace and f.proname = m.object
       where d.object_type = 'table column' and position(format('p.%I', d.address_names[3]) in f.prosrc) > 0
         and exists (select from modelpack.heard(p.relation))  -- not while a declaration is taken off or replaced
    loop
      perform modelpack.bind(v_profile);
    end loop;
    return;
  end if;
  for v_profile in
    select p.relation
      from modelpack.profile as p
     where exists (select from pg_event_trigger_ddl_commands() as d
                     left join pg_trigger as t on d.classid = 'pg_trigger'::regclass and t.oid = d.objid
                     left join pg_proc as f on f.oid = t.tgfoid
                    where f.pronamespace is distinct from 'modelpack'::regnamespace
                      and (coalesce(t.tgrelid, d.objid) = p.relation
                           or coalesce(t.tgrelid, d.objid) in (select n.relid from pg_partition_tree(p.relation) as n)))
       and exists (select from pg_class as c where c.oid = p.relation)
       -- modelpack.listen itself is not to have them fire at fewer columns than it was asked for. Anybody may set that: then they
       -- fire at more than they have to
       and exists (select from modelpack.heard(p.relation) as h
                    where not h.fits and (h.own is not null or current_setting('modelpack.listening', true) is distinct from 'on'))
     order by 1
  loop
    perform modelpack.listen(v_profile);
  end loop;
end
$modelpack$;
comment on function modelpack.follow_triggers() is
  'Event trigger: the triggers of a profile fire at every UPDATE where a BEFORE trigger of the user''s own may change what he did not name; and they do not go with a column, which no version is fed from any more.';
drop event trigger if exists modelpack_triggers;
create event trigger modelpack_triggers on ddl_command_end when tag in ('CREATE TRIGGER', 'ALTER TABLE')
  execute function modelpack.follow_triggers();
comment on event trigger modelpack_triggers is 'keeps scores fresh where a profile has BEFORE triggers of its own';
drop event trigger if exists modelpack_triggers_drop;
create event trigger modelpack_triggers_drop on sql_drop
  when tag in ('ALTER TABLE', 'ALTER TYPE', 'DROP TYPE', 'DROP DOMAIN', 'DROP EXTENSION', 'DROP SCHEMA', 'DROP OWNED')
  execute function modelpack.follow_triggers();
comment on event trigger modelpack_triggers_drop is 'keeps the triggers of a profile from going with a column';
