create or replace function modelpack.immutable() returns trigger
language plpgsql security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
begin
  -- modelpack.purge takes bytes away, publishing the same model again brings them back; the key is their hash
  if tg_table_name = 'artifact' then  -- a version has no bytes: its rows must not meet the next condition
    if new.sha256 = old.sha256 and (new.onnx is null or old.onnx is null) then
      return new;
    end if;
  end if;
  if tg_table_name = 'formula' then
    if new.version_id = old.version_id and new.engine = old.engine and new.sha256 = old.sha256 and new.formula is null then
      return new;
    end if;
  end if;
  raise exception using
    errcode = 'restrict_violation',
    message = format('%s of %s: what was published does not change', tg_op, tg_relid::regclass),
    hint = 'Publish a new version instead.';
end
$modelpack$;
comment on function modelpack.immutable() is 'Refuses any change of a published version, its bytes or its formula.';
drop trigger if exists version_is_immutable on modelpack.version;
create trigger version_is_immutable before update on modelpack.version for each row execute function modelpack.immutable();
drop trigger if exists artifact_is_immutable on modelpack.artifact;
create trigger artifact_is_immutable before update on modelpack.artifact for each row execute function modelpack.immutable();
