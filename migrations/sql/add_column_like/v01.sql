create or replace function modelpack.add_column_like(profile text, column_name text, event text, like_column text) returns void
language plpgsql security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- A feature such as minimum(amount) takes the type of the event's column, which only the server knows.
declare
  v_type text;
begin
  select format_type(a.atttypid, a.atttypmod) into v_type
    from pg_attribute as a
   where a.attrelid = event::regclass and a.attname = like_column and not a.attisdropped;
  if v_type is null then
    raise exception using
      errcode = 'undefined_column',
      message = format('%s has no column %I, which the feature %I reads', event, like_column, column_name),
      hint = 'Correct the declaration.';
  end if;
  execute format('alter table %s add column if not exists %I %s', profile::regclass, column_name, v_type);
end
$modelpack$;
comment on function modelpack.add_column_like(text, text, text, text) is 'Adds a feature column that has the type of an event column.';
