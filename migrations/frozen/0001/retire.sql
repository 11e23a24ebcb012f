create or replace function modelpack.retire(me modelpack.me, model text, version integer, reason text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_caller constant name := modelpack.caller(me, 'retire');
  v_aliases text;
begin
  perform modelpack.check_text('the reason', retire.reason);
  perform modelpack.check_grant(v_caller, retire.model, 'retire a version of');
  perform modelpack.take_turn(retire.model);
  perform modelpack.check_not_retired(retire.model, retire.version);
  select string_agg(a.alias, ', ' order by a.alias) into v_aliases
    from modelpack.alias as a where a.model = retire.model and a.version = retire.version;
  if v_aliases is not null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('%s version %s stands for %s', retire.model, retire.version, v_aliases),
      hint = 'Promote another version, or move its aliases first: modelpack.set_alias, modelpack.drop_alias.';
  end if;
  if exists (select from modelpack.score as s where s.model = retire.model and retire.version = any (s.versions)) then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('%s version %s scores rows of %s', retire.model, retire.version,
                       (select string_agg(p.name, ', ' order by p.name) from modelpack.score as s join modelpack.profile as p using (profile_id)
                         where s.model = retire.model and retire.version = any (s.versions))),
      hint = 'End first what chooses it, such as an experiment.';
  end if;
  insert into modelpack.retirement (version_id, reason, by)
  values (modelpack.get_version(retire.model, retire.version), retire.reason, v_caller);
  insert into modelpack.promotion (model, alias, action, version, reason, by)
  values (retire.model, null, 'retire', retire.version, retire.reason, v_caller);
end
$modelpack$;
comment on function modelpack.retire(modelpack.me, text, integer, text) is 'modelpack.retire(model, version, reason) for who calls it.';
revoke all on function modelpack.retire(modelpack.me, text, integer, text) from public;
create or replace function modelpack.retire(model text, version integer, reason text default '') returns void
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.retire(m, retire.model, retire.version, retire.reason) from modelpack.me as m
$modelpack$;
comment on function modelpack.retire(text, integer, text) is
  'Takes a version out of use for good: it cannot be promoted or get an alias. Its bytes stay until modelpack.purge.';
revoke all on function modelpack.retire(text, integer, text) from public;
grant execute on function modelpack.retire(text, integer, text), modelpack.retire(modelpack.me, text, integer, text) to modelpack_publisher;
