create or replace function modelpack.heard(relation regclass, every boolean default false)
returns table (trigger_name name, function name, wanted text[], listed text[], told text[], is_told boolean, fits boolean, own text)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $modelpack$
#variable_conflict use_column
-- The guard fires where a column is written that modelpack keeps, the score trigger where the application writes what a score
-- depends on. Lists of columns look at what an UPDATE names alone: where a BEFORE trigger of the user's own may write more,
-- both fire at every UPDATE, and are told so. What a room has put on the profile after the row is written, without a WHEN, looks
-- at what either has made of it, and fires where one of them does.
-- In PL/pgSQL, which keeps the plan: it takes ten times as long to make as to run, and each ALTER TABLE asks.
begin
  return query
  with p as (
    select q.profile_id, q.relation, q.stem, q.declaration, q.maintained, o.own, heard.every or o.own is not null as every
      from modelpack.profile as q
     cross join lateral (
           select min(format('%I on %s', t.tgname, t.tgrelid::regclass)) as own
             from pg_trigger as t join pg_proc as f on f.oid = t.tgfoid
            where (t.tgrelid = q.relation or t.tgrelid in (select n.relid from pg_partition_tree(q.relation) as n))
              and not t.tgisinternal and t.tgenabled <> 'D' and t.tgtype::integer & 18 = 18  -- before an update
              and f.pronamespace <> 'modelpack'::regnamespace) as o
     where q.relation = heard.relation
  ), kept as (
    select p.profile_id, c.name
      from p cross join lateral (
             select unnest(p.maintained || '{features_at,features_read_at,features_reread_at}'::text[])
             union
             select s.score || o.suffix
               from modelpack.score as s cross join (values (''), ('_version'), ('_scored_at'), ('_stale')) as o (suffix)
              where s.profile_id = p.profile_id) as c (name)
  ), heeded as (
    select p.profile_id, jsonb_array_elements_text(p.declaration -> 'key') as name from p
    union
    select p.profile_id, jsonb_array_elements_text(i.value -> 'columns')
      from p join modelpack.score as s using (profile_id) cross join jsonb_each(s.inputs) as i
    union
    -- an input that is not declared is the column of its name
    select p.profile_id, i.value ->> 'name'
      from p
      join modelpack.score as s using (profile_id)
      join modelpack.alias as a on a.model = s.model and a.alias = 'champion'
      join modelpack.version as v on v.model = a.model and (v.version = a.version or v.version = any (s.versions))
     cross join jsonb_array_elements(v.signature -> 'inputs') as i
     where not s.inputs ? (i.value ->> 'name')
  ), wanted as (
    select k.profile_id, 'guard' as what, k.name from kept as k
    union all
    select h.profile_id, 'score', h.name from heeded as h
     where not exists (select from kept as k where k.profile_id = h.profile_id and k.name = h.name)
  )
  select t.tgname, f.proname, w.columns, l.columns, a.told,
         i.is_told, i.is_told and (w.columns = '{}') = (l.columns = '{}') and w.columns <@ l.columns, p.own
    from p
    join pg_trigger as t on t.tgrelid = p.relation and not t.tgisinternal
    join pg_proc as f on f.oid = t.tgfoid and f.pronamespace = 'modelpack'::regnamespace
   cross join lateral (
         select case when f.proname in (p.stem || '_guard', p.stem || '_score') then substr(f.proname, length(p.stem) + 2)
                     when t.tgtype::integer & 19 = 17 and t.tgqual is null  -- for each row, after an update
                          and exists (select from modelpack.made as m
                                       where m.profile_id = p.profile_id and m.kind = 'trigger' and m.relation = t.tgrelid and m.object = t.tgname) then 'room' end
         offset 0) as r (what)
   cross join lateral (
         select case when p.every then '{}'
                     else array(select c.attname::text
                                  from wanted as w join pg_attribute as c on c.attrelid = p.relation and c.attname = w.name
                                 where (w.what = r.what or r.what = 'room') and c.attnum > 0 and not c.attisdropped
                                 group by 1 order by 1) end
         offset 0) as w (columns)  -- looked up once, not wherever it is read below
   cross join lateral (
         select array(select c.attname::text from unnest(t.tgattr::smallint[]) as n (number)
                        join pg_attribute as c on c.attrelid = p.relation and c.attnum = n.number order by 1)
         offset 0) as l (columns)
   cross join lateral (
         -- the guard, who writes by right: as whom the functions of the profile run
         select case when r.what = 'guard' then array[pg_get_userbyid(f.proowner)::text] else '{}' end
                || case when p.every and r.what <> 'room' then '{"every column"}' else '{}' end::text[]
         offset 0) as a (told)
   cross join lateral (
         select t.tgargs = coalesce((select string_agg(convert_to(x, getdatabaseencoding()) || decode('00', 'hex'), '') from unnest(a.told) as x), '')
         offset 0) as i (is_told)
   where r.what is not null;
end
$modelpack$;
comment on function modelpack.heard(regclass, boolean) is
  'The columns at whose UPDATE the triggers of a profile have to fire (none: at any), those at which they do, what they are to be told and whether they are; fits: whether all is as it has to be; own: a BEFORE trigger of the user''s. For modelpack.listen() and the doctor.';
revoke all on function modelpack.heard(regclass, boolean) from public;
