create or replace function modelpack.verify(profile regclass, keys text[] default null)
returns table (entity_key text, feature text, stored text, expected text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
declare
  v_profile constant modelpack.profile := modelpack.find_profile(profile);
  v_call constant text := format('select * from modelpack.%I($1, $2, $3)', v_profile.stem || '_verify');
  v_chunk record;
begin
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
end
$modelpack$;
comment on function modelpack.verify(regclass, text[]) is
  'Holds every stored feature against the same aggregate over the events and returns those that differ: key, feature, stored, expected. No row: all is right.';
revoke all on function modelpack.verify(regclass, text[]) from public;
grant execute on function modelpack.verify(regclass, text[]) to modelpack_monitor, modelpack_publisher;
