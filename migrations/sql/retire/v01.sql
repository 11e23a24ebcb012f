create or replace function modelpack.retire(model text, version integer, reason text default '') returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_aliases text;
begin
  perform modelpack.check_grant(retire.model, 'retire a version of');
  perform from modelpack.model as m where m.model = retire.model for update;
  perform modelpack.check_live(retire.model, retire.version);
  select string_agg(a.alias, ', ' order by a.alias) into v_aliases
    from modelpack.alias as a where a.model = retire.model and a.version = retire.version;
  if v_aliases is not null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('%s version %s stands for %s', retire.model, retire.version, v_aliases),
      hint = 'Promote another version, or move its aliases first: modelpack.set_alias, modelpack.drop_alias.';
  end if;
  insert into modelpack.retirement (version_id, reason)
  values (modelpack.find_version(retire.model, retire.version), retire.reason);
  insert into modelpack.promotion (model, alias, action, version, reason)
  values (retire.model, null, 'retire', retire.version, retire.reason);
end
$modelpack$;
comment on function modelpack.retire(text, integer, text) is
  'Takes a version out of use for good: it cannot be promoted or get an alias. Its bytes stay until modelpack.purge.';
revoke all on function modelpack.retire(text, integer, text) from public;
grant execute on function modelpack.retire(text, integer, text) to modelpack_publisher;
