create or replace function modelpack.calls(statement text, verbs text[]) returns boolean
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- What stands between quotation marks or in a comment calls nothing; but a name that needs no quotation marks may have them.
-- Where PostgreSQL would read on otherwise than here, in nested comments and behind a dollar quote, no call is found.
declare
  v_escaped constant text := $re$'(?:[^'\\]|\\.|'')*'$re$;
  v_literal constant text := case when current_setting('standard_conforming_strings') = 'on' then $re$'(?:[^']|'')*'$re$ else v_escaped end;
  v_code text := translate(left(statement, 10000000), chr(1) || chr(2), '  ');
begin
  -- the body of a DO block is code
  v_code := regexp_replace(v_code, $re$\mdo(\s+language\s+\w+)?\s+\$[a-z_0-9]*\$$re$, ' ', 'gi');
  v_code := regexp_replace(v_code, concat_ws('|', $re$"((?:[^"]|"")*)"$re$, $re$\me$re$ || v_escaped, v_literal, $re$--[^\n\r]*$re$,
                                             $re$/\*(?:[^*]|\*+[^*/])*\*+/$re$, $re$\$(?:[^\d\s$'"][^\s$'"]*)?\$.*$re$),
                           chr(1) || $re$\1$re$ || chr(2), 'gi');
  v_code := regexp_replace(v_code, chr(1) || '([a-z_][a-z_0-9]*)' || chr(2), $re$ \1 $re$, 'g');
  v_code := regexp_replace(v_code, format('%s[^%s]*%s', chr(1), chr(2), chr(2)), ' ? ', 'g');
  return position('*/' in v_code) = 0
         and v_code ~* format($re$\mmodelpack\s*\.\s*(%s)\s*\($re$, array_to_string(verbs, '|'));
end
$modelpack$;
comment on function modelpack.calls(text, text[]) is
  'Whether a statement, as its text says, calls modelpack.VERB for one of the verbs.';
