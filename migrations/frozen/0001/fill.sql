create or replace function modelpack.fill(
  profile regclass, step integer, first_block bigint, last_block bigint, most integer,
  share integer default 1, shares integer default 1
) returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '200ms'
as $modelpack$
-- One transaction of modelpack.backfill: few rows, so that nobody waits for them long, and what others hold is left to them.
declare
  v_profile constant modelpack.profile := modelpack.get_profile(profile);
  v_sees constant boolean := modelpack.sees(coalesce(nullif(current_setting('role'), 'none')::name, session_user), profile);
  v_relation constant regclass := (select s.relation from modelpack.fill_steps(profile) as s where s.step = fill.step);
  v_blocks constant bigint := (select coalesce(max(pg_relation_size(t.relid)), 0) / current_setting('block_size')::bigint
                                 from (select p.relid from pg_partition_tree(v_relation) as p where p.isleaf
                                       union all select v_relation) as t);
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
  perform modelpack.check_places(v_profile);
  execute format('select modelpack.%I($1, $2, $3, $4)', v_profile.stem || '_fill')
     into v_rows using fill.step, fill.first_block, fill.last_block, fill.most;
  if v_relation is not null and fill.share is not null then
    insert into modelpack.filling as f (profile_id, step, relation, share, shares, blocks, block, rows)
    values (v_profile.profile_id, fill.step, v_relation, fill.share, fill.shares, v_blocks, fill.first_block, greatest(v_rows, 0))
    on conflict on constraint filling_pkey do update
       set blocks = excluded.blocks, block = excluded.block, at = clock_timestamp(), ended_at = null, relation = excluded.relation,
           -- another run, from the beginning
           rows = case when f.ended_at is not null or excluded.block < f.block then 0 else f.rows end + excluded.rows,
           started_at = case when f.ended_at is not null or excluded.block < f.block then now() else f.started_at end;
  end if;
  return v_rows;
exception
  when lock_not_available then
    return -1;
  when others then
    get stacked diagnostics v_context = pg_exception_context;
    if v_sees or not modelpack.withheld(v_context) then
      raise;
    end if;
    raise exception using
      errcode = sqlstate,
      message = format('backfill of %s ends: %s', profile, modelpack.why(sqlstate)),
      hint = 'Who may SELECT the profile is told more.';
end
$modelpack$;
comment on function modelpack.fill(regclass, integer, bigint, bigint, integer, integer, integer) is
  'One transaction of modelpack.backfill, as the owner: how many rows it has counted or made; -1 where others hold those that are left. step: 0 for rows of the profile, the number of an event table for profiles that its events lack, -1 to look whether a row is not counted yet.';
revoke all on function modelpack.fill(regclass, integer, bigint, bigint, integer, integer, integer) from public;
grant execute on function modelpack.fill(regclass, integer, bigint, bigint, integer, integer, integer) to modelpack_publisher;
