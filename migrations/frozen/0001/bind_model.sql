create or replace function modelpack.bind_model(model text) returns void
language plpgsql security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
declare
  v_profile regclass;
begin
  for v_profile in
    select p.relation from modelpack.profile as p
     where p.profile_id in (select s.profile_id from modelpack.score as s where s.model = bind_model.model)
       and exists (select from pg_class as c where c.oid = p.relation)  -- a dropped profile needs no score
     order by p.profile_id
  loop
    perform modelpack.bind(v_profile);
  end loop;
end
$modelpack$;
comment on function modelpack.bind_model(text) is 'Binds every profile that a model scores, after its champion has changed.';
