create or replace function modelpack.examine_models(caller name default null) returns table (status text, "check" text, found text, expected text, mend text)
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_model record;
begin
  return query
  select 'warn', format('champion of %s', s.model), format('none, and the score %s of %s waits for one', s.score, p.name), 'a promoted version',
         case when newest.version is null then format('modelpack publish MODEL --name %s --sample FILE --promote', s.model)
              else format('select modelpack.promote(%L, %s);', s.model, newest.version) end
    from modelpack.score as s join modelpack.profile as p using (profile_id)
   cross join lateral (select max(v.version) as version from modelpack.version as v
                        where v.model = s.model and not exists (select from modelpack.retirement as r where r.version_id = v.version_id)) as newest
   where not exists (select from modelpack.alias as a where a.model = s.model and a.alias = 'champion')
   order by 2;
  return query
  select 'warn', format('model %s', m.model), format('disabled since %s by %s: %s', m.disabled_at, m.disabled_by, m.disabled), 'enabled',
         format('select modelpack.enable(%L);', m.model)
    from modelpack.model as m where m.disabled is not null order by 2;
  return query
  select 'fail', format('switch of %s', s.model),
         format('%s says %s, and the model is %s', f.oid::regprocedure, case when f.proisstrict then 'disabled' else 'enabled' end,
                case when f.proisstrict then 'enabled' else 'disabled' end),
         'what modelpack.model says',
         format(case when f.proisstrict then 'select modelpack.enable(%L);' else 'select modelpack.disable(%L, %L);' end, m.model, m.disabled)
    from modelpack.score as s
    join modelpack.model as m on m.model = s.model
    join pg_proc as f on f.oid = to_regprocedure(format('modelpack.%I(boolean)', s.stem || '_enabled'))
   where f.proisstrict <> (m.disabled is not null)
   order by 2, 3;
  for v_model in
    select distinct v.model, v.version, v.version_id
      from modelpack.score as s
      join modelpack.alias as a on a.model = s.model and a.alias = 'champion'
      join modelpack.version as v on v.model = a.model and v.version = a.version
     order by 1
  loop
    return query
    select 'fail', format('golden rows of %s version %s', v_model.model, v_model.version), g.failure,
           'on this server the scores that were expected when it was published',
           format('give the server the wheels that made the version, or publish again; until then: select modelpack.disable(%L);', v_model.model)
      from modelpack.examine_golden(v_model.version_id) as g (failure) where g.failure is not null;
  end loop;
  return query
  select 'warn', format('failures of %s version %s', f.model, f.version),
         format('%s times or more in the last hour (%s): %s', sum(f.failures), f.kind, (array_agg(f.reason order by f.at desc))[1]), 'none',
         case f.kind when 'input' then 'look at the rows: select * from modelpack.failures order by at desc;'
                     else format('select modelpack.rollback(%L); or select modelpack.disable(%1$L);', f.model) end
    from modelpack.failures as f
   -- a publisher has modelpack.failures, which shows him those that he may know of
   where (caller is null or pg_has_role(caller, 'modelpack_monitor', 'member') or pg_has_role(caller, 'modelpack_owner', 'member'))
     and f.at > clock_timestamp() - interval '1 hour'
   group by f.model, f.version, f.kind order by 2;
end
$modelpack$;
comment on function modelpack.examine_models(name) is
  'Champions, disabled and failing models, as a caller may know of them (NULL: all). No row: all is right.';
