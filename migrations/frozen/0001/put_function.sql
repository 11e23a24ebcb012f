create or replace function modelpack.put_function(
  profile modelpack.profile, name text, arguments text, returns text, how text, body text, purpose text,
  kind text default 'seam'
) returns void
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Makes or replaces a function that stands between a declaration and the champion. Sessions plan again what they have
-- planned with it, so one that stays as it is is left alone.
declare
  v_function constant text := format('modelpack.%I(%s)', put_function.name, put_function.arguments);
  v_signature constant text := format('modelpack.%I(%s)', put_function.name,
    (select coalesce(string_agg(regexp_replace(a.one, '^("[^"]*"|[^ ]+) ', ''), ', ' order by a.place), '')
       from regexp_split_to_table(put_function.arguments, ', ') with ordinality as a (one, place)));
  v_there constant pg_proc := (select f from pg_proc as f where f.oid = to_regprocedure(v_signature));
begin
  if v_there.prosrc is distinct from put_function.body then
    perform modelpack.do_soon(format('create or replace function %s returns %s language %s as %s', v_function, put_function.returns,
                                     put_function.how, modelpack.dollar(put_function.body)),
                              format('the function %s', v_signature), 'pg_proc', v_there.oid);
  end if;
  if v_there.oid is null then
    execute format('revoke all on function %s from public', v_signature);
    if put_function.kind <> 'switch' then
      execute format('grant execute on function %s to %s', v_signature, modelpack.runs_as(put_function.profile.relation));
    end if;
    execute format('comment on function %s is %L', v_signature, format('%s [%s]', put_function.purpose, put_function.profile.stem));
  end if;
  -- one that is there already is changed in place: a new row would wait for whoever holds the row of the profile
  update modelpack.made as m
     set definition = md5(put_function.body)
   where m.profile_id = put_function.profile.profile_id and m.kind = put_function.kind and m.object = put_function.name
     and m.definition <> md5(put_function.body);
  insert into modelpack.made (profile_id, kind, object, definition)
  select r.*
    from (values (put_function.profile.profile_id, put_function.kind, put_function.name, md5(put_function.body))) as r (profile_id, kind, object, definition)
   where not exists (select from modelpack.made as m where m.profile_id = r.profile_id and m.kind = r.kind and m.object = r.object);
end
$modelpack$;
comment on function modelpack.put_function(modelpack.profile, text, text, text, text, text, text, text) is
  'Makes or replaces a function that names the champion; a step of modelpack.bind.';
