create or replace function modelpack.doctor(me modelpack.me) returns table (status text, "check" text, found text, expected text, mend text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_caller constant name := modelpack.caller(me);
  v_area record;
  v_row record;
  v_found boolean;
begin
  for v_area in
    select * from (values
      ('server', 'Python, its wheels and who may write their folder', 'the server''s Python imports numpy and onnxruntime'),
      ('gate', 'process that tries models', 'a small model loads and scores in a process of its own'),
      ('rights', 'owners and rights', 'functions run as modelpack_owner, and nobody calls what was not granted to him'),
      ('tables', 'tables, columns, indexes and rights', 'what the declarations name is there'),
      ('triggers', 'triggers, functions and partitions', 'what attaching made is there, enabled and unchanged'),
      ('rows', 'rows of profiles', 'fresh, of the champion, and what their events say (sampled)'),
      ('models', 'models', 'champions give their golden scores, none fails'),
      ('log', 'prediction log', 'partitions ahead, indexes on those behind')) as a (name, checks, expectation)
    union all
    -- what rooms around the core examine, as the comment says; not what was made for a profile, which has its stem there
    select r.name, r.name, r.expectation
      from (select substr(f.proname, 9) as name, split_part(obj_description(f.oid, 'pg_proc'), '. ', 1) as expectation
              from pg_proc as f
             where f.pronamespace = 'modelpack'::regnamespace and starts_with(f.proname, 'examine_') and f.pronargs = 0
               and right(obj_description(f.oid, 'pg_proc'), 1) <> ']') as r
     where r.name <> all ('{server,gate,rights,tables,triggers,rows,models,log,golden}')
  loop
    v_found := false;
    begin
      for v_row in execute format('select * from modelpack.%I(%s)', 'examine_' || v_area.name, case when v_area.name in ('rows', 'models') then '$1' end)
                   using v_caller loop
        v_found := v_found or v_row.status <> 'ok';
        return query select v_row.status, v_row."check", v_row.found, v_row.expected, v_row.mend;
      end loop;
    exception when others then  -- whatever is broken must not hide the rest; a cancel is none of these
      v_found := true;
      return query select 'fail', v_area.checks, format('the examination ends: %s', sqlerrm), v_area.expectation,
                          format('mend what is named, or what other rows name; then select * from modelpack.%I()', 'examine_' || v_area.name);
    end;
    if not v_found then
      return query select 'ok', v_area.checks, 'as expected', v_area.expectation, '';
    end if;
  end loop;
end
$modelpack$;
comment on function modelpack.doctor(modelpack.me) is 'modelpack.doctor() for who calls it.';
revoke all on function modelpack.doctor(modelpack.me) from public;
create or replace function modelpack.doctor() returns table (status text, "check" text, found text, expected text, mend text)
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select f.* from modelpack.me as m cross join lateral modelpack.doctor(m) as f
$modelpack$;
comment on function modelpack.doctor() is
  'Examines the installation: one row a finding, with status (ok, warn, fail), what was found, what is expected, and the statement that mends it. Imports numpy and onnxruntime, and reads profiles: for people and monitoring every few minutes, not for every second.';
revoke all on function modelpack.doctor() from public;
grant execute on function modelpack.doctor(), modelpack.doctor(modelpack.me) to modelpack_monitor, modelpack_publisher;
