create or replace function modelpack.annotate(model text, version integer, kind text, name text, value jsonb) returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
begin
  perform modelpack.check_grant(annotate.model, 'describe a version of');
  insert into modelpack.annotation (version_id, kind, name, value)
  values (modelpack.find_version(annotate.model, annotate.version), annotate.kind, annotate.name, annotate.value);
end
$modelpack$;
comment on function modelpack.annotate(text, integer, text, text, jsonb) is
  'Writes a tag, note or metric of a version; modelpack.set_tag, add_note and set_metric call it.';
