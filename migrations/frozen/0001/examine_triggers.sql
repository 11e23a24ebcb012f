create or replace function modelpack.examine_triggers() returns table (status text, "check" text, found text, expected text, mend text)
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  p modelpack.profile;
  v_last text;
begin
  return query
  select 'fail', format('event trigger %s', w.name), case when t.oid is null then 'it is missing' else 'it is disabled' end,
         'enabled: it ' || w.purpose,
         case when t.oid is null then format('create event trigger %I on %s;', w.name, w.made) else format('alter event trigger %I enable;', w.name) end
    from (values ('modelpack_shipped', 'refuses to change what superusers run',
                  $$ddl_command_end when tag in ('CREATE FUNCTION', 'ALTER FUNCTION', 'CREATE PROCEDURE', 'ALTER PROCEDURE', 'ALTER ROUTINE', 'CREATE TRIGGER', 'CREATE RULE', 'CREATE POLICY', 'CREATE TABLE', 'ALTER TABLE', 'CREATE INDEX') execute function modelpack.keep_shipped()$$),
                 ('modelpack_shipped_drop', 'refuses to drop what superusers run', 'sql_drop execute function modelpack.keep_shipped()'),
                 ('modelpack_partitions', 'keeps features exact when partitions of event tables come and go',
                  $$ddl_command_end when tag in ('CREATE TABLE', 'ALTER TABLE', 'CREATE SCHEMA') execute function modelpack.follow_partitions()$$),
                 ('modelpack_alone', 'keeps rows from coming into event and profile tables past their triggers',
                  $$ddl_command_end when tag in ('CREATE TABLE', 'ALTER TABLE', 'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE', 'CREATE SCHEMA', 'IMPORT FOREIGN SCHEMA') execute function modelpack.keep_alone()$$),
                 ('modelpack_dropped', 'keeps features exact when a partition is dropped',
                  $$sql_drop when tag in ('DROP TABLE', 'DROP SCHEMA', 'DROP OWNED') execute function modelpack.recount_dropped()$$),
                 ('modelpack_altered', 'lets open sessions go on after a column got another type',
                  $$ddl_command_end when tag in ('ALTER TABLE', 'ALTER TYPE') execute function modelpack.recompile_altered()$$),
                 ('modelpack_triggers', 'keeps scores fresh where a profile has BEFORE triggers of its own',
                  $$ddl_command_end when tag in ('CREATE TRIGGER', 'ALTER TABLE') execute function modelpack.follow_triggers()$$),
                 ('modelpack_triggers_drop', 'keeps the triggers of a profile from going with a column',
                  $$sql_drop when tag in ('ALTER TABLE', 'ALTER TYPE', 'DROP TYPE', 'DROP DOMAIN', 'DROP EXTENSION', 'DROP SCHEMA', 'DROP OWNED') execute function modelpack.follow_triggers()$$),
                 ('modelpack_swapped', 'warns whoever gives another relation the name of a table that is counted',
                  $$ddl_command_end when tag in ('ALTER TABLE', 'ALTER VIEW', 'ALTER MATERIALIZED VIEW', 'ALTER FOREIGN TABLE', 'ALTER SCHEMA', 'CREATE SCHEMA', 'CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'CREATE VIEW', 'CREATE MATERIALIZED VIEW', 'CREATE FOREIGN TABLE', 'IMPORT FOREIGN SCHEMA') execute function modelpack.warn_swapped()$$),
                 ('modelpack_functions', 'keeps the owner of a profile table from changing functions that others call',
                  $$ddl_command_end when tag in ('ALTER FUNCTION', 'ALTER PROCEDURE', 'ALTER ROUTINE', 'CREATE FUNCTION', 'CREATE PROCEDURE') execute function modelpack.keep_functions()$$),
                 ('modelpack_owners', 'keeps the functions of a profile with the owner of its table, who has to see all rows',
                  $$ddl_command_end when tag in ('ALTER TABLE') execute function modelpack.keep_owners()$$)) as w (name, purpose, made)
    left join pg_event_trigger as t on t.evtname = w.name
   where t.oid is null or t.evtenabled not in ('O', 'A')
   order by 2;
  for p in select * from modelpack.profile as q where exists (select from pg_class as c where c.oid = q.relation) order by q.name loop
    -- what attaching made, against what is there
    return query
    select 'fail', format('trigger of %s', p.name),
           case when t.oid is null then format('%s on %s is missing', m.object, m.relation)
                when t.tgenabled not in ('O', 'A') then format('%s on %s is disabled', m.object, m.relation)
                else format('%s on %s runs %s', m.object, m.relation, t.tgfoid::regprocedure) end,
           format('enabled, as it was made (modelpack.%s())', split_part(m.definition, ' ', 2)),
           case when t.oid is not null and t.tgenabled not in ('O', 'A')
                then format('alter table %s enable trigger %I; call modelpack.rebuild(%L);', m.relation, m.object, p.relation::text)
                else format('modelpack remove DECLARATION, then modelpack apply DECLARATION (%s)', p.name) end
      from modelpack.made as m
      left join pg_trigger as t on t.tgrelid = m.relation and t.tgname = m.object and not t.tgisinternal
      left join pg_proc as f on f.oid = t.tgfoid and f.pronamespace = 'modelpack'::regnamespace
     where m.profile_id = p.profile_id and m.kind = 'trigger'
       and exists (select from pg_class as c where c.oid = m.relation)
       and (t.oid is null or t.tgenabled not in ('O', 'A') or m.definition <> t.tgtype || ' ' || f.proname is not false)
     order by m.object;
    -- columns at whose UPDATE they have to fire
    return query
    select 'fail', format('trigger of %s', p.name),
           case when not h.is_told then format('%s is not told %s', h.trigger_name, array_to_string(h.told, ', '))
                when h.wanted = '{}' then format('%s fires at UPDATEs of some columns, and %s may change others', h.trigger_name, h.own)
                when h.listed <> '{}' then format('%s does not fire at UPDATEs of %s', h.trigger_name,
                                                  (select string_agg(c, ', ') from unnest(h.wanted) as c where c <> all (h.listed)))
                else format('%s fires at UPDATEs of any column', h.trigger_name) end,
           'it fires where a score may have to be another', format('select modelpack.listen(%L);', p.relation::text)
      from modelpack.heard(p.relation) as h
     where not h.fits
     order by h.trigger_name;
    return query
    select 'fail', format('function of %s', p.name),
           format(case when f.oid is null then 'modelpack.%s() is missing' else 'modelpack.%s() was changed by hand' end, m.object),
           'the text that the declaration generates',
           format('modelpack remove DECLARATION, then modelpack apply DECLARATION (%s)', p.name)
      from modelpack.made as m
      left join pg_proc as f on f.pronamespace = 'modelpack'::regnamespace and f.proname = m.object
     where m.profile_id = p.profile_id and m.kind in ('function', 'seam', 'switch', 'room') and md5(f.prosrc) is distinct from m.definition
     order by m.object;
    return query
    select 'fail', format('function of %s', p.name), format('%s belongs to %s', m.object, f.proowner::regrole), format('it is %s''s', w.role),
           format('select modelpack.run_as(%L);', p.relation::text)
      from modelpack.made as m
      join pg_proc as f on f.pronamespace = 'modelpack'::regnamespace and f.proname = m.object
     cross join lateral (select case when m.kind = 'function' then modelpack.runs_as(p.relation) else 'modelpack_owner'::regrole end as role) as w
     where m.profile_id = p.profile_id and m.kind in ('function', 'seam', 'switch', 'room') and f.proowner <> w.role
     order by m.object;
    if not exists (select from modelpack.made as m where m.profile_id = p.profile_id) then
      return query select 'fail', format('trigger of %s', p.name), 'nothing is recorded', 'triggers and functions as they were made',
                          format('select modelpack.seal(%L);', p.relation::text);
    end if;
    -- a BEFORE trigger after ours sees the score, and may change what was scored
    select max(m.object) into v_last from modelpack.made as m where m.profile_id = p.profile_id and m.relation = p.relation and starts_with(m.object, 'zz_modelpack');
    return query
    select 'warn', format('order of triggers of %s', p.name),
           format('%I runs after the score trigger %I', t.tgname, v_last),
           'the score trigger is the last BEFORE trigger by name',
           format('alter trigger %I on %s rename to %I;', t.tgname, p.relation, 'a_' || t.tgname)
      from pg_trigger as t
     where t.tgrelid = p.relation and not t.tgisinternal and t.tgenabled in ('O', 'A')
       and t.tgtype::integer & 1 = 1 and t.tgtype::integer & 2 = 2 and t.tgtype::integer & 20 <> 0
       and t.tgname collate "C" > v_last collate "C";
    -- partitions that rows can be inserted straight into
    return query
    select 'fail', format('partitions of %s', e.relation), format('%s lacks triggers', n.relid::regclass),
           'the triggers of its parent', format('select modelpack.cover_partitions(%L); call modelpack.rebuild(%L);', e.relation, p.relation::text)
      from (select distinct m.relation from modelpack.made as m
             where m.profile_id = p.profile_id and m.kind = 'trigger' and m.relation <> p.relation
               and exists (select from pg_class as c where c.oid = m.relation and c.relkind = 'p')) as e
     cross join lateral pg_partition_tree(e.relation) as n
     where n.level > 0
       and exists (select from modelpack.made as m
                    where m.profile_id = p.profile_id and m.kind = 'trigger' and m.relation = e.relation
                      and not exists (select from pg_trigger as t where t.tgrelid = n.relid and t.tgname = m.object));
  end loop;
end
$modelpack$;
comment on function modelpack.examine_triggers() is
  'Triggers, functions and partitions of all profiles, against what attaching made. No row: all is right.';
