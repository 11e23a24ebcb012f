create or replace function modelpack.arm_table(profile integer, score text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $modelpack$
-- Runs as a superuser, since whoever starts an experiment need not own the table: a column of text, and a trigger whose
-- function runs as modelpack_owner. Both names follow from the score, and nothing of a publisher's is run.
declare
  v_relation constant regclass := (select p.relation from modelpack.profile as p where p.profile_id = arm_table.profile);
  v_stem constant text := (select s.stem from modelpack.score as s where s.profile_id = arm_table.profile and s.score = arm_table.score);
  v_column constant text := arm_table.score || '_arm';
  -- before the guard and the score trigger, which ask for the version; of a new row after what gives it its key
  v_trigger constant text := 'model_arm_' || arm_table.score;
  v_new constant text := 'zz_model_arm_' || arm_table.score;
  v_moves constant text := (select string_agg(format(' or new.%I is distinct from old.%I', k.name, k.name), '')
                              from jsonb_array_elements_text((select p.declaration -> 'key' from modelpack.profile as p where p.profile_id = arm_table.profile)) as k (name));
  v_arms constant text[] := array(
    select e.experiment || '/' || a.arm from modelpack.experiment as e join modelpack.arm as a using (experiment_id)
     where e.profile = (select p.name from modelpack.profile as p where p.profile_id = arm_table.profile) and e.score = arm_table.score and e.ended_at is null
     order by a.position);
  v_before constant text := current_setting('modelpack.listening', true);
begin
  if v_arms <> '{}' and not exists (select from pg_attribute as a where a.attrelid = v_relation and a.attname = v_column and not a.attisdropped) then
    execute format('alter table %s add column %I text', v_relation, v_column);
    execute format('comment on column %s.%I is %L', v_relation, v_column, format('the arm that the row has in an experiment on %s', arm_table.score));
  end if;
  -- see modelpack.follow_triggers
  perform set_config('modelpack.listening', 'on', true);
  execute format('drop trigger if exists %I on %s', v_new, v_relation);
  execute format('drop trigger if exists %I on %s', v_trigger, v_relation);
  if v_arms <> '{}' then
    execute format('create trigger %I before insert on %s for each row execute function modelpack.%I()', v_new, v_relation, v_stem || '_assign');
    execute format('create trigger %I before update on %s for each row when (new.%I is null or new.%I <> all (%L::text[]) or new.%I is distinct from old.%I%s) execute function modelpack.%I()',
                   v_trigger, v_relation, v_column, v_column, v_arms, v_column, v_column, v_moves, v_stem || '_assign');
  end if;
  if v_arms = '{}' then
    -- a declaration that was applied meanwhile has noted what it found on the table
    delete from modelpack.made as m where m.profile_id = arm_table.profile and m.kind = 'trigger' and m.object in (v_trigger, v_new);
  end if;
  perform set_config('modelpack.listening', v_before, true);
  -- read as the owner of the table, for modelpack.watch_experiments()
  execute format($arms$
create or replace function modelpack.%1$I() returns table (arm text, rows bigint, stale bigint)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as %2$s$arms$, v_stem || '_arms', modelpack.dollar(format($body$
#variable_conflict use_column
begin
  return query select p.%I, count(*), count(p.%I) from %s as p where p.%I is not null group by p.%I;
end
$body$, v_column, arm_table.score || '_stale', v_relation, v_column, v_column)));
  execute format('comment on function modelpack.%I() is %L', v_stem || '_arms', format('Rows of each arm, and those without a fresh score. [%s]',
                 (select p.stem from modelpack.profile as p where p.profile_id = arm_table.profile)));
  execute format('alter function modelpack.%I() owner to %s', v_stem || '_arms', modelpack.runs_as(v_relation));
  execute format('revoke all on function modelpack.%I() from public', v_stem || '_arms');
  execute format('grant execute on function modelpack.%I() to modelpack_owner', v_stem || '_arms');
end
$modelpack$;
comment on function modelpack.arm_table(integer, text) is
  'Gives a profile the column and the triggers of an experiment on a score, or takes the triggers away where none runs, as a superuser: whoever starts one need not own the table.';
revoke all on function modelpack.arm_table(integer, text) from public;
