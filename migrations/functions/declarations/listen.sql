create or replace function modelpack.listen(profile regclass, every boolean default false, runner regrole default null) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $modelpack$
-- Runs as a superuser, since whoever promotes need not own the table. Triggers that are there fire at other columns; they
-- run the functions that they ran, as whom they ran.
declare
  v_trigger record;
  v_columns text[];
begin
  perform set_config('modelpack.listening', 'on', true);
  for v_trigger in
    select h.*, t.tgenabled as enabled, t.tgtype::integer & 4 = 4 as inserts
      from modelpack.heard(listen.profile, listen.every, listen.runner) as h
      join pg_trigger as t on t.tgrelid = listen.profile and t.tgname = h.trigger_name
     order by 1
  loop
    -- columns that no version reads any more may be read by one that is promoted back
    v_columns := case when v_trigger.wanted = '{}' then '{}'
                      else array(select c from unnest(v_trigger.wanted || v_trigger.listed) as c group by c order by c) end;
    if v_columns <> v_trigger.listed or not v_trigger.is_told then
      execute format('create or replace trigger %I before %s on %s for each row execute function modelpack.%I(%s)',
        v_trigger.trigger_name,
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
  perform set_config('modelpack.listening', '', true);
end
$modelpack$;
comment on function modelpack.listen(regclass, boolean, regrole) is
  'Has the triggers of a profile fire at UPDATEs of the columns that they have to see: applying a declaration and promoting do it. PostgreSQL refuses to drop or to retype a column that a trigger names: first, in the same transaction, select modelpack.listen(''customer'', every => true), by which they fire at any UPDATE until the next ALTER TABLE is done.';
revoke all on function modelpack.listen(regclass, boolean, regrole) from public;
