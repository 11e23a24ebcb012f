create or replace function modelpack.observe_by(me modelpack.me, profile regclass, inputs text[]) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_caller constant name := modelpack.caller(me);
  v_profile constant modelpack.profile := modelpack.get_profile(observe_by.profile);
  v_input text;
begin
  foreach v_input in array coalesce(inputs, '{}') loop
    if not exists (select from modelpack.score as s join modelpack.version as v using (model)
                    where s.profile_id = v_profile.profile_id
                      and v.signature -> 'inputs' @> jsonb_build_array(jsonb_build_object('name', v_input, 'type', 'text'))) then
      raise exception using
        errcode = 'invalid_parameter_value',
        message = format('%s is no text input of a model that scores %s', coalesce(v_input, 'NULL'), v_profile.name),
        detail = 'Roll-ups are made from the log, which has the inputs of the scores and nothing else of the row.',
        hint = 'select profile, feature, versions from modelpack.features;';
    end if;
  end loop;
  delete from modelpack.segment as s where s.profile = v_profile.name and s.input <> all (coalesce(inputs, '{}'));
  insert into modelpack.segment (profile, input, set_by)
  select v_profile.name, i.input, v_caller from unnest(inputs) as i (input)
  on conflict do nothing;
end
$modelpack$;
comment on function modelpack.observe_by(modelpack.me, regclass, text[]) is 'modelpack.observe_by(profile, inputs) for who calls it.';
revoke all on function modelpack.observe_by(modelpack.me, regclass, text[]) from public;
create or replace function modelpack.observe_by(profile regclass, variadic inputs text[]) returns void
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.observe_by(m, observe_by.profile, observe_by.inputs) from modelpack.me as m
$modelpack$;
comment on function modelpack.observe_by(regclass, text[]) is
  'From now on roll-ups and drift are kept by the texts of these inputs, too: the 50 most frequent of the version''s reference, all others together. None any more: modelpack.observe_by(profile, variadic ''{}'').';
revoke all on function modelpack.observe_by(regclass, text[]) from public;
grant execute on function modelpack.observe_by(regclass, text[]), modelpack.observe_by(modelpack.me, regclass, text[]) to modelpack_monitor;
