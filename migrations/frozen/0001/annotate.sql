create or replace function modelpack.annotate(caller name, model text, version integer, kind text, name text, value jsonb) returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
begin
  perform modelpack.check_grant(annotate.caller, annotate.model, 'describe a version of');
  if annotate.kind <> 'note' and (length(annotate.name) not between 1 and 63 or annotate.name ~ '[[:cntrl:]]') then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('"%s" is no name for a %s', modelpack.shown(annotate.name, 63), annotate.kind),
      detail = 'Expected: 1 to 63 characters, none of them a control character.';
  end if;
  if annotate.kind = 'tag' and annotate.value #>> '{}' ~ '[[:cntrl:]]' then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('the tag %s has a control character: %s', annotate.name, modelpack.shown(annotate.value #>> '{}')),
      detail = 'Expected: text of one line.';
  end if;
  if annotate.kind = 'metric' and jsonb_typeof(annotate.value) <> 'number' then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('the metric %s is %s', annotate.name, annotate.value #>> '{}'),
      detail = 'Expected: a finite number.';
  end if;
  perform modelpack.check_text(case annotate.kind when 'note' then 'the note' else 'the tag ' || annotate.name end, annotate.value #>> '{}', 10000);
  insert into modelpack.annotation (version_id, kind, name, value, by)
  values (modelpack.get_version(annotate.model, annotate.version), annotate.kind, annotate.name, annotate.value, annotate.caller);
end
$modelpack$;
comment on function modelpack.annotate(name, text, integer, text, text, jsonb) is
  'Writes a tag, note or metric of a version; modelpack.set_tag, add_note and set_metric call it.';
