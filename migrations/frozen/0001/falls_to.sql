create or replace function modelpack.falls_to(share integer, shares integer, chunk bigint) returns boolean
language plpgsql immutable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
begin
  if share between 1 and shares then
    return chunk % shares = share - 1;
  end if;
  raise exception using
    errcode = 'invalid_parameter_value',
    message = format('share %s of %s', coalesce(share::text, 'NULL'), coalesce(shares::text, 'NULL')),
    detail = 'Each of several sessions takes a share of the chunks: 1, 2 and so on up to shares.',
    hint = 'Pass a share from 1 to shares, such as share => 1, shares => 2 and, in another session, share => 2, shares => 2.';
end
$modelpack$;
comment on function modelpack.falls_to(integer, integer, bigint) is 'Whether a chunk belongs to one of several equal shares of a task.';
