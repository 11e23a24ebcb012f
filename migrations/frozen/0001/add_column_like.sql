create or replace function modelpack.add_column_like(profile text, column_name text, event text, like_column text) returns void
language plpgsql security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- A feature such as minimum(amount) takes the type of the event's column, which only the server knows.
declare
  v_role constant text := current_setting('role');
  v_type text;
  v_collation oid;
  v_there record;
begin
  select format_type(a.atttypid, a.atttypmod) || case when a.attcollation <> t.typcollation then format(' collate %s', a.attcollation::regcollation) else '' end,
         a.attcollation
    into v_type, v_collation
    from pg_attribute as a
    join pg_type as t on t.oid = a.atttypid
   where a.attrelid = event::regclass and a.attname = like_column and not a.attisdropped;
  if v_type is null then
    raise exception using
      errcode = 'undefined_column',
      message = format('%s has no column %I, which the feature %I reads', event, like_column, column_name),
      hint = 'Correct the declaration.';
  end if;
  select a.attcollation as collation_id, format_type(a.atttypid, a.atttypmod) as shown
    into v_there
    from pg_attribute as a
   where a.attrelid = profile::regclass and a.attname = column_name and not a.attisdropped;
  if found and v_there.collation_id <> v_collation then  -- what is smaller, latest, the same would depend on the side
    raise exception using
      errcode = 'collation_mismatch',
      message = format('%s.%I has the collation %s and %s.%I, which it is to follow, has %s', profile, column_name, v_there.collation_id::regcollation,
                       event, like_column, v_collation::regcollation),
      hint = format('alter table %s alter column %I type %s collate %s', profile, column_name, v_there.shown, v_collation::regcollation);
  end if;
  -- the check of a domain is code of its owner's, and ALTER TABLE runs it as whoever calls
  perform set_config('role', r.rolname, true)
     from pg_class as c join pg_roles as r on r.oid = c.relowner
    where c.oid = profile::regclass and not r.rolsuper;
  execute format('alter table %s add column if not exists %I %s', profile::regclass, column_name, v_type);
  perform set_config('role', v_role, true);
end
$modelpack$;
comment on function modelpack.add_column_like(text, text, text, text) is 'Adds a feature column that has the type of an event column.';
