create or replace function modelpack.shape(profile modelpack.profile) returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $modelpack$
-- A version is fed from a row of the table, with all columns that it has by now. COUNT, which knows the features alone, has
-- such a row made, where every column still has the type that its features have. A function takes a hundred arguments: many
-- features are put into the row by several functions, one after the other.
declare
  v_most constant integer := 90;
  v_fit boolean;
  v_part record;
  v_with text[] := '{}';
  v_former oid;
begin
  with declared as (
    select e.value ->> 'table' as events, e.value ->> 'at' as at, f.value ->> 'name' as name, f.value ->> 'kind' as kind,
           f.value ->> 'column' as of, f.value ? 'window' as windowed
      from jsonb_array_elements(shape.profile.declaration -> 'events') as e cross join jsonb_array_elements(e.value -> 'features') as f
  ), expected as (
    select d.name || c.suffix as name, c.type::regtype as type
      from declared as d
      join (values ('', '{count,distinct}'::text[], 'bigint'), ('', '{total}', 'numeric'), ('', '{mean,deviation,decayed}', 'double precision'),
                   ('_n', '{mean,deviation}', 'bigint'), ('_sum', '{mean,deviation}', 'numeric'), ('_squares', '{deviation}', 'numeric'),
                   ('_ahead', '{decayed}', 'timestamptz')) as c (suffix, kinds, type) on d.kind = any (c.kinds)
     where not d.windowed or c.suffix = ''
    union all
    -- a copy has the type of what it is a copy of
    select d.name || c.suffix, a.atttypid
      from declared as d
     cross join lateral (values ('', d.of), ('_at', case when d.kind in ('first', 'last') then d.at end)) as c (suffix, name)
      join pg_attribute as a on a.attrelid = to_regclass(modelpack.qualified(d.events)) and a.attname = c.name and a.attnum > 0 and not a.attisdropped
     where d.kind in ('minimum', 'maximum', 'first', 'last')
  )
  select coalesce(bool_and(exists (select from expected as x where x.name = m.name and x.type = a.atttypid)), false)
    into v_fit
    from unnest(shape.profile.maintained) as m (name)
    left join pg_attribute as a on a.attrelid = shape.profile.relation and a.attname = m.name and not a.attisdropped;
  perform modelpack.put_function(shape.profile, shape.profile.stem || '_shaped', '', 'boolean', 'sql stable security invoker', 'select ' || v_fit::text,
    format('Whether the columns of %s have the types that features have, so that many rows can be scored together.', shape.profile.name));
  for v_part in
    select shape.profile.stem || '_with' || coalesce('_' || nullif(f.part, 1), '') as name, f.part,
           string_agg(format(', f%s %s', f.place, f.type), '' order by f.place) as arguments, string_agg(f.type, ',' order by f.place) as types,
           array_agg(f.name order by f.place) as features
      from (select m.name, m.place, (m.place - 1) / v_most + 1 as part, format_type(a.atttypid, null) as type
              from unnest(shape.profile.maintained) with ordinality as m (name, place)
              join pg_attribute as a on a.attrelid = shape.profile.relation and a.attname = m.name and not a.attisdropped) as f
     where v_fit
     group by f.part
     order by f.part
  loop
    perform modelpack.put_function(shape.profile, v_part.name, 'p anyelement' || v_part.arguments, 'anyelement', 'sql stable security invoker',
      format('select row(%s)::%s',
             (select string_agg(l.columns, E',\n  ' order by l.line)
                from (select string_agg(c.sql, ', ' order by c.attnum) as columns, c.line
                        from (select o.sql, o.attnum, sum(length(o.sql) + 2) over (order by o.attnum) / 80 as line
                                from (select coalesce('f' || m.place, format('p.%I', a.attname)) as sql, a.attnum
                                        from pg_attribute as a
                                        left join unnest(shape.profile.maintained) with ordinality as m (name, place)
                                          on m.name = a.attname and m.name = any (v_part.features)
                                       where a.attrelid = shape.profile.relation and a.attnum > 0 and not a.attisdropped) as o) as c
                       group by c.line) as l),
             shape.profile.name),
      format('A row of %s with other features: %s.', shape.profile.name, array_to_string(v_part.features, ', ')));
    v_with := v_with || format('%s(%s)', v_part.name, v_part.types);
  end loop;
  -- one of other types, or of none
  for v_former in
    select f.oid from pg_proc as f
     where f.pronamespace = 'modelpack'::regnamespace and f.proname ~ ('^' || shape.profile.stem || '_with(_[0-9]+)?$')
       and format('%s(%s)', f.proname,
                  array_to_string(array(select format_type(a.type, null) from unnest(f.proargtypes) with ordinality as a (type, place) order by a.place offset 1), ','))
           <> all (v_with)
  loop
    delete from modelpack.made as m
     where m.profile_id = shape.profile.profile_id and m.kind = 'seam'
       and m.object = (select f.proname from pg_proc as f where f.oid = v_former) and not exists (
             select from unnest(v_with) as w where starts_with(w, m.object || '('));
    perform modelpack.drop_object(format('drop function %s', v_former::regprocedure), 'pg_proc', v_former);
  end loop;
end
$modelpack$;
comment on function modelpack.shape(modelpack.profile) is
  'Writes the functions that make a row of a profile with other features, for rows that are scored together; a step of modelpack.bind, and of what happens when a table is altered.';
