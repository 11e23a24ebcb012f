create or replace function modelpack.follow_shadows() returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- A declaration has been applied: its triggers and functions went, and with them what wrote the inputs of shadows. At the end of the
-- transaction, when all else is there. No declaration is refused for a shadow.
declare
  v_shadow modelpack.shadow;
  v_detail text;
begin
  for v_shadow in
    select s.* from modelpack.shadow as s
     where s.model = new.model and s.ended_at is null and s.input_limit is not null
       and exists (select from modelpack.score as c where c.profile_id = new.profile_id and c.score = new.score)
     order by s.shadow_id
  loop
    begin
      perform modelpack.feed_shadow(v_shadow.shadow_id);
    exception when datatype_mismatch then
      get stacked diagnostics v_detail = pg_exception_detail;
      perform modelpack.end_shadow(v_shadow.shadow_id, session_user);
      raise warning using
        message = format('version %s of %s is no shadow any more: %s', v_shadow.version, v_shadow.model, sqlerrm),
        detail = v_detail,
        hint = 'Start it again when the profile has what it takes: modelpack shadow start.';
    end;
  end loop;
  return null;
end
$modelpack$;
comment on function modelpack.follow_shadows() is 'Trigger: a declaration is applied while events write inputs of a shadow, which go on; one that cannot be fed any more is ended.';
revoke all on function modelpack.follow_shadows() from public;
drop trigger if exists follow_shadows on modelpack.score;
create constraint trigger follow_shadows after insert on modelpack.score deferrable initially deferred
  for each row execute function modelpack.follow_shadows();
comment on trigger follow_shadows on modelpack.score is 'lets shadows go on when a declaration is applied';
