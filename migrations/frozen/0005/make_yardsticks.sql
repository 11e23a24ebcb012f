create or replace function modelpack.make_yardsticks(version_id integer, partition text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
-- By the version's reference, or else by quantiles of the first rows that are there; texts by the categories that its signature tells.
-- Of a text that is too long for an index its hash is kept: those of a reference have at most 200 characters.
declare
  v_version constant modelpack.version := (select v from modelpack.version as v where v.version_id = make_yardsticks.version_id);
  v_reference constant jsonb := (select f.reference from modelpack.reference as f where f.version_id = make_yardsticks.version_id);
  v_input record;
  v_found jsonb;
  v_edges double precision[];
  v_texts text[];
begin
  for v_input in
    select 0 as position, 'score' as name, 'number' as kind, 1 as place, null::text as token, null::jsonb as categories
    union all
    select i.place::integer, i.value ->> 'name', case when i.value ->> 'type' = 'number' then 'number' when i.value ? 'analyzer' then 'free' else 'text' end,
           row_number() over (partition by i.value ->> 'type' order by i.place)::integer, coalesce(i.value ->> 'missing_token', ''), i.value -> 'categories'
      from jsonb_array_elements(v_version.signature -> 'inputs') with ordinality as i (value, place)
     order by 1
  loop
    v_found := case when v_input.position = 0 then v_reference -> 'score' else v_reference -> 'inputs' -> v_input.name end;
    v_edges := null;
    v_texts := null;
    if v_input.kind = 'number' then
      if v_found is not null then
        v_edges := array(select e.value::double precision from jsonb_array_elements_text(v_found -> 'edges') with ordinality as e (value, place) order by e.place);
      else
        execute format($edges$
          select array(select distinct e from unnest(percentile_disc(array[0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95])
                                                     within group (order by x.x)) as e order by e)
            from (select nullif(%s, 'NaN') as x from modelpack.%I as l where l.model = $1 and l.version = $2 limit 5000) as x
           where x.x is not null $edges$, case when v_input.position = 0 then 'l.prediction' else format('l.inputs[%s]', v_input.place) end, partition)
          into v_edges using v_version.model, v_version.version;
        v_edges := coalesce(v_edges, '{}');
      end if;
    elsif v_input.kind = 'text' then
      -- in the order in which jsonb keeps them
      v_texts := array(select c.key from jsonb_each(coalesce(v_found -> 'categories', '{}')) with ordinality as c (key, value, place) order by c.place);
    end if;
    insert into modelpack.yardstick (version_id, position, input, kind, place, token, edges, turned, bins, source, rows, counts, missing, unseen, minimum, maximum, mean)
    values (make_yardsticks.version_id, v_input.position, v_input.name, v_input.kind, v_input.place, v_input.token, v_edges,
            array(select - e.edge from unnest(v_edges) as e (edge) order by e.edge desc),
            case v_input.kind when 'number' then cardinality(v_edges) + 1 when 'text' then cardinality(v_texts) + 1 else 1 end,
            case when v_found is null then 'log' else 'reference' end,
            coalesce((v_reference ->> 'rows')::bigint, 0),
            case when v_found is null then null
                 when v_input.kind = 'number' then array(select c.value::bigint from jsonb_array_elements_text(v_found -> 'counts') with ordinality as c (value, place) order by c.place)
                 when v_input.kind = 'text' then array(select c.value::bigint from jsonb_each_text(v_found -> 'categories') with ordinality as c (key, value, place) order by c.place)
                                                 || coalesce((v_found ->> 'other')::bigint, 0)
                 else array[(v_reference ->> 'rows')::bigint - coalesce((v_found ->> 'missing')::bigint, 0) - coalesce((v_found ->> 'unseen')::bigint, 0)] end,
            (v_found ->> 'missing')::bigint, (v_found ->> 'unseen')::bigint, (v_found ->> 'minimum')::double precision, (v_found ->> 'maximum')::double precision, (v_found ->> 'mean')::double precision)
    on conflict do nothing;
    if v_input.kind = 'text' then
      insert into modelpack.yardstick_text (version_id, position, text, bin)
      select make_yardsticks.version_id, v_input.position, modelpack.text_key(t.text), t.place - 1 from unnest(v_texts) with ordinality as t (text, place)
      on conflict do nothing;
      if jsonb_typeof(v_input.categories) = 'array' then
        insert into modelpack.yardstick_text (version_id, position, text, bin)
        select distinct make_yardsticks.version_id, v_input.position, modelpack.text_key(c.text), cardinality(v_texts)
          from jsonb_array_elements_text(v_input.categories) as c (text)
        on conflict do nothing;
      end if;
    end if;
  end loop;
end
$modelpack$;
comment on function modelpack.make_yardsticks(integer, text) is
  'Makes the bins in which modelpack.observe counts the inputs and the score of a version; partition: of the log, with rows of it.';
revoke all on function modelpack.make_yardsticks(integer, text) from public;
