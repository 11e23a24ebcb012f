create or replace function modelpack.chunk(
  task text, profile regclass, first_block bigint, last_block bigint,
  only_stale boolean default false, older_than timestamptz default null, keys text[] default null
) returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
declare
  v_profile constant modelpack.profile := modelpack.get_profile(profile);
  -- SET ROLE needs membership, so its setting can be believed
  v_sees constant boolean := modelpack.sees(coalesce(nullif(current_setting('role'), 'none')::name, session_user), profile);
  v_rows bigint;
  v_context text;
begin
  if current_setting('session_replication_role') = 'replica' then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'session_replication_role is replica, so triggers do not fire',
      detail = 'What is written now would be neither counted nor scored.',
      hint = 'set session_replication_role = origin';
  end if;
  -- rescore reads what is stored: it can do without an event table that was dropped, not beside another in its place
  if task <> 'rescore' or exists (select from modelpack.misplaced(v_profile.profile_id) as m where m.taken) then
    perform modelpack.check_places(v_profile);
  end if;
  case task
    when 'rescore' then
      execute format('select modelpack.%I($1, $2, $3, $4)', v_profile.stem || '_rescore')
         into v_rows using first_block, last_block, only_stale, older_than;
    when 'refresh' then
      execute format('select modelpack.%I($1, $2, $3)', v_profile.stem || '_refresh')
         into v_rows using first_block, last_block, older_than;
    when 'rebuild' then
      if keys is null then
        execute format('select modelpack.%I($1, $2)', v_profile.stem || '_rebuild') into v_rows using first_block, last_block;
      else
        perform modelpack.check_keys(v_profile, keys);
        execute format('select modelpack.%I($1)', v_profile.stem || '_recount') into v_rows using keys;
      end if;
  end case;
  return v_rows;
exception when others then
  get stacked diagnostics v_context = pg_exception_context;
  if v_sees or not modelpack.withheld(v_context) then
    raise;
  end if;
  raise exception using
    errcode = sqlstate,
    message = format('%s of %s ends: %s', task, profile, modelpack.why(sqlstate)),
    hint = 'Who may SELECT the profile is told more.';
end
$modelpack$;
comment on function modelpack.chunk(text, regclass, bigint, bigint, boolean, timestamptz, text[]) is
  'One chunk of rescore, refresh or rebuild, as the owner; the procedures of these names call it and commit after each.';
revoke all on function modelpack.chunk(text, regclass, bigint, bigint, boolean, timestamptz, text[]) from public;
grant execute on function modelpack.chunk(text, regclass, bigint, bigint, boolean, timestamptz, text[]) to modelpack_publisher;
