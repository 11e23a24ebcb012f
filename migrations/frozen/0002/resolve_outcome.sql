create or replace function modelpack.resolve_outcome(
  relation regclass, columns text[], expression text,
  path text
) returns text
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set quote_all_identifiers = off
set standard_conforming_strings = on
as $modelpack$
-- The server reads the expression as the session would, and writes it down with every name qualified. What it wrote is
-- read again under the search_path that settling has, and held against what was meant.
declare
  v_query constant text := format(
    'select (%%s) as modelpack_result from (select %s from %s as q) as p cross join (values (null::timestamptz, null::timestamptz)) as t (at, until)',
    (select string_agg(format('q.%I', c.name), ', ' order by c.place) from unnest(columns) with ordinality as c (name, place)), relation);
  v_meant text;
  v_type text;
  v_written text;
begin
  perform set_config('search_path', path, true);
  begin
    v_meant := modelpack.view_meaning(format(v_query, expression));
    execute pg_catalog.concat('create temporary view modelpack_written as ', pg_catalog.format(v_query, expression));
  exception when syntax_error_or_access_rule_violation or data_exception then
    raise exception using
      errcode = sqlstate,
      message = pg_catalog.format('the outcome %s cannot be read: %s', modelpack.shown(expression, 200), sqlerrm),
      detail = pg_catalog.format('In an outcome, p is the profile row with its columns that no event maintains (%s), t.at the moment of the score and t.until the end of the horizon.',
                                 pg_catalog.array_to_string(columns, ', ')),
      hint = pg_catalog.format('Names are looked up in %s; write tables elsewhere with their schema.', path);
  end;
  perform set_config('search_path', 'pg_catalog, pg_temp', true);
  select format_type(a.atttypid, null), substring(pg_get_viewdef(a.attrelid) from '^[[:space:]]*SELECT[[:space:]]+(.*)[[:space:]]+AS modelpack_result[[:space:]]+FROM ')
    into v_type, v_written
    from pg_attribute as a where a.attrelid = 'pg_temp.modelpack_written'::regclass and a.attname = 'modelpack_result';
  drop view pg_temp.modelpack_written;
  if v_type not in ('boolean', 'smallint', 'integer', 'bigint', 'numeric', 'real', 'double precision') then
    raise exception using
      errcode = 'datatype_mismatch',
      message = format('the outcome %s is of the type %s, expected a boolean or a number', modelpack.shown(expression, 200), v_type);
  end if;
  if modelpack.view_meaning(format(v_query, v_written)) is distinct from v_meant then
    raise exception using
      errcode = 'feature_not_supported',
      message = format('the outcome %s compares, without naming an operator, values of a type that lives outside pg_catalog', modelpack.shown(expression, 200)),
      hint = 'Name the operator: write a = b instead of CASE a WHEN b, a IS DISTINCT FROM b or NULLIF(a, b).';
  end if;
  return format(case v_type when 'boolean' then '(%s)::integer::double precision' else '(%s)::double precision' end, v_written);
end
$modelpack$;
comment on function modelpack.resolve_outcome(regclass, text[], text, text) is
  'What the expression of an outcome means to a session, as SQL that means the same under every search_path and gives a double precision.';
