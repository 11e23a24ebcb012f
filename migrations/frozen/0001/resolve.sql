create or replace function modelpack.resolve(
  relation text, expression text, alias text, condition boolean, more_columns text default '', path text default current_setting('search_path')
) returns text
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set quote_all_identifiers = off
set standard_conforming_strings = on
set extra_float_digits = 1
as $modelpack$
-- The server resolves the expression as the session would, and writes it down with every name of another schema than
-- pg_catalog qualified. Some constructs (IS DISTINCT FROM, NULLIF, CASE x WHEN) name no operator, so what it wrote is
-- read again under the triggers' own search_path, and held against what was meant.
declare
  v_query constant text := format('from pg_temp.%I cross join (values (0)) as "another"', alias);
  v_meant text;
  v_style text;
  v_written text;
  v_again boolean := true;
  v_generated text;
  v_role constant text := current_setting('role');
  -- planning evaluates what is constant in an expression: as the owner of the table, who may be anybody
  v_owner constant name := (select r.rolname from pg_class as c join pg_roles as r on r.oid = c.relowner
                             where c.oid = resolve.relation::regclass and not r.rolsuper);
begin
  perform set_config('search_path', path, true);
  execute pg_catalog.format('create temporary table pg_temp.%I (like %s%s)', alias, relation, more_columns);
  v_meant := modelpack.view_meaning(pg_catalog.format('select (%s) as modelpack_result %s', expression, v_query));
  execute pg_catalog.format('create temporary view pg_temp.modelpack_written as select (%s) as modelpack_result %s', expression, v_query);
  perform set_config('search_path', 'pg_catalog, pg_temp', true), set_config('datestyle', 'ISO, YMD', true), set_config('intervalstyle', 'postgres', true);
  v_written := substring(pg_get_viewdef('pg_temp.modelpack_written'::regclass) from '^[[:space:]]*SELECT[[:space:]]+(.*)[[:space:]]+AS modelpack_result[[:space:]]+FROM ');
  -- the table like it has no generated columns: what the triggers would see as NULL passes there
  select string_agg(format('%I', a.attname), ', ' order by a.attnum)
    into v_generated
    from pg_rewrite as w
    join pg_depend as d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refclassid = 'pg_class'::regclass
    join pg_attribute as mine on mine.attrelid = d.refobjid and mine.attnum = d.refobjsubid
    join pg_attribute as a on a.attrelid = resolve.relation::regclass and a.attname = mine.attname
   where w.ev_class = 'pg_temp.modelpack_written'::regclass and d.refobjid = format('pg_temp.%I', alias)::regclass
     and a.attgenerated = 'v';
  if v_generated is not null then
    raise exception using
      errcode = 'feature_not_supported',
      message = format('it reads %s, which is generated and virtual, so that triggers see it as NULL', v_generated),
      hint = format('Write the expression of %s in its place, or drop it and add it again, generated always as (...) stored.', v_generated);
  end if;
  drop view pg_temp.modelpack_written;
  begin  -- a date such as 02/01/2024 is another in another session
    foreach v_style in array array['ISO, MDY', 'ISO, DMY', 'ISO, YMD'] loop
      perform set_config('datestyle', v_style, true);
      v_again := v_again and modelpack.view_meaning(format('select (%s) as modelpack_result %s', expression, v_query)) = v_meant;
    end loop;
  exception when syntax_error_or_access_rule_violation or data_exception then
    v_again := false;
  end;
  if v_again then
    v_written := null;
  else
    begin
      v_again := modelpack.view_meaning(format('select (%s) as modelpack_result %s', v_written, v_query)) = v_meant;
    exception when syntax_error_or_access_rule_violation or data_exception then
      v_again := false;
    end;
    if not v_again then
      raise exception using
        errcode = 'feature_not_supported',
        message = 'it compares, without naming an operator, values of a type that lives outside pg_catalog',
        detail = format('To the triggers it would mean: %s', regexp_replace(v_written, '[[:space:]]+', ' ', 'g')),
        hint = 'Name the operator: write a = b instead of CASE a WHEN b, a IS DISTINCT FROM b or NULLIF(a, b), and compare the columns of rows one by one.';
    end if;
  end if;
  if v_owner is not null then
    execute format('alter table pg_temp.%I owner to %I', alias, v_owner);
    perform set_config('role', v_owner, true);
  end if;
  execute format(case when condition then 'alter table pg_temp.%I add column modelpack_result boolean generated always as (%s) stored'
                      else 'alter table pg_temp.%I add column modelpack_result boolean generated always as ((%s) is null) stored' end,
                 alias, coalesce(v_written, expression));
  execute format('drop table pg_temp.%I', alias);
  perform set_config('role', v_role, true);
  return v_written;
end
$modelpack$;
comment on function modelpack.resolve(text, text, text, boolean, text, text) is
  'What an expression over a row of a table means to a session, as SQL that means the same under every search_path; NULL where it does as it is written. Refuses one that does not depend on the row alone.';
