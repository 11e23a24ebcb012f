create or replace function modelpack.attach(
  relation text, declaration jsonb, stem text, maintained text[], wanted_columns text[], scores jsonb
) returns void
language plpgsql security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
declare
  v_profile integer;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using
      errcode = 'feature_not_supported',
      message = format('a declaration cannot be put on %s in a transaction that is %s', attach.relation, current_setting('transaction_isolation')),
      detail = 'Its snapshot is older than its locks, so events of other sessions could be missed.',
      hint = 'Do it at read committed.';
  end if;
  perform modelpack.check_stored(attach.declaration);
  -- what a dropped table left behind
  perform modelpack.hold_models(array(
            select distinct s.model from modelpack.score as s join modelpack.profile as p using (profile_id)
             where p.name = attach.relation and not exists (select from pg_class as c where c.oid = p.relation)));
  delete from modelpack.profile as p
   where p.name = attach.relation and not exists (select from pg_class as c where c.oid = p.relation);
  if exists (select from modelpack.profile as p where p.relation = attach.relation::regclass) then
    raise exception using
      errcode = 'duplicate_object',
      message = format('%s has a declaration already', attach.relation),
      hint = 'Use op.replace_scoring(old, new) or `modelpack apply` to change it, or op.drop_scoring first.';
  end if;
  perform modelpack.check_places(p) from modelpack.profile as p where p.name = attach.relation;
  if exists (select from modelpack.profile as p where p.stem = attach.stem) then
    raise exception using
      errcode = 'duplicate_object',
      message = format('functions of %s would be called as those of %s', attach.relation,
                       (select p.name from modelpack.profile as p where p.stem = attach.stem)),
      detail = format('Both names begin with %s.', attach.stem),
      hint = 'Rename one of the tables, or take the other declaration off: modelpack.detach, or modelpack.detach_dropped where its table was dropped.';
  end if;
  insert into modelpack.profile (relation, name, stem, declaration, maintained, added_columns)
  select attach.relation::regclass, attach.relation, attach.stem, attach.declaration, attach.maintained,
         coalesce((select array_agg(w.name order by w.place)
                     from unnest(attach.wanted_columns) with ordinality as w (name, place)
                    where not exists (select from pg_attribute as a
                                       where a.attrelid = attach.relation::regclass and a.attname = w.name and not a.attisdropped)), '{}')
  returning profile_id into v_profile;
  insert into modelpack.score (profile_id, score, position, stem, model, inputs, on_error)
  select v_profile, s.value ->> 'name', s.ordinality, s.value ->> 'stem', s.value ->> 'model', s.value -> 'inputs', coalesce(s.value ->> 'on_error', 'stale')
    from jsonb_array_elements(attach.scores) with ordinality as s;
end
$modelpack$;
comment on function modelpack.attach(text, jsonb, text, text[], text[], jsonb) is
  'Records a declaration; a step of the script that op.create_scoring and `modelpack apply` run.';
