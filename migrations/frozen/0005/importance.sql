create or replace function modelpack.importance(model text, version integer, rows integer default 100, seconds double precision default 30)
returns table (input text, importance double precision, mean_contribution double precision, explained integer)
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
-- bounds of partitions are written and read alike
set timezone = 'UTC'
set datestyle = 'ISO, MDY'
as $modelpack$
#variable_conflict use_column
-- The log has no index by time: its newest rows are at the ends of its newest partitions.
declare
  v_wanted constant integer := importance.rows;
  v_until timestamptz;
  v_found modelpack.prediction[] := '{}';
  v_more modelpack.prediction[];
  v_part record;
  v_block bigint;
  v_read integer := 0;
  v_logged modelpack.prediction;
  v_names text[];
  v_sums double precision[];
  v_means double precision[];
  v_done integer := 0;
begin
  if v_wanted is null or v_wanted not between 1 and 10000 or importance.seconds is null or importance.seconds not between 0.01 and 3600 then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('the importance of inputs is asked for of %s rows within %s s', coalesce(v_wanted::text, 'NULL'), coalesce(importance.seconds::text, 'NULL')),
      detail = 'Expected: 1 to 10000 rows, and 0.01 to 3600 s.';
  end if;
  v_until := clock_timestamp() + make_interval(secs => importance.seconds);
  for v_part in
    select p.relid, pg_relation_size(p.relid) / current_setting('block_size')::bigint as blocks,
           regexp_match(pg_get_expr(c.relpartbound, c.oid), $re$FROM \('([^']+)'\) TO \('([^']+)'\)$re$) as bounds
      from pg_partition_tree('modelpack.prediction') as p join pg_class as c on c.oid = p.relid
     where p.isleaf order by (c.relname = 'prediction_default'), c.relname desc
  loop
    v_block := v_part.blocks;
    while v_block > 0 and cardinality(v_found) < v_wanted and v_read < 4096 loop
      -- by way of the parent, which whoever may read the log may read; the bounds leave one partition over, unless it is that of all else
      execute format('select coalesce(array_agg(l order by l.prediction_id), ''{}'') from modelpack.prediction as l'
                     ' where l.tableoid = %s and l.ctid >= %L::tid and l.ctid < %L::tid and l.model = $1 and l.version = $2'
                     -- not what was erased
                     ' and (l.inputs <> ''{}'' or l.text_inputs is not null)',
                     v_part.relid::oid, format('(%s,0)', greatest(v_block - 64, 0)), format('(%s,0)', v_block))
              || coalesce(format(' and l.scored_at >= %L::timestamptz and l.scored_at < %L::timestamptz', v_part.bounds[1], v_part.bounds[2]), '')
        into v_more using importance.model, importance.version;
      v_found := v_found || v_more;
      v_read := v_read + least(v_block, 64)::integer;
      v_block := v_block - 64;
    end loop;
    exit when cardinality(v_found) >= v_wanted or v_read >= 4096;
  end loop;
  -- spread over what was read, the same ones each time
  foreach v_logged in array coalesce((select array_agg(f.l) from (select l from unnest(v_found) as l order by hashint8extended((l).prediction_id, 0) limit v_wanted) as f), '{}') loop
    exit when clock_timestamp() > v_until and v_done > 0;
    select array_agg(p.input order by p.input), array_agg(abs(p.contribution) + coalesce(v_sums[p.place], 0) order by p.input),
           array_agg(p.contribution + coalesce(v_means[p.place], 0) order by p.input)
      into v_names, v_sums, v_means
      from (select q.*, row_number() over (order by q.input) as place
              from modelpack.parts(v_logged, 5000, greatest(1, extract(epoch from v_until - clock_timestamp()))::double precision) as q) as p;
    v_done := v_done + 1;
  end loop;
  return query
  select n.input, n.total / v_done, n.mean / v_done, v_done
    from unnest(v_names, v_sums, v_means) as n (input, total, mean)
   order by n.total desc, n.input;
end
$modelpack$;
comment on function modelpack.importance(text, integer, integer, double precision) is
  'How much each input moves the scores of a version: the mean of the absolute contributions (see modelpack.explain) over some of its newest rows of the log, and the mean contribution. No row where the newest 32 MB of the log have no score of the version.';
revoke all on function modelpack.importance(text, integer, integer, double precision) from public;
grant execute on function modelpack.importance(text, integer, integer, double precision) to modelpack_monitor;
