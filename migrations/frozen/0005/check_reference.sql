create or replace function modelpack.check_reference(signature jsonb, reference jsonb, background jsonb) returns void
language plpgsql immutable security invoker parallel safe
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Anybody may have made it, and jobs, reports and explanations read it: each is of the one shape, and in bounds.
declare
  v_wanted constant jsonb := (select jsonb_object_agg(i.value ->> 'name', i.value) from jsonb_array_elements(signature -> 'inputs') as i);
  v_types constant text[] := array(select i.value ->> 'type' from jsonb_array_elements(signature -> 'inputs') with ordinality as i order by i.ordinality);
  v_missing constant boolean[] := array(select (i.value -> 'missing')::boolean from jsonb_array_elements(signature -> 'inputs') with ordinality as i order by i.ordinality);
  v_expected text := 'a JSON object of format 1: see the comment on modelpack.reference.reference';
  v_rows numeric;
  v_name text;
  v_input jsonb;
  v_bad text;
begin
  if greatest(octet_length(reference::text), octet_length(background::text)) > 8388608 then
    raise exception using
      errcode = 'program_limit_exceeded',
      message = format('the reference has %s bytes as JSON, the background %s', octet_length(reference::text), coalesce(octet_length(background::text), 0)),
      detail = 'Expected: at most 8388608 each.';
  end if;
  <<shape>>
  begin
    if jsonb_typeof(reference) is distinct from 'object' or reference -> 'format' is distinct from '1'
       or reference - array['format', 'rows', 'inputs', 'score'] <> '{}'
       or jsonb_typeof(reference -> 'rows') is distinct from 'number'
       or jsonb_typeof(reference -> 'inputs') is distinct from 'object' or reference -> 'score' ?| array['type', 'missing'] then
      v_bad := format('it is %s', modelpack.shown(coalesce(reference::text, 'NULL'), 63));
      exit shape;
    end if;
    v_rows := (reference ->> 'rows')::numeric;
    if v_rows not between 0 and 9007199254740992 or v_rows <> trunc(v_rows) then
      v_bad := format('its rows are %s', modelpack.shown(reference ->> 'rows', 63));
      exit shape;
    end if;
    v_expected := 'the inputs of the signature, each with its type';
    select n.name into v_bad
      from (select jsonb_object_keys(reference -> 'inputs') as name union select jsonb_object_keys(v_wanted)) as n
     where (reference -> 'inputs' -> n.name ->> 'type') is distinct from (v_wanted -> n.name ->> 'type') limit 1;
    if found then
      v_bad := format('its input %s is %s', modelpack.shown(v_bad, 63),
                      coalesce(modelpack.shown(reference -> 'inputs' -> v_bad ->> 'type', 63), 'not there or of no type'));
      exit shape;
    end if;
    for v_name, v_input in
      select e.key, e.value from jsonb_each(reference -> 'inputs') as e
      union all select null, case jsonb_typeof(reference -> 'score') when 'object' then reference -> 'score' else '{}' end || '{"type": "number", "missing": 0}'
    loop
      v_bad := format('its %s is %s', coalesce('input ' || modelpack.shown(v_name, 63), 'score'), modelpack.shown(v_input::text, 63));
      if v_input ->> 'type' = 'number' then
        v_expected := format('at most 20 rising finite edges (of an input, float32), a count of rows for each bin, which with missing make %s, and four numbers', v_rows);
        exit shape when not v_input ?& array['missing', 'edges', 'counts', 'minimum', 'maximum', 'mean', 'deviation']
          or v_input - array['type', 'missing', 'edges', 'counts', 'minimum', 'maximum', 'mean', 'deviation'] <> '{}'
          or jsonb_typeof(v_input -> 'missing') <> 'number' or jsonb_typeof(v_input -> 'edges') <> 'array' or jsonb_typeof(v_input -> 'counts') <> 'array';
        exit shape when jsonb_array_length(v_input -> 'edges') > 20 or jsonb_array_length(v_input -> 'counts') <> jsonb_array_length(v_input -> 'edges') + 1;
        exit shape when exists (select from jsonb_array_elements(v_input -> 'edges') as e
                                 where not modelpack.is_double(e.value, case when v_name is null then 1.7e308 else 3.4028235e38 end));
        exit shape when exists (select from (select (e.value)::double precision as edge, lag((e.value)::double precision) over (order by e.ordinality) as former
                                               from jsonb_array_elements(v_input -> 'edges') with ordinality as e) as r where r.edge <= r.former);
        exit shape when exists (select from jsonb_array_elements((v_input -> 'counts') || (v_input -> 'missing')) as c
                                 where jsonb_typeof(c.value) <> 'number'
                                    or (case jsonb_typeof(c.value) when 'number' then c.value end)::numeric not between 0 and 9007199254740992
                                    or (case jsonb_typeof(c.value) when 'number' then c.value end)::numeric % 1 <> 0);
        exit shape when (select sum((c.value)::numeric) from jsonb_array_elements((v_input -> 'counts') || (v_input -> 'missing')) as c) <> v_rows;
        exit shape when exists (select from unnest(array['minimum', 'maximum', 'mean', 'deviation']) as f (figure)
                                 where v_input -> f.figure <> 'null' and not modelpack.is_double(v_input -> f.figure, 1.7e308));
      elsif v_wanted -> v_name ->> 'analyzer' is not null then
        v_expected := format('free: true, and at most %s rows as missing and as unseen, of a text that the model reads by its words', v_rows);
        exit shape when v_input - array['type', 'missing', 'unseen'] <> '{"free": true}'
          or jsonb_typeof(v_input -> 'missing') is distinct from 'number' or jsonb_typeof(v_input -> 'unseen') is distinct from 'number';
        exit shape when exists (select from unnest(array['missing', 'unseen']) as f (figure)
                                 where (v_input -> f.figure)::numeric not between 0 and v_rows or (v_input -> f.figure)::numeric % 1 <> 0);
      else
        v_expected := format('at most 50 categories of at most 200 characters without control characters, with their rows, which with missing and other make %s, and unseen rows', v_rows);
        exit shape when v_input - array['type', 'missing', 'categories', 'other', 'unseen'] <> '{}' or jsonb_typeof(v_input -> 'categories') is distinct from 'object'
          or exists (select from unnest(array['missing', 'other', 'unseen']) as f (figure) where jsonb_typeof(v_input -> f.figure) is distinct from 'number');
        exit shape when exists (select from jsonb_each(v_input -> 'categories') as c offset 50)
          or exists (select from jsonb_each(v_input -> 'categories') as c
                      where jsonb_typeof(c.value) <> 'number' or length(c.key) > 200 or c.key ~ '[[:cntrl:]]');
        exit shape when exists (select from (select c.value from jsonb_each(v_input -> 'categories') as c
                                             union all select v_input -> f.figure from unnest(array['missing', 'other', 'unseen']) as f (figure)) as c
                                 where (c.value)::numeric not between 0 and v_rows or (c.value)::numeric % 1 <> 0);
        exit shape when (select coalesce(sum((c.value)::numeric), 0) from jsonb_each(v_input -> 'categories') as c)
                        + (v_input -> 'missing')::numeric + (v_input -> 'other')::numeric <> v_rows;
      end if;
    end loop;
    v_bad := null;
    if background is not null then
      v_expected := 'a JSON array of 1 to 100 rows, each with a cell for each input of the signature, of its type and as float32 holds it, null where it is missing and the model takes that';
      v_bad := format('the background is %s', modelpack.shown(background::text, 63));
      exit shape when jsonb_typeof(background) <> 'array' or exists (select from jsonb_array_elements(background) as b where jsonb_typeof(b.value) <> 'array');
      exit shape when jsonb_array_length(background) not between 1 and 100
        or exists (select from jsonb_array_elements(background) as b where jsonb_array_length(b.value) <> cardinality(v_types));
      exit shape when exists (select from jsonb_array_elements(background) as b cross join jsonb_array_elements(b.value) with ordinality as c
                               where case jsonb_typeof(c.value) when 'null' then not v_missing[c.ordinality]
                                                                when 'number' then v_types[c.ordinality] <> 'number' or not modelpack.is_double(c.value, 3.4028235e38)
                                                                when 'string' then v_types[c.ordinality] <> 'text'
                                                                else true end);
      v_bad := null;
    end if;
  end;
  if v_bad is not null then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('the reference is of another shape: %s', v_bad),
      detail = format('Expected: %s.', v_expected),
      hint = 'Publish with the package (modelpack publish), which makes it from the sample.';
  end if;
end
$modelpack$;
comment on function modelpack.check_reference(jsonb, jsonb, jsonb) is
  'Refuses a reference or background rows that do not fit the signature, are too large, or hold what their readers cannot read.';
revoke all on function modelpack.check_reference(jsonb, jsonb, jsonb) from public;
