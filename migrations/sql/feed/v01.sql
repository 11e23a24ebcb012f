create or replace function modelpack.feed(
  profile integer, score text, version integer, out numbers text, out texts text, out columns text[], out may_fail boolean
)
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- How a version's inputs are packed from a profile row: SQL over $row$ and $moment$.
declare
  v_relation regclass;
  v_maintained text[];
  v_score modelpack.score;
  v_version modelpack.version;
  v_input record;
  v_type text;
  v_sql text;
  v_numbers text[] := '{}';
  v_texts text[] := '{}';
  v_bad text[] := '{}';
begin
  columns := '{}';
  may_fail := false;
  select p.relation, p.maintained into v_relation, v_maintained from modelpack.profile as p where p.profile_id = feed.profile;
  select * into v_score from modelpack.score as s where s.profile_id = feed.profile and s.score = feed.score;
  select * into v_version from modelpack.version as v where v.model = v_score.model and v.version = feed.version;
  for v_input in
    select i.value ->> 'name' as name, i.value ->> 'type' as type, i.value ->> 'missing_token' as token
      from jsonb_array_elements(v_version.signature -> 'inputs') with ordinality as i
     order by i.ordinality
  loop
    if v_score.inputs ? v_input.name then
      v_sql := v_score.inputs -> v_input.name ->> 'sql';
      v_type := 'expression';
      may_fail := may_fail or (v_score.inputs -> v_input.name -> 'may_fail')::boolean;
      columns := columns || array(select jsonb_array_elements_text(v_score.inputs -> v_input.name -> 'columns'));
    else
      v_sql := format('$row$.%I', v_input.name);
      select case
               when a.attgenerated <> '' then 'generated'
               when t.typname in ('int2', 'int4', 'int8', 'float4', 'float8') or a.attname = any (v_maintained) and t.typname = 'numeric' then 'plain'
               when t.typname = 'numeric' then 'wide'
               when t.typname = 'bool' then 'bool'
               when t.typcategory = 'S' or t.typtype = 'e' then 'text'
               else format_type(a.atttypid, a.atttypmod)
             end
        into v_type
        from pg_attribute as a
        join pg_type as t on t.oid = a.atttypid
       where a.attrelid = v_relation and a.attname = v_input.name and a.attnum > 0 and not a.attisdropped;
      columns := columns || v_input.name;
    end if;
    if v_type is null then
      v_bad := v_bad || format('%s (%s): no such column', v_input.name, v_input.type);
    elsif v_type = 'generated' then
      v_bad := v_bad || format('%s (%s): a generated column has no value yet when the row is scored', v_input.name, v_input.type);
    elsif v_input.type = 'text' then
      v_texts := v_texts || case when v_input.token is null then format('(%s)::text', v_sql)
                                 else format('coalesce((%s)::text, %L)', v_sql, v_input.token) end;
    elsif v_type = 'plain' then
      v_numbers := v_numbers || (v_sql || '::double precision');
    elsif v_type = 'wide' then
      v_numbers := v_numbers || ('modelpack.to_double(' || v_sql || ')');
    elsif v_type = 'bool' then
      v_numbers := v_numbers || (v_sql || '::integer::double precision');
    elsif v_type = 'expression' then
      v_numbers := v_numbers || ('(' || v_sql || ')::double precision');
    else
      v_bad := v_bad || format('%s (number): the column is %s', v_input.name, v_type);
    end if;
  end loop;
  if cardinality(v_bad) > 0 then
    raise exception using
      errcode = 'datatype_mismatch',
      message = format('%s cannot feed version %s of the model %s', v_relation, feed.version, v_score.model),
      detail = format(E'The version takes: %s.\nMissing or unfit: %s.\nThe profile has: %s.',
                 (select string_agg(format('%s (%s)', i.value ->> 'name', i.value ->> 'type'), ', ' order by i.ordinality)
                    from jsonb_array_elements(v_version.signature -> 'inputs') with ordinality as i),
                 array_to_string(v_bad, '; '),
                 (select string_agg(format('%s (%s)', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' order by a.attnum)
                    from pg_attribute as a where a.attrelid = v_relation and a.attnum > 0 and not a.attisdropped)),
      hint = format('Declare the input in Score(%L, inputs={…}), or publish a version that takes what the profile has.', feed.score);
  end if;
  numbers := case when cardinality(v_numbers) = 0 then $$'{}'::double precision[]$$ else E'array[\n  ' || array_to_string(v_numbers, E',\n  ') || ']' end;
  texts := case when cardinality(v_texts) = 0 then 'null::text[]' else E'array[\n  ' || array_to_string(v_texts, E',\n  ') || ']' end;
end
$modelpack$;
comment on function modelpack.feed(integer, text, integer) is
  'SQL that packs the inputs of a version from a profile row, and the columns that it reads; refuses a version that the profile cannot feed.';
