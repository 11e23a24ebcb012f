create or replace function modelpack.follow_experiments() returns trigger
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
begin
  perform modelpack.arrange(new.profile_id, new.score);
  return null;
end
$modelpack$;
comment on function modelpack.follow_experiments() is 'Trigger: a declaration is applied while an experiment runs on one of its scores, which goes on.';
revoke all on function modelpack.follow_experiments() from public;
drop trigger if exists follow_experiments on modelpack.score;
create trigger follow_experiments after insert on modelpack.score for each row when (new.choice is not null) execute function modelpack.follow_experiments();
comment on trigger follow_experiments on modelpack.score is 'lets experiments go on when a declaration is applied';
drop trigger if exists follow_experiments_later on modelpack.score;
create constraint trigger follow_experiments_later after insert on modelpack.score deferrable initially deferred
  for each row when (new.choice is not null) execute function modelpack.follow_experiments();
comment on trigger follow_experiments_later on modelpack.score is 'once more when all else is there: what is replaced online loses its triggers after its scores were written';
