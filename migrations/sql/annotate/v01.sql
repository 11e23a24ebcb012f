create or replace function modelpack.annotate(caller name, model text, version integer, kind text, name text, value jsonb) returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
begin
  perform modelpack.check_grant(annotate.caller, annotate.model, 'describe a version of');
  insert into modelpack.annotation (version_id, kind, name, value, by)
  values (modelpack.find_version(annotate.model, annotate.version), annotate.kind, annotate.name, annotate.value, annotate.caller);
end
$modelpack$;
comment on function modelpack.annotate(name, text, integer, text, text, jsonb) is
  'Writes a tag, note or metric of a version; modelpack.set_tag, add_note and set_metric call it.';
