create or replace function modelpack.check_meaning(
  relation text, expression text, alias text, condition boolean, path text default current_setting('search_path')
) returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
declare
  v_meant constant text := modelpack.resolve(relation, expression, alias, condition, '', path);
begin
  if v_meant is not null then
    raise exception using
      errcode = 'feature_not_supported',
      message = format('%s would mean something else to the triggers of %s than to this session, whose search_path is %s', expression, relation, path),
      detail = format('Here it means: %s', v_meant),
      hint = 'Apply the declaration with a connection (without --sql), or write operators and functions with their schemas, such as operator(public.=).';
  end if;
end
$modelpack$;
comment on function modelpack.check_meaning(text, text, text, boolean, text) is
  'Refuses an expression of a script made without a connection that the triggers would read otherwise than the session that runs the script.';
