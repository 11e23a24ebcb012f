create or replace function modelpack.disable(model text, reason text default '') returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
begin
  if not pg_has_role(modelpack.caller(), 'modelpack_approver', 'member') then
    perform modelpack.check_grant(disable.model, 'disable');
  end if;
  update modelpack.model as m
     set disabled = coalesce(nullif(disable.reason, ''), 'by hand'), disabled_at = clock_timestamp(), disabled_by = session_user
   where m.model = disable.model;
  if not found then
    raise exception using
      errcode = 'undefined_object',
      message = format('there is no model %s', disable.model),
      detail = format('There are: %s.', coalesce((select string_agg(m.model, ', ' order by m.model) from modelpack.model as m), 'none'));
  end if;
  perform modelpack.bind_model(disable.model);
end
$modelpack$;
comment on function modelpack.disable(text, text) is
  'Stops a model for all sessions, from the commit of this transaction on: events and features go on, rows that would be scored keep their last score and say ''disabled: …''. No lock on an event or profile table. modelpack.enable takes it back.';
revoke all on function modelpack.disable(text, text) from public;
grant execute on function modelpack.disable(text, text) to modelpack_publisher, modelpack_approver;
