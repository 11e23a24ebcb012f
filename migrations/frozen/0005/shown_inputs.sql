create or replace function modelpack.shown_inputs(relation regclass, signature jsonb, declared jsonb, inputs double precision[], text_inputs text[]) returns jsonb
language sql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- An input is a column of the same name, or was declared as an expression over columns.
select case when shown_inputs.inputs <> '{}' or shown_inputs.text_inputs is not null then (
  select coalesce(jsonb_object_agg(i.name, case i.type when 'text' then to_jsonb(text_inputs[i.nth]) else to_jsonb(inputs[i.nth]) end), '{}')
    from (select s.value ->> 'name' as name, s.value ->> 'type' as type,
                 row_number() over (partition by s.value ->> 'type' = 'text' order by s.ordinality)::integer as nth
            from jsonb_array_elements(shown_inputs.signature -> 'inputs') with ordinality as s) as i
   where pg_has_role(current_user, 'modelpack_monitor', 'usage')
      or not exists (select from jsonb_array_elements_text(case when declared ? i.name then declared -> i.name -> 'columns' else jsonb_build_array(i.name) end) as c (name)
                      where not exists (select from pg_attribute as a
                                         where a.attrelid = shown_inputs.relation and a.attname = c.name and a.attnum > 0 and not a.attisdropped
                                           and has_column_privilege(a.attrelid, a.attnum, 'select')))
) end
$modelpack$;
comment on function modelpack.shown_inputs(regclass, jsonb, jsonb, double precision[], text[]) is
  'The inputs of a row of the log by name, without those that read a column of the profile that who asks may not read; NULL where they were erased.';
revoke all on function modelpack.shown_inputs(regclass, jsonb, jsonb, double precision[], text[]) from public;
grant execute on function modelpack.shown_inputs(regclass, jsonb, jsonb, double precision[], text[]) to modelpack_publisher, modelpack_approver, modelpack_reader, modelpack_monitor;
