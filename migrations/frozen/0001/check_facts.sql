create or replace function modelpack.check_facts(what text, facts jsonb, most integer default 65536) returns void
language plpgsql immutable security invoker parallel safe
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Everybody's lists of versions show these: one of another shape would break them for all.
declare
  v_bad text;
begin
  if jsonb_typeof(facts) is distinct from 'object' then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('the %s are %s', what, coalesce(jsonb_typeof(facts), 'NULL')),
      detail = 'Expected: a JSON object.';
  end if;
  if octet_length(facts::text) > most then
    raise exception using
      errcode = 'program_limit_exceeded',
      message = format('the %s have %s bytes as JSON', what, octet_length(facts::text)),
      detail = format('Expected: at most %s.', most);
  end if;
  if jsonb_path_exists(facts, 'strict $.**{9 to last}', silent => true) then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('the %s are nested more than eight deep', what),
      detail = 'Expected: a JSON object of at most eight levels.';
  end if;
  select e.key into v_bad from jsonb_each(facts) as e
   where length(e.key) not between 1 and 63 or e.key ~ '[[:cntrl:]]'
      or what = 'metrics' and (jsonb_typeof(e.value) <> 'number' or abs((e.value #>> '{}')::numeric) > 1e300)
      or what = 'libraries' and (jsonb_typeof(e.value) <> 'string' or length(e.value #>> '{}') > 100)
   limit 1;
  if found then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('the %s have the entry %s: %s', what, modelpack.shown(v_bad, 63), modelpack.shown(facts ->> v_bad, 63)),
      detail = format('Expected: names of 1 to 63 characters%s.',
                      case what when 'metrics' then ', each with a number' when 'libraries' then ', each with a version as text' else '' end);
  end if;
end
$modelpack$;
comment on function modelpack.check_facts(text, jsonb, integer) is
  'Refuses metrics, libraries, parity or lineage of a version that are no object, are too large or too deep, or hold what their readers cannot show.';
revoke all on function modelpack.check_facts(text, jsonb, integer) from public;
