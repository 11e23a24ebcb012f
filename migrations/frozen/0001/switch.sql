create or replace function modelpack.switch(model text default null, profile_id integer default null) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Whoever calls holds the model's row. CREATE OR REPLACE FUNCTION would wait for everybody who makes a view that mentions the
-- function, and a row of modelpack.made for a promotion, which holds the row of the profile. ALTER FUNCTION waits for neither,
-- and sessions plan anew what they have planned with the function. It cannot change what a function says, but whether it is
-- called with NULL: so a switch is asked with NULL.
declare
  v_switch record;
begin
  for v_switch in
    select f.oid::regprocedure as name, m.disabled is not null as off
      from modelpack.score as s
      join modelpack.model as m on m.model = s.model
      join modelpack.profile as p on p.profile_id = s.profile_id
      join pg_proc as f on f.oid = to_regprocedure(format('modelpack.%I(boolean)', s.stem || '_enabled'))
     where (switch.model is null or s.model = switch.model) and (switch.profile_id is null or s.profile_id = switch.profile_id)
       and f.proisstrict <> (m.disabled is not null)
       and exists (select from pg_class as c where c.oid = p.relation)  -- a dropped profile needs no score
     order by p.profile_id, s.position
  loop
    execute format('alter function %s %s', v_switch.name,
                   case when v_switch.off then 'returns null on null input' else 'called on null input' end);
  end loop;
end
$modelpack$;
comment on function modelpack.switch(text, integer) is
  'Has the switches of scores, those of a model or of a profile, say what modelpack.model has: whether it is disabled.';
