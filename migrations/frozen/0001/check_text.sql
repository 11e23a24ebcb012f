create or replace function modelpack.check_text(what text, value text, most integer default 2000) returns void
language plpgsql immutable security invoker parallel safe
set search_path = pg_catalog, pg_temp
as $modelpack$
begin
  if length(value) > most then
    raise exception using
      errcode = 'string_data_right_truncation',
      message = format('%s has %s characters', what, length(value)),
      detail = format('Expected: at most %s.', most);
  end if;
  if translate(value, E'\n\t', '') ~ '[[:cntrl:]]' then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('%s has a control character: %s', what, modelpack.shown(value)),
      detail = 'Expected: plain text. What steers a terminal would steer that of whoever reads it.';
  end if;
end
$modelpack$;
comment on function modelpack.check_text(text, text, integer) is
  'Refuses a name, note or reason that is too long or has control characters other than a tab or the end of a line.';
revoke all on function modelpack.check_text(text, text, integer) from public;
