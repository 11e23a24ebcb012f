create or replace function modelpack.replayable(rival modelpack.version) returns integer[]
language sql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select array(select v.version from modelpack.version as v
              where v.model = (rival).model and modelpack.can_replay((rival).model, v.version, (rival).version) = '{}')
$modelpack$;
comment on function modelpack.replayable(modelpack.version) is 'Versions of the model whose rows of the log hold all that a version takes.';
revoke all on function modelpack.replayable(modelpack.version) from public;
