create or replace function modelpack.warm() returns integer
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Loads what the first event of a session would load: 0.1 to 0.3 s for numpy and onnxruntime, then each model.
declare
  v_version integer;
  v_loaded integer := 0;
begin
  for v_version in
    select distinct v.version_id
      from modelpack.score as s
      join modelpack.model as m on m.model = s.model and m.disabled is null
      join modelpack.alias as a on a.model = s.model and a.alias = 'champion'
      join modelpack.version as v on v.model = a.model and (v.version = a.version or v.version = any (s.versions))
     order by 1
  loop
    perform modelpack.load(v_version);
    v_loaded := v_loaded + 1;
  end loop;
  return v_loaded;
end
$modelpack$;
comment on function modelpack.warm() is
  'Loads the versions that score, champions and those that are chosen beside them, into this session, so that its first event pays for no import; returns how many. For a pool: run it when a connection is made. Writes nothing.';
revoke all on function modelpack.warm() from public;
grant execute on function modelpack.warm() to modelpack_reader, modelpack_publisher, modelpack_monitor;
