create or replace function modelpack.renew_yardsticks() returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- A version that was counted by quantiles of the log has got a reference: it is counted by that from now on.
declare
  v_version integer;
begin
  for v_version in
    select distinct y.version_id from modelpack.yardstick as y join modelpack.reference as f using (version_id) where y.source = 'log'
  loop
    delete from modelpack.rollup_input as i using modelpack.watched as w where w.watched_id = i.watched_id and w.version_id = v_version;
    delete from modelpack.drift_figure as f using modelpack.version as v
     where v.version_id = v_version and (f.model, f.version) = (v.model, v.version);
    delete from modelpack.yardstick_text as t where t.version_id = v_version;
    delete from modelpack.yardstick as y where y.version_id = v_version;
  end loop;
end
$modelpack$;
comment on function modelpack.renew_yardsticks() is
  'Takes away the bins of versions that have got a reference since: modelpack.observe makes them anew by it.';
revoke all on function modelpack.renew_yardsticks() from public;
