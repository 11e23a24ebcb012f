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
  -- modelpack.erase takes rows away that the version was tried with; it was tried with all that are left
  if tg_table_name = 'version' then
    if to_jsonb(new) - 'golden' = to_jsonb(old) - 'golden' and jsonb_array_length(new.golden -> 'rows') > 0
       and new.golden - '{rows,scores}'::text[] = old.golden - '{rows,scores}'::text[]
       and not exists (select from rows from (jsonb_array_elements(new.golden -> 'rows'), jsonb_array_elements(new.golden -> 'scores')) as n (cells, score)
                        where not exists (select from rows from (jsonb_array_elements(old.golden -> 'rows'), jsonb_array_elements(old.golden -> 'scores')) as o (cells, score)
                                           where o.cells = n.cells and o.score = n.score)) then
      return new;
    end if;
  end if;
  raise exception using
    errcode = 'restrict_violation',
    message = format('%s of %s: what was published does not change', tg_op, tg_relid::regclass),
    hint = 'Publish a new version instead.';
end
$modelpack$;
comment on function modelpack.immutable() is 'Refuses any change of a published version or its bytes, but to have bytes purged and golden rows erased.';
drop trigger if exists version_is_immutable on modelpack.version;
create trigger version_is_immutable before update on modelpack.version for each row execute function modelpack.immutable();
drop trigger if exists artifact_is_immutable on modelpack.artifact;
create trigger artifact_is_immutable before update on modelpack.artifact for each row execute function modelpack.immutable();
