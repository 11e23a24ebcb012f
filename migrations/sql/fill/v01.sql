create or replace function modelpack.fill(template text, variadic pairs text[]) returns text
language plpgsql immutable security invoker parallel safe
set search_path = pg_catalog, pg_temp
as $modelpack$
begin
  for i in 1 .. cardinality(pairs) by 2 loop
    template := replace(template, '@' || pairs[i] || '@', coalesce(pairs[i + 1], 'null'));
  end loop;
  return template;
end
$modelpack$;
comment on function modelpack.fill(text, text[]) is 'Replaces @name@ in a template: fill(template, name, value, …).';
