create or replace function modelpack.failure() returns text
language plpython3u volatile security invoker
as $modelpack$
return GD.get("modelpack_failure")
$modelpack$;
comment on function modelpack.failure() is 'Why the last call of modelpack.score in this session gave no score.';
revoke all on function modelpack.failure() from public;
