create or replace function modelpack.erase_samples(profile modelpack.profile, entity_key text, predictions modelpack.prediction[])
returns table (what text, named text, rows integer)
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
-- Background and golden rows have no key: they are an entity's where they are what one of its scores was given. What others were given, too,
-- tells of nobody, and stays: if not, the rows that are common would be the first to go, and what is left would be no sample any more.
#variable_conflict use_column
declare
  v_version modelpack.version;
  v_fed modelpack.scored[];
  v_others modelpack.scored[];
  v_background jsonb;
  v_places integer[];
begin
  for v_version in
    select v.* from modelpack.version as v
     where v.model in (select s.model from modelpack.score as s where s.profile_id = (erase_samples.profile).profile_id)
     order by v.model, v.version
  loop
    v_fed := modelpack.fed(v_version, array(select l::modelpack.prediction from unnest(predictions) as l where l.model = v_version.model));
    v_background := null;
    if to_regclass('modelpack.reference') is not null then
      execute 'select r.background from modelpack.reference as r where r.version_id = $1' into v_background using v_version.version_id;
    end if;
    v_others := null;
    for what, rows in values ('background', 0), ('golden', 0) loop
      v_places := modelpack.same_rows(v_version, case what when 'background' then v_background else v_version.golden -> 'rows' end, v_fed);
      continue when v_places = '{}';
      -- of the log as much as is read in a moment
      v_others := coalesce(v_others, modelpack.fed(v_version, array(
        select l::modelpack.prediction
          from (select p.* from modelpack.prediction as p where p.scored_at >= now() - interval '2 days' limit 20000) as l
         where l.profile = (erase_samples.profile).name and l.model = v_version.model and l.entity_key <> erase_samples.entity_key)), '{}');
      v_places := array(select unnest(v_places)
                        except
                        select unnest(modelpack.same_rows(v_version, case what when 'background' then v_background else v_version.golden -> 'rows' end, v_others))
                        order by 1);
      continue when v_places = '{}';
      named := format('%s %s', v_version.model, v_version.version);
      rows := cardinality(v_places);
      if what = 'background' then
        execute 'update modelpack.reference as r set background = $2 where r.version_id = $1'
          using v_version.version_id, (select jsonb_agg(b.value order by b.ordinality)
                                         from jsonb_array_elements(v_background) with ordinality as b where b.ordinality - 1 <> all (v_places));
      else
        rows := modelpack.erase_golden(v_version.version_id, v_places);
      end if;
      return next;
    end loop;
  end loop;
end
$modelpack$;
comment on function modelpack.erase_samples(modelpack.profile, text, modelpack.prediction[]) is
  'Takes background and golden rows away that are what an entity''s scores were given and, as far as the last rows of the log say, no other''s; a step of modelpack.erase. A version''s last golden row stays: 0 rows.';
revoke all on function modelpack.erase_samples(modelpack.profile, text, modelpack.prediction[]) from public;
