create or replace function modelpack.follow_promotions() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Before anything is bound, so that the statistics hold no lock that an event waits for.
declare
  v_requirement modelpack.requirement;
begin
  select * into v_requirement from modelpack.requirement as r where r.model = new.model;
  if v_requirement.model is not null then
    insert into modelpack.met_requirement (promotion_id, requirement, model_wide, champion, figures)
    values (new.promotion_id, v_requirement.requirement, true, new.previous,
            modelpack.demand(new.model, new.version, new.previous, v_requirement.requirement,
                             format('%s requires it of every version of the model. A rollback needs none.', v_requirement.set_by)));
  end if;
  return null;
end
$modelpack$;
comment on function modelpack.follow_promotions() is 'Trigger of modelpack.promotion: what the model requires of each version is met, and written down.';
revoke all on function modelpack.follow_promotions() from public;
drop trigger if exists modelpack_requirement on modelpack.promotion;
create trigger modelpack_requirement after insert on modelpack.promotion
  for each row when (new.action = 'promote') execute function modelpack.follow_promotions();
comment on trigger modelpack_requirement on modelpack.promotion is 'a version meets what its model requires, or is not promoted';
