create or replace function modelpack.fill_steps(profile regclass) returns table (step integer, relation regclass)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Profiles that are missing are made first: what makes one counts it.
select s.step, s.relation
  from (select e.place::integer as step, to_regclass(modelpack.qualified(e.value ->> 'table')) as relation
          from modelpack.get_profile(fill_steps.profile) as p
         cross join jsonb_array_elements(p.declaration -> 'events') with ordinality as e (value, place)
         where e.value ->> 'missing' = 'create'
         union all
        select 0, fill_steps.profile) as s
 where s.relation is not null
 order by s.step = 0, s.step
$modelpack$;
comment on function modelpack.fill_steps(regclass) is 'The tables that modelpack.backfill goes through, in order: event tables by their number in the declaration, then the profile, 0.';
revoke all on function modelpack.fill_steps(regclass) from public;
grant execute on function modelpack.fill_steps(regclass) to modelpack_publisher;
