create or replace function modelpack.patience() returns text
language sql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select case when current_setting('lock_timeout')::interval > interval '0' then current_setting('lock_timeout')
            else (select least(extract(epoch from s.value::interval) * 1000, 2147483647) from modelpack.setting as s where s.name = 'lock_wait')::integer::text end
$modelpack$;
comment on function modelpack.patience() is
  'The lock_timeout by which declarations are applied and versions promoted: that of the session, or the setting lock_wait where it has none.';
