create or replace function modelpack.verify(me modelpack.me, profile regclass, keys text[])
returns table (entity_key text, feature text, stored text, expected text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Whoever may not read the profile learns that features differ, and which, but no key and no value.
declare
  v_profile constant modelpack.profile := modelpack.get_profile(profile);
  v_sees constant boolean := modelpack.sees(modelpack.caller(me), profile);
  v_call constant text := format(
    case when v_sees then 'select * from modelpack.%I($1, $2, $3)'
         else 'select ''row '' || dense_rank() over (order by d.entity_key) || '', not shown: that takes SELECT on the profile'', d.feature, null::text, '
              'null::text from modelpack.%I($1, $2, $3) as d (entity_key, feature, stored, expected)' end,
    v_profile.stem || '_verify');
  v_chunk record;
  v_context text;
begin
  perform modelpack.check_places(v_profile);
  if keys is not null then
    perform modelpack.check_keys(v_profile, keys);
    return query execute v_call using 0::bigint, null::bigint, keys;
    return;
  end if;
  for v_chunk in select c.first_block, c.last_block from modelpack.chunks(profile, 2000) as c order by c.first_block loop
    return query execute v_call using v_chunk.first_block, v_chunk.last_block, null::text[];
    if v_chunk.last_block is not null then
      raise notice 'verify of %: held against its events up to block %', profile, v_chunk.last_block;
    end if;
  end loop;
exception when others then
  get stacked diagnostics v_context = pg_exception_context;
  if v_sees or not modelpack.withheld(v_context) then
    raise;
  end if;
  raise exception using
    errcode = sqlstate,
    message = format('verify of %s ends: %s', profile, modelpack.why(sqlstate)),
    hint = 'Who may SELECT the profile is told more.';
end
$modelpack$;
comment on function modelpack.verify(modelpack.me, regclass, text[]) is 'modelpack.verify(profile, keys) for who calls it.';
revoke all on function modelpack.verify(modelpack.me, regclass, text[]) from public;
create or replace function modelpack.verify(profile regclass, keys text[] default null)
returns table (entity_key text, feature text, stored text, expected text)
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select f.* from modelpack.me as m cross join lateral modelpack.verify(m, verify.profile, verify.keys) as f
$modelpack$;
comment on function modelpack.verify(regclass, text[]) is
  'Holds every stored feature against the same aggregate over the events and returns those that differ: key, feature, stored, expected. No row: all is right. Keys and values are shown to who may SELECT every row of the profile.';
revoke all on function modelpack.verify(regclass, text[]) from public;
grant execute on function modelpack.verify(regclass, text[]), modelpack.verify(modelpack.me, regclass, text[]) to modelpack_monitor, modelpack_publisher;
