create or replace function modelpack.set_tag(me modelpack.me, model text, version integer, tag text, value text) returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.annotate(modelpack.caller(me, 'set_tag'), set_tag.model, set_tag.version, 'tag', set_tag.tag, to_jsonb(set_tag.value))
$modelpack$;
comment on function modelpack.set_tag(modelpack.me, text, integer, text, text) is 'modelpack.set_tag(model, version, tag, value) for who calls it.';
revoke all on function modelpack.set_tag(modelpack.me, text, integer, text, text) from public;
create or replace function modelpack.set_tag(model text, version integer, tag text, value text default '') returns void
language sql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
select modelpack.set_tag(m, set_tag.model, set_tag.version, set_tag.tag, set_tag.value) from modelpack.me as m
$modelpack$;
comment on function modelpack.set_tag(text, integer, text, text) is
  'Tags a version; NULL takes the tag off. Earlier values stay in modelpack.annotation.';
revoke all on function modelpack.set_tag(text, integer, text, text) from public;
grant execute on function modelpack.set_tag(text, integer, text, text), modelpack.set_tag(modelpack.me, text, integer, text, text) to modelpack_publisher;
