create or replace function modelpack.diff(me modelpack.me, model text, first integer, second integer, rows jsonb)
returns table (part text, name text, first_value text, second_value text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_first modelpack.version := modelpack.scorable(modelpack.caller(me), diff.model, diff.first);
  v_second modelpack.version := modelpack.scorable(modelpack.caller(me), diff.model, diff.second);
  v_rows jsonb := diff.rows;
begin
  if jsonb_typeof(v_rows) <> 'array' or jsonb_array_length(v_rows) > 10000 or pg_column_size(v_rows) > 67108864 then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'the rows are more than 10000, larger than 64 MB, or no JSON array',
      detail = 'Expected: a JSON array of at most 10000 objects.';
  end if;
  return query
    with input as (
      select s.which, i.value ->> 'name' as name,
             format('%s. %s%s', i.ordinality, i.value ->> 'type', case when (i.value -> 'missing')::boolean then '' else ', never NULL' end) as said
        from (values (1, v_first.signature), (2, v_second.signature)) as s (which, signature),
             jsonb_array_elements(s.signature -> 'inputs') with ordinality as i
    )
    select 'input', coalesce(a.name, b.name), a.said, b.said
      from (select * from input where which = 1) as a
      full join (select * from input where which = 2) as b on a.name = b.name
     where a.said is distinct from b.said
     order by 2;
  return query
    select p.part, coalesce(a.key, b.key), a.value, b.value
      from (values ('output', v_first.signature -> 'output', v_second.signature -> 'output'),
                   ('metric', (select w.metrics from modelpack.versions as w where w.model = diff.model and w.version = diff.first),
                              (select w.metrics from modelpack.versions as w where w.model = diff.model and w.version = diff.second)),
                   ('library', v_first.libraries, v_second.libraries),
                   ('lineage', v_first.lineage, v_second.lineage)) as p (part, one, two)
      cross join lateral (select coalesce(x.key, y.key) as key from jsonb_each_text(p.one) as x
                            full join jsonb_each_text(p.two) as y on x.key = y.key) as k
      left join lateral jsonb_each_text(p.one) as a on a.key = k.key
      left join lateral jsonb_each_text(p.two) as b on b.key = k.key
     where a.value is distinct from b.value
     order by array_position(array['output', 'metric', 'library', 'lineage'], p.part), k.key;
  if v_rows is null then  -- the golden rows of the first, by name
    select jsonb_agg((select jsonb_object_agg(i.value ->> 'name', r.value -> (i.ordinality - 1)::integer)
                        from jsonb_array_elements(v_first.signature -> 'inputs') with ordinality as i) order by r.ordinality)
      into v_rows
      from jsonb_array_elements(v_first.golden -> 'rows') with ordinality as r;
  end if;
  return query
    select 'score', a.place::text, coalesce(a.score::text, a.problem, a.failure), coalesce(b.score::text, b.problem, b.failure)
      from modelpack.score_named(v_first.version_id, v_first.signature, v_rows, strict => false) as a
      join modelpack.score_named(v_second.version_id, v_second.signature, v_rows, strict => false) as b using (place)
     order by a.place;
end
$modelpack$;
comment on function modelpack.diff(modelpack.me, text, integer, integer, jsonb) is 'modelpack.diff(model, first, second, rows) for who calls it.';
revoke all on function modelpack.diff(modelpack.me, text, integer, integer, jsonb) from public;
create or replace function modelpack.diff(model text, first integer, second integer, rows jsonb default null) returns table (part text, name text, first_value text, second_value text)
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select f.* from modelpack.me as m cross join lateral modelpack.diff(m, diff.model, diff.first, diff.second, diff.rows) as f
$modelpack$;
comment on function modelpack.diff(text, integer, integer, jsonb) is
  'Two versions side by side: inputs, output, metrics, libraries and lineage that differ, and the scores of the same rows (an array of named inputs; default: the golden rows of the first).';
revoke all on function modelpack.diff(text, integer, integer, jsonb) from public;
grant execute on function modelpack.diff(text, integer, integer, jsonb), modelpack.diff(modelpack.me, text, integer, integer, jsonb) to modelpack_reader, modelpack_publisher, modelpack_approver;
