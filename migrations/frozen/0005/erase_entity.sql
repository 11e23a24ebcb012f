create or replace function modelpack.erase_entity(me modelpack.me, profile regclass, entity_key text, keep_scores boolean, delete_row boolean, events_stay boolean) returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- rows are found by indexes, as in modelpack.history; where there is none, by reading all
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
set max_parallel_workers_per_gather = 0
as $modelpack$
#variable_conflict use_column
declare
  v_caller constant name := modelpack.caller(me, 'erase');
  v_profile constant modelpack.profile := modelpack.get_profile(profile);
  v_receipt modelpack.erasure;
  v_key record;
  v_row record;
  v_table record;
  v_rows bigint;
  v_at timestamptz;
  v_first timestamptz;
  v_logged modelpack.prediction[];
begin
  if not pg_has_role(v_caller, 'modelpack_owner', 'member')
     and not (select pg_has_role(v_caller, c.relowner, 'usage') from pg_class as c where c.oid = profile) then
    raise exception using
      errcode = 'insufficient_privilege',
      message = format('%s may not erase rows of %s', v_caller, profile),
      detail = format('That is for members of modelpack_owner and the owner of the table, %s.',
                      (select pg_get_userbyid(c.relowner) from pg_class as c where c.oid = profile)),
      hint = 'Have one of them call it.';
  elsif current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
    raise exception using
      errcode = 'invalid_transaction_state',
      message = format('the transaction is %s, and sees nothing that was committed since it began', current_setting('transaction_isolation')),
      detail = 'What it does not see it could not erase.',
      hint = 'Erase in a transaction of its own: begin isolation level read committed.';
  elsif num_nulls(entity_key, keep_scores, delete_row, events_stay) > 0 then
    raise exception using
      errcode = 'null_value_not_allowed',
      message = 'the key or an option is NULL, expected a key, and true or false',
      hint = 'call modelpack.erase(''customer'', ''42'');';
  elsif delete_row and not has_table_privilege(modelpack.runs_as(profile), profile, 'delete') then
    raise exception using
      errcode = 'insufficient_privilege',
      message = format('%s may not delete rows of %s', modelpack.runs_as(profile), profile),
      detail = 'The functions of the profile run as that role.',
      hint = format('grant delete on %s to %s; or delete the row yourself before.', profile, modelpack.runs_as(profile));
  end if;
  perform modelpack.check_places(v_profile);
  v_key := modelpack.key_text(profile, entity_key);
  -- whoever counts, scores or erases the row has ended by then, and waits from then on
  v_row := modelpack.erase_row(v_profile.profile_id, entity_key, delete_row, events_stay);
  if v_row.events <> '{}' then
    if not events_stay then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('the entity still has events: %s',
                         (select string_agg(format('%s in %s', e.value, e.key), ', ' order by e.key) from jsonb_each_text(v_row.events) as e)),
        detail = 'They are the application''s. As long as they are there, the next event, rebuild or refresh counts them again. Nothing was erased.',
        hint = 'Delete them first, in the same transaction. If they have to stay: call modelpack.erase(..., events_stay => true).';
    end if;
    raise warning using
      message = format('events stay, from which features and scores come again: %s',
                       (select string_agg(format('%s in %s', e.value, e.key), ', ' order by e.key) from jsonb_each_text(v_row.events) as e));
  end if;
  -- partitions neither come nor go from here on
  lock table modelpack.prediction in row exclusive mode;
  for v_table in
    select distinct p.held from modelpack.personal as p where case when p.held is not null then to_regclass(format('modelpack.%I', p.held)) is not null end order by p.held
  loop
    execute format('lock table modelpack.%I in exclusive mode', v_table.held);
  end loop;
  if to_regclass('modelpack.rollup') is not null then
    lock table modelpack.rollup in exclusive mode;
  end if;
  v_logged := v_row.inputs || array(select l from modelpack.prediction as l where l.profile = v_profile.name and l.entity_key = v_key.key);
  v_receipt.erased := '{}';
  v_receipt.kept := '{}';
  for v_table in
    select p.*, t.condition, t.at from modelpack.personal as p cross join modelpack.traced(p) as t where t.condition is not null order by p.place, p.relation
  loop
    execute case
        when not keep_scores or v_table.with_scores = 'erase' then
          format('with gone as (delete from modelpack.%I as t where %s returning %s as at) select count(*), min(at) from gone', v_table.relation, v_table.condition, v_table.at)
        when v_table.with_scores = 'empty' then
          format('with emptied as (update modelpack.%I as t set %s where %s returning %s as at) select count(*), min(at) from emptied', v_table.relation,
                 (select string_agg(format('%I = %L', e.key, e.value), ', ' order by e.key) from jsonb_each_text(v_table.emptied) as e), v_table.condition, v_table.at)
        else format('select count(*), min(%s) from modelpack.%I as t where %s', v_table.at, v_table.relation, v_table.condition) end
       into v_rows, v_at
      using v_profile.name, case when v_table.hashed then v_key.hash else v_key.key end;
    v_first := least(v_first, v_at);
    if v_rows > 0 and not (keep_scores and v_table.with_scores = 'keep') then
      v_receipt.erased := v_receipt.erased || jsonb_build_object(v_table.relation, v_rows);
    end if;
    if v_rows > 0 and keep_scores and v_table.with_scores <> 'erase' then
      v_receipt.kept := v_receipt.kept || jsonb_build_object(v_table.relation, v_rows);
    end if;
  end loop;
  v_rows := modelpack.erase_hashes(v_profile.name, v_key.key);
  if v_rows > 0 then
    v_receipt.erased := v_receipt.erased || jsonb_build_object('rollup', v_rows);
  end if;
  select coalesce(jsonb_object_agg(f.named, f.rows) filter (where f.what = 'background'), '{}'),
         coalesce(jsonb_object_agg(f.named, f.rows) filter (where f.what = 'golden'), '{}')
    into v_receipt.background, v_receipt.golden
    from modelpack.erase_samples(v_profile, v_key.key, v_logged) as f;
  -- what the training data was is known by its fingerprint alone
  v_receipt.versions := coalesce((
    select jsonb_agg(jsonb_build_object('model', v.model, 'version', v.version, 'data_until', f.until, 'rows', v.lineage -> 'training_data' -> 'rows',
                                        'contains', case when f.until < v_first then 'nothing that was found' else 'perhaps' end)
                     order by v.model, v.version)
      from modelpack.version as v
     cross join lateral (select coalesce((v.lineage -> 'training_data' ->> 'until')::timestamptz, v.created_at) as until) as f
     where v.model in (select s.model from modelpack.score as s where s.profile_id = v_profile.profile_id)), '[]');
  insert into modelpack.erasure (by, profile, profile_row, keep_scores, erased, kept, events, background, golden, versions)
  values (v_caller, v_profile.name, v_row.profile_row, keep_scores, v_receipt.erased, v_receipt.kept, v_row.events, v_receipt.background, v_receipt.golden, v_receipt.versions)
  returning * into v_receipt;
  return to_jsonb(v_receipt);
end
$modelpack$;
comment on function modelpack.erase_entity(modelpack.me, regclass, text, boolean, boolean, boolean) is 'modelpack.erase(profile, entity_key, keep_scores, delete_row, events_stay) for who calls it.';
revoke all on function modelpack.erase_entity(modelpack.me, regclass, text, boolean, boolean, boolean) from public;
