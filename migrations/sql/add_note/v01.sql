create or replace function modelpack.add_note(model text, version integer, note text) returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.annotate(add_note.model, add_note.version, 'note', '', to_jsonb(add_note.note))
$modelpack$;
comment on function modelpack.add_note(text, integer, text) is 'Adds a note to a version.';
revoke all on function modelpack.add_note(text, integer, text) from public;
grant execute on function modelpack.add_note(text, integer, text) to modelpack_publisher;
