create or replace function modelpack.draw(salt text, entity_key text) returns double precision
language sql immutable security invoker parallel safe
set search_path = pg_catalog, pg_temp
as $modelpack$
-- 52 bits of a hash that is the same on every server and in every language
select ('x' || encode(substr(sha256(convert_to(draw.salt || ' ' || draw.entity_key, 'UTF8')), 1, 7), 'hex'))::bit(56)::bit(52)::bigint / 4503599627370496::double precision
$modelpack$;
comment on function modelpack.draw(text, text) is
  'A number from 0 up to 1 for an entity and a salt, evenly spread and always the same: the first 52 bits of sha256 of the salt, a space and the key.';
revoke all on function modelpack.draw(text, text) from public;
grant execute on function modelpack.draw(text, text) to modelpack_publisher, modelpack_monitor;
