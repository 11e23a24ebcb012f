create or replace function modelpack.look_unseen(model text, version integer)
returns table (profile text, score text, input text, rows bigint, unseen bigint, categories bigint, examples text[], relation regclass, columns text[])
language plpgsql volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
#variable_conflict use_column
-- The rows are read as the owner of their table, by a function of the declaration; only what is counted here leaves it, and
-- modelpack.coarse says who is told how much of that.
declare
  v_score record;
  v_input record;
  v_percent double precision;
begin
  perform modelpack.get_version(look_unseen.model, look_unseen.version);
  for v_score in
    select p.profile_id, p.name, p.relation, p.stem, s.score, s.inputs as declared, v.signature -> 'inputs' as inputs,
           coalesce(look_unseen.version in (a.version, b.previous), false) as bound
      from modelpack.score as s
      join modelpack.profile as p on p.profile_id = s.profile_id
      join modelpack.version as v on v.model = s.model and v.version = look_unseen.version
      left join modelpack.alias as a on a.model = s.model and a.alias = 'champion'
      left join lateral (select h.previous from modelpack.promotion as h
                          where h.model = s.model and h.alias = 'champion' order by h.promotion_id desc limit 1) as b on true
     where s.model = look_unseen.model
       -- another table that has the name is not the profile
       and not exists (select from modelpack.misplaced(p.profile_id) as m where m.declared = p.name)
     order by p.name, s.position
  loop
    perform modelpack.feed(v_score.profile_id, v_score.score, look_unseen.version);  -- refuses what the profile cannot feed
    continue when not jsonb_path_exists(v_score.inputs, '$[*] ? (@.type == "text" && @.categories.type() == "array")');
    -- however large the table is, about a thousand of its blocks are read
    select least(100, 100000.0 * current_setting('block_size')::integer / greatest(1, sum(pg_relation_size(t.oid))))
      into v_percent
      from (select v_score.relation::oid as oid union select t.relid from pg_partition_tree(v_score.relation) as t) as t;
    begin
      if not v_score.bound then
        -- how it would be fed, for this look alone
        perform modelpack.bind(v_score.relation, look_unseen.model, look_unseen.version);
      end if;
      begin
        for v_input in execute format($count$
            with inputs as (
              select i.value ->> 'name' as name, i.value -> 'categories' as categories, row_number() over (order by i.ordinality) as place
                from jsonb_array_elements($4) with ordinality as i
               where i.value ->> 'type' = 'text'
            ), found as (
              select x.place, x.text collate "C" as text, count(*) as rows
                from modelpack.%I($1, $2, $3) as s (texts) cross join lateral unnest(s.texts) with ordinality as x (text, place)
               where x.text is not null
               group by 1, 2
            )
            select i.name, i.categories, coalesce(sum(f.rows), 0)::bigint as rows,
                   coalesce(sum(f.rows) filter (where not i.categories ? f.text), 0)::bigint as unseen
              from inputs as i left join found as f on f.place = i.place
             where jsonb_typeof(i.categories) = 'array'
             group by i.place, i.name, i.categories
             order by i.place $count$, v_score.stem || '_sample')
          using v_score.score, look_unseen.version, v_percent, v_score.inputs
        loop
          profile := v_score.name;
          score := v_score.score;
          input := v_input.name;
          rows := v_input.rows;
          unseen := v_input.unseen;
          categories := jsonb_array_length(v_input.categories);
          examples := array(select e.text from jsonb_array_elements_text(v_input.categories) with ordinality as e (text, place)
                             where e.place <= 5 order by e.place);
          relation := v_score.relation;
          columns := case when v_score.declared ? v_input.name then array(select jsonb_array_elements_text(v_score.declared -> v_input.name -> 'columns'))
                          else array[v_input.name] end;
          return next;
        end loop;
      exception when others then
        -- an error may have values of rows in its text, which who promotes need not be allowed to read
        raise exception using
          errcode = case when sqlstate = 'MPUND' then 'external_routine_exception' else sqlstate end,  -- one of ours, below
          message = format('the rows of %s cannot be read to look for texts that %s version %s has never seen: %s',
                           v_score.name, look_unseen.model, look_unseen.version, modelpack.why(sqlstate)),
          hint = 'select * from modelpack.doctor() says what is wrong with the profile. To promote it without that look: set modelpack.allow_unseen = on.';
      end;
      if not v_score.bound then
        raise exception using errcode = 'MPUND', message = 'what was bound for the look is taken back';
      end if;
    exception when sqlstate 'MPUND' then
      null;
    end;
  end loop;
end
$modelpack$;
comment on function modelpack.look_unseen(text, integer) is
  'Counts what modelpack.unseen() tells of; with the profile and its columns that an input reads.';
revoke all on function modelpack.look_unseen(text, integer) from public;
