create or replace function modelpack.unseen(model text, version integer)
returns table (profile text, score text, input text, rows bigint, unseen bigint, categories bigint, examples text[])
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
declare
  v_score record;
  v_input record;
  v_feed record;
  v_percent double precision;
begin
  perform modelpack.find_version(unseen.model, unseen.version);
  for v_score in
    select p.profile_id, p.name, p.relation, s.score, v.signature
      from modelpack.score as s
      join modelpack.profile as p on p.profile_id = s.profile_id
      join modelpack.version as v on v.model = s.model and v.version = unseen.version
     where s.model = unseen.model
       -- expressions of a table's owner are not evaluated as modelpack_owner
       and modelpack.runs_as(p.relation) = 'modelpack_owner'::regrole
     order by p.name, s.position
  loop
    -- however large the table is, about a thousand of its blocks are read
    select least(100, 100000.0 * current_setting('block_size')::integer / greatest(1, sum(pg_relation_size(t.oid))))
      into v_percent
      from (select v_score.relation::oid as oid union select t.relid from pg_partition_tree(v_score.relation) as t) as t;
    v_feed := modelpack.feed(v_score.profile_id, v_score.score, unseen.version);
    for v_input in
      select i.name, i.place, array(select jsonb_array_elements_text(i.categories)) as categories
        from (select i.value ->> 'name' as name, i.value -> 'categories' as categories, row_number() over (order by i.ordinality) as place
                from jsonb_array_elements(v_score.signature -> 'inputs') with ordinality as i where i.value ->> 'type' = 'text') as i
       where jsonb_typeof(i.categories) = 'array'
    loop
      begin
        execute format('select count(*), count(*) filter (where x.text collate "C" <> all ($1)) '
                       'from (select (%s)[$2] as text from %s as p tablesample system (%s), (values (now())) as m ("the moment")) as x '
                       'where x.text is not null',
                       v_feed.texts, v_score.relation, v_percent)
           into rows, unseen using v_input.categories, v_input.place::integer;
      exception when data_exception or insufficient_privilege then  -- an input that cannot be computed for some row, a table that is not ours to read
        rows := 0;
        unseen := 0;
      end;
      profile := v_score.name;
      score := v_score.score;
      input := v_input.name;
      categories := cardinality(v_input.categories);
      examples := v_input.categories[:5];
      return next;
    end loop;
  end loop;
end
$modelpack$;
comment on function modelpack.unseen(text, integer) is
  'For each text input of a version whose categories are known, and each profile that it scores: of a sample of the rows (about a thousand blocks), those that have a text, and those whose text the model has never seen; with the number of its categories and some of them.';
revoke all on function modelpack.unseen(text, integer) from public;
grant execute on function modelpack.unseen(text, integer) to modelpack_publisher, modelpack_approver, modelpack_monitor;
