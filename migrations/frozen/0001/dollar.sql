create or replace function modelpack.dollar(body text) returns text
language plpgsql immutable security invoker parallel safe
set search_path = pg_catalog, pg_temp
as $modelpack$
-- The one way in which SQL that the server puts together gets a function's body: in dollar quotes that it cannot close.
declare
  v_tag text := '$modelpack';
begin
  for i in 1 .. 2147483647 loop
    exit when position(v_tag in body) = 0;
    v_tag := '$modelpack_' || i;
  end loop;
  return v_tag || '$' || body || v_tag || '$';
end
$modelpack$;
comment on function modelpack.dollar(text) is 'The body of a function in dollar quotes that it cannot close.';
