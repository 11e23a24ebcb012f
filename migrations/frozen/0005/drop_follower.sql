create or replace function modelpack.drop_follower(me modelpack.me, follower text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
begin
  perform modelpack.get_follower(modelpack.caller(me, 'drop_follower'), drop_follower.follower, false);
  delete from modelpack.follower as f where f.follower = drop_follower.follower;
end
$modelpack$;
comment on function modelpack.drop_follower(modelpack.me, text) is 'modelpack.drop_follower(follower) for who calls it.';
revoke all on function modelpack.drop_follower(modelpack.me, text) from public;
create or replace function modelpack.drop_follower(follower text) returns void
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.drop_follower(m, drop_follower.follower) from modelpack.me as m
$modelpack$;
comment on function modelpack.drop_follower(text) is 'Drops a follower, for whom nothing is kept any more.';
revoke all on function modelpack.drop_follower(text) from public;
grant execute on function modelpack.drop_follower(text), modelpack.drop_follower(modelpack.me, text) to modelpack_publisher, modelpack_reader, modelpack_monitor;
