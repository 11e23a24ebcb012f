create or replace function modelpack.add_note(me modelpack.me, model text, version integer, note text) returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.annotate(modelpack.caller(me, 'add_note'), add_note.model, add_note.version, 'note', '', to_jsonb(add_note.note))
$modelpack$;
comment on function modelpack.add_note(modelpack.me, text, integer, text) is 'modelpack.add_note(model, version, note) for who calls it.';
revoke all on function modelpack.add_note(modelpack.me, text, integer, text) from public;
create or replace function modelpack.add_note(model text, version integer, note text) returns void
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.add_note(m, add_note.model, add_note.version, add_note.note) from modelpack.me as m
$modelpack$;
comment on function modelpack.add_note(text, integer, text) is
  'Adds a note to a version.';
revoke all on function modelpack.add_note(text, integer, text) from public;
grant execute on function modelpack.add_note(text, integer, text), modelpack.add_note(modelpack.me, text, integer, text) to modelpack_publisher;
