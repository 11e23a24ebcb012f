create or replace function modelpack.listen(profile regclass, every boolean default false) returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $modelpack$
-- Runs as its caller, who makes triggers by his own rights: the owner of the table, to whom their functions belong, too. Triggers
-- that are there fire at other columns; they run the functions that they ran, as whom they ran.
declare
  v_owner constant regrole := (select c.relowner from pg_class as c where c.oid = listen.profile);
  v_before constant text := current_setting('modelpack.listening', true);
  v_trigger record;
  v_columns text[];
begin
  if not pg_has_role(v_owner, 'usage') then
    if not pg_has_role('modelpack_owner', 'usage') then
      raise exception using
        errcode = 'insufficient_privilege',
        message = format('the triggers of %s are not for %I to change', listen.profile, current_user),
        hint = format('Call modelpack.listen as %s, or as a member of modelpack_owner.', v_owner);
    end if;
    perform modelpack.listen_for(listen.profile, listen.every);
    return;
  end if;
  -- see modelpack.follow_triggers
  perform set_config('modelpack.listening', 'on', true);
  for v_trigger in
    select h.*, t.tgenabled as enabled, t.tgtype::integer & 4 = 4 as inserts,
           case when t.tgtype::integer & 2 = 2 then 'before' else 'after' end as "when"
      from modelpack.heard(listen.profile, listen.every) as h
      join pg_trigger as t on t.tgrelid = listen.profile and t.tgname = h.trigger_name
     order by 1
  loop
    -- columns that no version reads any more may be read by one that is promoted back
    v_columns := case when v_trigger.wanted = '{}' then '{}'
                      else array(select c from unnest(v_trigger.wanted || v_trigger.listed) as c group by c order by c) end;
    if v_columns <> v_trigger.listed or not v_trigger.is_told then
      execute format('create or replace trigger %I %s %s on %s for each row execute function modelpack.%I(%s)',
        v_trigger.trigger_name, v_trigger."when",
        case when v_trigger.inserts then 'insert or ' else '' end || 'update'
        || coalesce(' of ' || (select string_agg(format('%I', c), ', ') from unnest(v_columns) as c), ''),
        listen.profile, v_trigger.function,
        (select string_agg(format('%L', a.told), ', ' order by a.place) from unnest(v_trigger.told) with ordinality as a (told, place)));
      if v_trigger.enabled <> 'O' then
        execute format('alter table %s %s trigger %I', listen.profile,
                       case v_trigger.enabled when 'D' then 'disable' when 'R' then 'enable replica' else 'enable always' end, v_trigger.trigger_name);
      end if;
    end if;
  end loop;
  if not found then
    raise exception using
      errcode = 'undefined_object',
      message = format('%s has no triggers that score its rows', listen.profile),
      hint = 'Name the profile table of a declaration. select * from modelpack.doctor() says where triggers are missing.';
  end if;
  perform set_config('modelpack.listening', coalesce(v_before, ''), true);
end
$modelpack$;
comment on function modelpack.listen(regclass, boolean) is
  'Has the triggers of a profile fire at UPDATEs of the columns that they have to see: applying a declaration and promoting do it. PostgreSQL refuses to drop or to retype a column that a trigger names: first, in the same transaction, select modelpack.listen(''customer'', every => true), by which they fire at any UPDATE until the next ALTER TABLE is done. For the owner of the table and members of modelpack_owner.';
revoke all on function modelpack.listen(regclass, boolean) from public;
