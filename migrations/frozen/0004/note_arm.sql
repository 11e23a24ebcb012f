create or replace function modelpack.note_arm() returns trigger
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- A segment that is declared under this name stays what it is.
begin
  new.segments := coalesce((
      select jsonb_build_object('arm', e.experiment || '/' || s.arm)
        from modelpack.experiment as e
        join modelpack.assignment as s on s.experiment_id = e.experiment_id and s.entity_key = new.entity_key
       where e.profile = new.profile and e.score = new.score and s.assigned_at <= new.scored_at and new.scored_at < coalesce(e.ended_at, 'infinity')
       order by e.experiment_id desc
       limit 1), '{}') || new.segments;
  return new;
end
$modelpack$;
comment on function modelpack.note_arm() is 'Trigger: a score of a cohort that an arm of an experiment gave has that arm as a segment.';
revoke all on function modelpack.note_arm() from public;
drop trigger if exists note_arm on modelpack.cohort;
create trigger note_arm before insert on modelpack.cohort for each row execute function modelpack.note_arm();
comment on trigger note_arm on modelpack.cohort is 'names the arm that gave a score, so that modelpack fit tells arms apart';
