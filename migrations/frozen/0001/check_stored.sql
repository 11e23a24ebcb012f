create or replace function modelpack.check_stored(declaration jsonb) returns void
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Where PostgreSQL has virtual generated columns (18 on), it computes them when a table is read. In the row of a trigger and
-- in a transition table they are NULL, so that events would be counted otherwise than verify counts them.
declare
  v_found record;
begin
  select r.relation, w.name
    into v_found
    from jsonb_array_elements(declaration -> 'events') as e
   cross join lateral (select to_regclass(modelpack.qualified(e ->> 'table'))) as r (relation)
   cross join lateral (select jsonb_array_elements_text(coalesce(nullif(e -> 'key', 'null'), declaration -> 'key'))
                       union select e ->> 'at'
                       union select f ->> 'column' from jsonb_array_elements(e -> 'features') as f) as w (name)
    join pg_attribute as a on a.attrelid = r.relation and a.attname = w.name and a.attgenerated = 'v'
   order by r.relation::text, w.name
   limit 1;
  if found then
    raise exception using
      errcode = 'feature_not_supported',
      message = format('%s.%I is a virtual generated column, which triggers see as NULL', v_found.relation, v_found.name),
      detail = 'PostgreSQL computes it when the table is read, and gives triggers the row without it.',
      hint = format('Expected a column that is stored: drop %I and add it again, generated always as (...) stored.', v_found.name);
  end if;
end
$modelpack$;
comment on function modelpack.check_stored(jsonb) is
  'Refuses a declaration that reads virtual generated columns of its event tables; a step of applying it.';
revoke all on function modelpack.check_stored(jsonb) from public;
