create or replace function modelpack.follow_promotions() returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Before anything is bound, so that the statistics hold no lock that an event waits for.
declare
  v_asked constant text := coalesce(current_setting('modelpack.require', true), '');
  v_required record;
begin
  perform set_config('modelpack.require', '', true);
  for v_required in
    select r.requirement, true as model_wide, format('%s requires it of every version of the model. A rollback needs none.', r.set_by) as asked_by
      from modelpack.requirement as r where r.model = new.model
    union all
    select v_asked, false, 'The promotion asked for it.' where v_asked <> ''
  loop
    perform from modelpack.read_requirement(v_required.requirement);
    insert into modelpack.met_requirement (promotion_id, requirement, model_wide, champion, figures)
    values (new.promotion_id, v_required.requirement, v_required.model_wide, new.previous,
            modelpack.demand(new.model, new.version, new.previous, v_required.requirement, v_required.asked_by));
  end loop;
  return null;
end
$modelpack$;
comment on function modelpack.follow_promotions() is 'Trigger of modelpack.promotion: what the model requires of each version is met, and written down.';
revoke all on function modelpack.follow_promotions() from public;
drop trigger if exists follow_promotions on modelpack.promotion;
create trigger follow_promotions after insert on modelpack.promotion
  for each row when (new.action = 'promote') execute function modelpack.follow_promotions();
comment on trigger follow_promotions on modelpack.promotion is 'a version meets what its model requires, or is not promoted';
