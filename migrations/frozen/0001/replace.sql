create or replace function modelpack.replace(
  relation text, old_declaration jsonb, declaration jsonb, dropped_columns text[], maintained text[],
  wanted_columns text[], scores jsonb, online boolean default false
) returns void
language plpgsql security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
declare
  v_profile modelpack.profile;
  v_chosen jsonb;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using
      errcode = 'feature_not_supported',
      message = format('a declaration cannot be put on %s in a transaction that is %s', replace.relation, current_setting('transaction_isolation')),
      detail = 'Its snapshot is older than its locks, so events of other sessions could be missed.',
      hint = 'Do it at read committed.';
  end if;
  perform modelpack.check_stored(replace.declaration);
  v_profile := modelpack.hold_profile(to_regclass(replace.relation));
  if v_profile.profile_id is null or v_profile.declaration <> replace.old_declaration then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('%s does not have the declaration that is to be replaced', replace.relation),
      detail = case when v_profile.declaration is null then 'It has none.' else format('It has: %s', v_profile.declaration) end,
      hint = 'Pass the declaration that is in force as the old one of op.replace_scoring(old, new), or use `modelpack apply`.';
  end if;
  -- the switch of a score that stays, stays: a model can be stopped while its declaration is applied, however long that takes.
  -- Online nobody is locked out yet: a trigger goes on with its function, which others see as it was until the commit
  perform modelpack.disarm(v_profile.relation, v_profile.stem, array(
            select s.stem || '_enabled' from modelpack.score as s
             where s.profile_id = v_profile.profile_id
               and replace.scores @> jsonb_build_array(jsonb_build_object('stem', s.stem, 'model', s.model))
             union all
            select f.proname from pg_proc as f
             where replace.online and f.pronamespace = 'modelpack'::regnamespace and f.prorettype = 'trigger'::regtype
             union all
            select m.object from modelpack.made as m
             where replace.online and m.profile_id = v_profile.profile_id and m.kind = 'seam' and replace.scores <> '[]'
               and not exists (select from modelpack.score as s
                                where s.profile_id = v_profile.profile_id and starts_with(m.object, s.stem || '_')
                                  and not replace.scores @> jsonb_build_array(jsonb_build_object('stem', s.stem)))), not replace.online);
  if not replace.online then
    perform modelpack.exchange_columns(replace.relation, replace.dropped_columns, replace.wanted_columns);
  end if;
  update modelpack.profile as p
     set declaration = replace.declaration, meanings = '[]', maintained = replace.maintained,
         applied_at = now(), applied_by = current_user
   where p.profile_id = v_profile.profile_id;
  select coalesce(jsonb_object_agg(s.stem || ' ' || s.model, to_jsonb(s)), '{}') into v_chosen
    from modelpack.score as s where s.profile_id = v_profile.profile_id;
  delete from modelpack.score as s where s.profile_id = v_profile.profile_id;
  -- which versions are chosen is not the declaration's to say: it stays with the score
  insert into modelpack.score (profile_id, score, position, stem, model, inputs, on_error, choice, versions)
  select v_profile.profile_id, s.value ->> 'name', s.ordinality, s.value ->> 'stem', s.value ->> 'model', s.value -> 'inputs', coalesce(s.value ->> 'on_error', 'stale'),
         c.choice, coalesce(c.versions, '{}')
    from jsonb_array_elements(replace.scores) with ordinality as s
   cross join lateral jsonb_populate_record(null::modelpack.score, v_chosen -> ((s.value ->> 'stem') || ' ' || (s.value ->> 'model'))) as c;
end
$modelpack$;
comment on function modelpack.replace(text, jsonb, jsonb, text[], text[], text[], jsonb, boolean) is
  'Records a changed declaration and drops what only the old one had (online: functions alone, before the tables are locked; see modelpack.disarm_former, modelpack.exchange_columns); a step of the script that op.replace_scoring and `modelpack apply` run.';
