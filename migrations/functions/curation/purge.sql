create or replace function modelpack.purge(retired_for interval default null) returns table (sha256 text, bytes bigint)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_upto constant timestamptz := now() - coalesce(purge.retired_for,
    (select s.value::interval from modelpack.setting as s where s.name = 'retired_kept'));
begin
  -- rows of the sample go with the time that a retired version is kept, also where another version has the same bytes
  update modelpack.reference as f set background = null
    from modelpack.retirement as r
   where r.version_id = f.version_id and r.at <= v_upto and f.background is not null;
  update modelpack.formula as f set formula = null
    from modelpack.retirement as r
   where r.version_id = f.version_id and r.at <= v_upto and f.formula is not null;
  return query
    with nameless as (
      select a.sha256, octet_length(a.onnx)::bigint as bytes
        from modelpack.artifact as a
       where a.onnx is not null
         and not exists (select from modelpack.version as v
                           left join modelpack.retirement as r using (version_id)
                          where v.sha256 = a.sha256 and (r.at is null or r.at > v_upto))
         for update of a
    ), emptied as (
      update modelpack.artifact as a set onnx = null from nameless as n where a.sha256 = n.sha256
    )
    select n.sha256, n.bytes from nameless as n order by n.sha256;
end
$modelpack$;
comment on function modelpack.purge(interval) is
  'Deletes the bytes of models that only versions name which have been retired for so long (default: the setting retired_kept), and formulas and background rows of versions that were. What is known about the versions stays. Returns the hashes and sizes.';
revoke all on function modelpack.purge(interval) from public;
grant execute on function modelpack.purge(interval) to modelpack_monitor;
