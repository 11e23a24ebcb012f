create or replace function modelpack.feed(
  profile integer, score text, version integer,
  out numbers text, out texts text, out columns text[], out takes_numbers boolean, out takes_texts boolean
)
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- How a version's inputs are packed from a profile row: SQL over p and "the moment".
declare
  v_relation regclass;
  v_stem text;
  v_maintained text[];
  v_score modelpack.score;
  v_version modelpack.version;
  v_input record;
  v_type oid;
  v_reads text[];
  v_generated text[];
  v_given text[] := '{}';
  v_sql text;
  v_pack record;
  v_numbers text[] := '{}';
  v_texts text[] := '{}';
  v_bad text[] := '{}';
  v_cast text;
  v_ways text[] := '{}';
begin
  columns := '{}';
  select p.relation, p.stem, p.maintained into v_relation, v_stem, v_maintained from modelpack.profile as p where p.profile_id = feed.profile;
  select * into v_score from modelpack.score as s where s.profile_id = feed.profile and s.score = feed.score;
  select * into v_version from modelpack.version as v where v.model = v_score.model and v.version = feed.version;
  for v_input in
    select i.value ->> 'name' as name, i.value ->> 'type' as type
      from jsonb_array_elements(v_version.signature -> 'inputs') with ordinality as i
     order by i.ordinality
  loop
    v_type := null;
    if v_score.inputs ? v_input.name then
      v_sql := format('(%s)', v_score.inputs -> v_input.name ->> 'sql');
      -- whoever owns the table plans it
      execute format('select t.type from modelpack.%I() as t where t.score = $1 and t.input = $2', v_stem || '_types')
         into v_type using feed.score, v_input.name;
      v_reads := array(select jsonb_array_elements_text(v_score.inputs -> v_input.name -> 'columns'));
    else
      v_sql := format('p.%I', v_input.name);
      select a.atttypid
        into v_type
        from pg_attribute as a
       where a.attrelid = v_relation and a.attname = v_input.name and a.attnum > 0 and not a.attisdropped;
      v_reads := array[v_input.name];
    end if;
    columns := columns || v_reads;
    select array_agg(a.attname::text order by a.attnum),
           v_given || coalesce(array_agg(format('%I is generated as %s', a.attname, pg_get_expr(d.adbin, d.adrelid)) order by a.attnum), '{}')
      into v_generated, v_given
      from pg_attribute as a join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
     where a.attrelid = v_relation and a.attname = any (v_reads) and a.attgenerated <> '' and not a.attisdropped;
    -- what modelpack keeps is no number beyond what double precision holds
    v_pack := modelpack.pack(case when v_input.name = any (v_maintained) and v_type = 'numeric'::regtype then 'double precision'::regtype else v_type end, v_sql);
    if v_type is null then
      v_bad := v_bad || format('%s (%s): no such column', v_input.name, v_input.type);
    elsif v_generated is not null then
      v_bad := v_bad || format('%s (%s): it reads the generated column %s, which has no value yet when the row is scored', v_input.name, v_input.type,
                               array_to_string(v_generated, ', '));
    elsif v_pack.kind is distinct from v_input.type then
      v_bad := v_bad || format('%s (%s): it is %s', v_input.name, v_input.type, format_type(v_type, null));
      v_cast := case when v_input.type = 'text' and (v_pack.kind = 'number' or v_type = 'uuid'::regtype) then 'text'
                     when v_input.type = 'number' and v_pack.kind = 'text' then 'double precision' end;
      if v_cast is not null then
        v_ways := v_ways || format('"%s": expression("%s::%s")', v_input.name,
          case when v_score.inputs ? v_input.name then '(...)' else format('%I', v_input.name) end, v_cast);
      end if;
    elsif v_pack.kind = 'text' then
      v_texts := v_texts || v_pack.packed;
    else
      v_numbers := v_numbers || v_pack.packed;
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
      hint = case when cardinality(v_given) > 0
                    then format('Declare the input by what is stored as it is given, in Score(%L, inputs={...}): %s.', feed.score, array_to_string(v_given, '; '))
                  when cardinality(v_ways) = 0 then format('Declare the input in Score(%L, inputs={...}), or publish a version that takes what the profile has.', feed.score)
                  else format('Score(%L, inputs={%s}) gives it what PostgreSQL makes of the value, and so does modelpack training-set: fit the model on that. '
                              'A text is 1, 2.50 or true there, where str() of pandas may say 1.0, 2.5 or True, and leading zeros are only in texts. '
                              'Or publish a version that takes what the profile has.', feed.score, array_to_string(v_ways, ', ')) end;
  end if;
  takes_numbers := cardinality(v_numbers) > 0;
  takes_texts := cardinality(v_texts) > 0;
  numbers := case when takes_numbers then E'array[\n         ' || array_to_string(v_numbers, E',\n         ') || ']' else $$'{}'::double precision[]$$ end;
  texts := case when takes_texts then E'array[\n         ' || array_to_string(v_texts, E',\n         ') || ']' else 'null::text[]' end;
end
$modelpack$;
comment on function modelpack.feed(integer, text, integer) is
  'SQL that packs the inputs of a version from a profile row, and the columns that it reads; refuses a version that the profile cannot feed.';
