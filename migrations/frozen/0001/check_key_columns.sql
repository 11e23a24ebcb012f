create or replace function modelpack.check_key_columns(profile text, key_columns text[], event text default null, event_columns text[] default null)
returns void
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Keys are compared, grouped, ordered and met by the equality of their type, and found by an index on either side. So both
-- columns have one type, or two that share one equality, one order and one hash.
declare
  v_place integer;
  v_mine record;
  v_its record;
  v_schema text;
  v_folds boolean;
  v_lossy boolean;
begin
  for v_place in 1 .. cardinality(key_columns) loop
    v_mine := modelpack.column_type(profile::regclass, key_columns[v_place]);
    select n.nspname, t.typname = 'citext'
      into v_schema, v_folds
      from pg_type as t
      join pg_namespace as n on n.oid = t.typnamespace
     where t.oid = v_mine.type
       and t.typtype = 'b' and t.typcategory <> 'A' and n.nspname <> 'pg_catalog';
    if v_schema is not null then
      raise exception using
        errcode = 'datatype_mismatch',
        message = format('the key %s.%I is %s, a type of the schema %s, whose equality the triggers cannot see', profile, key_columns[v_place],
                         v_mine.shown, v_schema),
        hint = format('Expected a key of a built-in type such as bigint, uuid or text: alter table %s alter column %I type text%s.',
                      profile, key_columns[v_place],
                      case when v_folds then format(' using lower(%I::text), the same for its event tables, and write keys in lower case from then on',
                                                    key_columns[v_place]) end);
    end if;
    -- one customer has to have one text, and money and the like have no hash, by which sessions meet
    if exists (select from pg_type as t where t.oid = v_mine.type and (t.typtype not in ('b', 'e') or t.typcategory = 'A'))
       or v_mine.type in ('json'::regtype, 'jsonb'::regtype)
       or not exists (select from pg_type as t
                        join pg_opclass as o on o.opcdefault
                                            and o.opcintype = case when t.typtype = 'e' then 'anyenum'::regtype
                                                                   when t.oid = 'varchar'::regtype then 'text'::regtype
                                                                   when t.oid = 'cidr'::regtype then 'inet'::regtype else t.oid end
                        join pg_am as a on a.oid = o.opcmethod and a.amname = 'hash'
                       where t.oid = v_mine.type) then
      raise exception using
        errcode = 'datatype_mismatch',
        message = format('the key %s.%I is %s, a type that has no hash or whose values have parts', profile, key_columns[v_place], v_mine.shown),
        hint = format('Expected a key of a simple built-in type such as bigint, uuid or text: alter table %s alter column %I type text.',
                      profile, key_columns[v_place]);
    end if;
    if exists (select from pg_collation as c where c.oid = v_mine.collation_id and not c.collisdeterministic) then
      raise exception using
        errcode = 'datatype_mismatch',
        message = format('the key %s.%I has the collation %s, which calls different texts equal', profile, key_columns[v_place],
                         v_mine.collation_id::regcollation),
        detail = 'The prediction log names a customer by text.',
        hint = format('alter table %s alter column %I type %s collate "C"; write keys that are the same in one form, such as lower case.',
                      profile, key_columns[v_place], v_mine.shown);
    end if;
    continue when event is null;

    v_its := modelpack.column_type(event::regclass, event_columns[v_place]);
    select t.typname = 'citext' and n.nspname <> 'pg_catalog' into v_folds
      from pg_type as t join pg_namespace as n on n.oid = t.typnamespace where t.oid = v_its.type;
    if v_mine.type <> v_its.type
       and not (v_mine.type in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) and v_its.type in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype))
       and not (v_mine.type in ('text'::regtype, 'varchar'::regtype) and v_its.type in ('text'::regtype, 'varchar'::regtype)) then
      raise exception using
        errcode = 'datatype_mismatch',
        message = format('%s.%I is %s and %s.%I is %s: they cannot be compared by one equality and one index', event, event_columns[v_place],
                         v_its.shown, profile, key_columns[v_place], v_mine.shown),
        hint = format('Give them the same type: alter table %s alter column %I type %s%s', event, event_columns[v_place], v_mine.shown,
                      case when v_folds and v_mine.type in ('text'::regtype, 'varchar'::regtype)
                           then format(' using lower(%I::text), and write keys in lower case from then on', event_columns[v_place]) end);
    end if;
    -- a new profile would get another key than its event has
    v_lossy := case
      when v_mine.modifier in (-1, v_its.modifier) then false
      -- digits after the point, which a modifier keeps in eleven bits
      when v_mine.type = 'numeric'::regtype then v_its.modifier = -1 or ((v_its.modifier - 4) & 2047) <> ((v_mine.modifier - 4) & 2047)
      else v_mine.type in ('timestamp'::regtype, 'timestamptz'::regtype, 'time'::regtype, 'timetz'::regtype, 'interval'::regtype) end;
    if v_lossy then
      raise exception using
        errcode = 'datatype_mismatch',
        message = format('%s.%I is %s and %s.%I is %s: a key of the one would be rounded to be one of the other', event, event_columns[v_place],
                         v_its.shown, profile, key_columns[v_place], v_mine.shown),
        hint = format('Give them the same type: alter table %s alter column %I type %s', event, event_columns[v_place], v_mine.shown);
    end if;
    if v_mine.collation_id <> v_its.collation_id then
      raise exception using
        errcode = 'collation_mismatch',
        message = format('%s.%I has the collation %s and %s.%I has %s: no index could serve both', event, event_columns[v_place],
                         v_its.collation_id::regcollation, profile, key_columns[v_place], v_mine.collation_id::regcollation),
        hint = format('alter table %s alter column %I type %s collate %s', event, event_columns[v_place], v_its.shown, v_mine.collation_id::regcollation);
    end if;
  end loop;
end
$modelpack$;
comment on function modelpack.check_key_columns(text, text[], text, text[]) is
  'Refuses a key of a profile, or of one of its event tables, that the triggers could not compare, order and meet by one equality.';
