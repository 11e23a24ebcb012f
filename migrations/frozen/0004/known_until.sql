create or replace function modelpack.known_until(model text, version integer) returns timestamptz
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_said text;
begin
  select coalesce(v.tags ->> 'trained_until', v.lineage #>> '{training_data,until}') into v_said
    from modelpack.versions as v where v.model = known_until.model and v.version = known_until.version;
  return v_said::timestamptz;
exception when invalid_datetime_format or datetime_field_overflow or invalid_text_representation then
  raise exception using
    errcode = 'invalid_parameter_value',
    message = format('the tag trained_until of version %s of %s is %s, expected a moment', version, model, quote_literal(modelpack.shown(v_said, 100))),
    hint = format('select modelpack.set_tag(%L, %s, ''trained_until'', ''2026-01-31'');', model, version);
end
$modelpack$;
comment on function modelpack.known_until(text, integer) is
  'Until when a version may know what happened: the end of its training data, by its tag trained_until or else by its lineage. NULL: nothing says so.';
revoke all on function modelpack.known_until(text, integer) from public;
