create or replace function modelpack.server_wheels() returns text
language sql immutable security invoker parallel safe
set search_path = pg_catalog, pg_temp
as $modelpack$ select null::text $modelpack$;
comment on function modelpack.server_wheels() is
  'Folder that PL/Python imports numpy and onnxruntime from; NULL: from where the server''s Python finds them. Fixed by `modelpack install --server-wheels`, for a superuser only to change.';
