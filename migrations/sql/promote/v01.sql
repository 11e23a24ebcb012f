create or replace function modelpack.promote(model text, version integer, reason text default '') returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
begin
  perform from modelpack.model as m where m.model = promote.model for update;
  if not found then
    raise exception using
      errcode = 'undefined_object',
      message = format('there is no model %s', promote.model),
      detail = format('There are: %s.', coalesce((select string_agg(m.model, ', ' order by m.model) from modelpack.model as m), 'none')),
      hint = 'Publish a version first: modelpack publish MODEL --name …';
  end if;
  if exists (select from modelpack.alias as a
              where a.model = promote.model and a.alias = 'champion' and a.version = promote.version) then
    return;  -- it is the champion already
  end if;
  perform modelpack.set_champion(promote.model, promote.version, 'promote', promote.reason);
end
$modelpack$;
comment on function modelpack.promote(text, integer, text) is
  'Makes a version the one that scores. Other sessions switch when this commits. Rows keep their scores until something happens to them or CALL modelpack.rescore.';
revoke all on function modelpack.promote(text, integer, text) from public;
grant execute on function modelpack.promote(text, integer, text) to modelpack_publisher;
