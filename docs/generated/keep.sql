-- Features that outlive their events (on_delete="keep"); an event without a profile is passed over.
-- Written by `make docs` from keep.py; look at it, do not edit it.
-- The same comes of: modelpack apply docs/generated/keep.py --sql
--
--     from modelpack import Event, Profile, count, first, total
--
--     machine = Profile(
--         "machine",
--         key="machine_id",
--         events=[
--             Event(
--                 "reading",
--                 at="read_at",
--                 missing="ignore",
--                 on_delete="keep",
--                 features={
--                     "readings": count(),
--                     "energy": total("kilowatt_hours"),
--                     "first_status": first("status"),
--                     "readings_1h": count(window="1 hour"),
--                 },
--             ),
--         ],
--     )

begin;

select modelpack.alone();

select modelpack.lock_tables(
  array_remove(array['public.reading'::regclass]::regclass[], null),
  'public.machine', 'share row exclusive');

select modelpack.check_key_columns('public.machine', array['machine_id']::text[], 'public.reading',
  array['machine_id']::text[]);

select modelpack.attach(
  relation => 'public.machine',
  declaration => '{
    "events": [
      {
        "at": "read_at",
        "features": [
          {"kind": "count", "name": "readings"},
          {"column": "kilowatt_hours", "kind": "total", "name": "energy"},
          {"column": "status", "kind": "first", "name": "first_status"},
          {"kind": "count", "name": "readings_1h", "window": "1 hour"}
        ],
        "key": null,
        "missing": "ignore",
        "on_delete": "keep",
        "table": "reading",
        "where": null
      }
    ],
    "format": 1,
    "key": ["machine_id"],
    "scores": [],
    "table": "machine"
  }'::jsonb,
  maintained => array['readings', 'energy', 'first_status', 'first_status_at', 'readings_1h']::text[],
  wanted_columns => array['features_at', 'features_read_at', 'readings', 'energy', 'first_status', 'first_status_at',
    'readings_1h']::text[],
  scores => '[]'::jsonb,
  stem => 'machine');

alter table public.machine add column if not exists features_at timestamptz;

alter table public.machine add column if not exists features_read_at timestamptz;

alter table public.machine add column if not exists readings bigint not null default 0;

alter table public.machine add column if not exists energy numeric not null default 0;

select modelpack.add_column_like('public.machine', 'first_status', 'public.reading', 'status');

select modelpack.add_column_like('public.machine', 'first_status_at', 'public.reading', 'read_at');

alter table public.machine add column if not exists readings_1h bigint not null default 0;

comment on column public.machine.first_status_at is
  'helper of the feature first_status; kept by modelpack';

comment on column public.machine.readings is
  'count() of reading; kept by modelpack';

comment on column public.machine.energy is
  'total(column=''kilowatt_hours'') of reading; kept by modelpack';

comment on column public.machine.first_status is
  'first(column=''status'') of reading; kept by modelpack';

comment on column public.machine.readings_1h is
  'count(window=''1 hour'') of reading; kept by modelpack';

comment on column public.machine.features_at is
  'when windowed and decayed features were brought up to the moment; kept by modelpack';

comment on column public.machine.features_read_at is
  'statement that read all features of the row from the events; kept by modelpack';

select modelpack.ensure_index('public.machine', 'public.reading', array['machine_id']::text[], 'read_at');

create or replace function modelpack.machine_recount(only_keys text[])
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Counts the features of some rows of public.machine again; keys as modelpack.verify() writes them.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
declare
  v_written bigint := 0;
begin
  if not exists (select from pg_trigger as t
                  where t.tgrelid = 'public.reading'::regclass
                    and t.tgfoid = 'modelpack.machine_count_reading_insert()'::regprocedure)
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.machine_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format(
        '%s is another table than the event table that the declaration of %s means: it has no count trigger',
        'public.reading',
        'public.machine'),
      detail = 'Its rows would count as events.',
      hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
  end if;
  if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
    perform modelpack.machine_seen();
  end if;
  perform
    from jsonb_populate_recordset(
           (select row(q.*)::public.machine from public.machine as q limit 1),
           (select jsonb_agg(jsonb_build_object('machine_id', u.key))
              from (select distinct unnest(only_keys)) as u (key))
         ) as k
    join public.machine as p on p.machine_id = k.machine_id
   order by p.machine_id
     for no key update of p;
  update public.machine as p
     set readings = case when x."read afresh" then x.readings else p.readings end,
         energy = case when x."read afresh" then x.energy else p.energy end,
         first_status = case when x."read afresh" then x.first_status else p.first_status end,
         first_status_at = case when x."read afresh" then x.first_status_at else p.first_status_at end,
         readings_1h = x.readings_1h,
         features_at = x."the moment",
         features_read_at
           = case when x."read afresh" then greatest(now(), statement_timestamp()) else p.features_read_at end
    from (
           select p.machine_id,
                  r0.readings,
                  r0.energy,
                  r0.first_status,
                  r0.first_status_at,
                  r0.readings_1h,
                  p."the moment",
                  p."read afresh"
             from (
                    select p.*,
                           p.features_at is null or (p.features_read_at >= modelpack.machine_since()) is not true
                             or p.features_read_at = greatest(now(), statement_timestamp()) as "read afresh",
                           case when p.features_at is null
                               or (p.features_read_at >= modelpack.machine_since()) is not true
                               or p.features_read_at = greatest(now(), statement_timestamp()) then clock_timestamp()
                               else p.features_at end as "the moment"
                      from jsonb_populate_recordset(
                             (select row(q.*)::public.machine from public.machine as q limit 1),
                             (select jsonb_agg(jsonb_build_object('machine_id', u.key))
                                from (select distinct unnest(only_keys)) as u (key))
                           ) as k
                      join public.machine as p on p.machine_id = k.machine_id
                  ) as p
            cross join lateral (
              select count(*) as readings,
                     coalesce(sum(modelpack.amount(e.kilowatt_hours)), 0) as energy,
                     (array_agg(e.status order by e.read_at asc, e.status asc)
                       filter (where e.status is not null and e.read_at is not null))[1] as first_status,
                     min(e.read_at) filter (where e.status is not null and e.read_at is not null) as first_status_at,
                     count(*)
                       filter (where e.read_at > p."the moment" - interval '1 hour'
                         and e.read_at <= p."the moment") as readings_1h
                from public.reading as e
               where e.machine_id = p.machine_id
            ) as r0
         ) as x
   where p.machine_id = x.machine_id
     and (x."read afresh"
       or p.readings_1h is distinct from x.readings_1h);
  get diagnostics v_written = row_count;
  return v_written;
end
$modelpack$;

revoke all on function modelpack.machine_recount(text[]) from public;

comment on function modelpack.machine_recount(text[]) is
  'Counts the features of some rows of public.machine again; keys as modelpack.verify() writes them. [machine]';

create or replace function modelpack.machine_rebuild(first_block bigint, last_block bigint)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Counts the features of public.machine again from the events and writes the rows that differ.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
declare
  v_first constant tid := format('(%s,0)', greatest(first_block, 0))::tid;
  v_beyond constant tid := format('(%s,0)', coalesce(last_block + 1, 4294967295))::tid;
  v_written bigint;
begin
  if not exists (select from pg_trigger as t
                  where t.tgrelid = 'public.reading'::regclass
                    and t.tgfoid = 'modelpack.machine_count_reading_insert()'::regprocedure)
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.machine_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format(
        '%s is another table than the event table that the declaration of %s means: it has no count trigger',
        'public.reading',
        'public.machine'),
      detail = 'Its rows would count as events.',
      hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
  end if;
  if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
    perform modelpack.machine_seen();
  end if;
  perform from public.machine as p
   where p.ctid >= v_first and p.ctid < v_beyond
   order by p.machine_id
     for no key update;
  update public.machine as p
     set readings = case when x."read afresh" then x.readings else p.readings end,
         energy = case when x."read afresh" then x.energy else p.energy end,
         first_status = case when x."read afresh" then x.first_status else p.first_status end,
         first_status_at = case when x."read afresh" then x.first_status_at else p.first_status_at end,
         readings_1h = x.readings_1h,
         features_at = x."the moment",
         features_read_at
           = case when x."read afresh" then greatest(now(), statement_timestamp()) else p.features_read_at end
    from (
           select p.machine_id,
                  r0.readings,
                  r0.energy,
                  r0.first_status,
                  r0.first_status_at,
                  r0.readings_1h,
                  p."the moment",
                  p."read afresh"
             from (
                    select p.*,
                           p.features_at is null
                             or (p.features_read_at >= modelpack.machine_since()) is not true as "read afresh",
                           case when p.features_at is null
                               or (p.features_read_at >= modelpack.machine_since()) is not true then clock_timestamp()
                               else p.features_at end as "the moment"
                      from public.machine as p
                     where p.ctid >= v_first and p.ctid < v_beyond
                  ) as p
            cross join lateral (
              select count(*) as readings,
                     coalesce(sum(modelpack.amount(e.kilowatt_hours)), 0) as energy,
                     (array_agg(e.status order by e.read_at asc, e.status asc)
                       filter (where e.status is not null and e.read_at is not null))[1] as first_status,
                     min(e.read_at) filter (where e.status is not null and e.read_at is not null) as first_status_at,
                     count(*)
                       filter (where e.read_at > p."the moment" - interval '1 hour'
                         and e.read_at <= p."the moment") as readings_1h
                from public.reading as e
               where e.machine_id = p.machine_id
            ) as r0
         ) as x
   where p.machine_id = x.machine_id
     and (x."read afresh"
       or p.readings_1h is distinct from x.readings_1h);
  get diagnostics v_written = row_count;
  return v_written;
end
$modelpack$;

revoke all on function modelpack.machine_rebuild(bigint, bigint) from public;

comment on function modelpack.machine_rebuild(bigint, bigint) is
  'Counts the features of public.machine again from the events and writes the rows that differ. [machine]';

create or replace function modelpack.machine_refresh(first_block bigint, last_block bigint, older_than timestamptz)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Brings the rows of public.machine whose windows have moved on up to the moment, and scores them.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
declare
  v_first constant tid := format('(%s,0)', greatest(first_block, 0))::tid;
  v_beyond constant tid := format('(%s,0)', coalesce(last_block + 1, 4294967295))::tid;
  v_moment timestamptz;
  v_written bigint;
begin
  if not exists (select from pg_trigger as t
                  where t.tgrelid = 'public.reading'::regclass
                    and t.tgfoid = 'modelpack.machine_count_reading_insert()'::regprocedure)
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.machine_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format(
        '%s is another table than the event table that the declaration of %s means: it has no count trigger',
        'public.reading',
        'public.machine'),
      detail = 'Its rows would count as events.',
      hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
  end if;
  perform from public.machine as p
   where p.ctid >= v_first and p.ctid < v_beyond
   order by p.machine_id
     for no key update;
  v_moment := clock_timestamp();
  update public.machine as p
     set features_at = v_moment
    from (
           select p.ctid as "the place", p.tableoid as "the partition"
             from public.machine as p
             cross join lateral (
               select count(*)
                 filter (where e.read_at > v_moment - interval '1 hour' and e.read_at <= v_moment) as readings_1h
                 from public.reading as e
                where e.machine_id = p.machine_id and e.read_at > v_moment - interval '1 hour' and e.read_at <= v_moment
             ) as w0
             where p.ctid >= v_first and p.ctid < v_beyond
               and not (p.features_read_at >= modelpack.machine_since()) is not true
               and (p.features_at < older_than or (older_than is not null and p.features_at > clock_timestamp())
                     or p.readings_1h is distinct from w0.readings_1h)
         ) as x
   where p.ctid = x."the place" and p.tableoid = x."the partition";
  get diagnostics v_written = row_count;
  return v_written;
end
$modelpack$;

revoke all on function modelpack.machine_refresh(bigint, bigint, timestamptz) from public;

comment on function modelpack.machine_refresh(bigint, bigint, timestamptz) is
  'Brings the rows of public.machine whose windows have moved on up to the moment, and scores them. [machine]';

create or replace function modelpack.machine_rescore(first_block bigint, last_block bigint, only_stale boolean,
  older_than timestamptz)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Scores rows of public.machine again: those that are stale or scored by another version than the champion.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
begin
  return 0;
end
$modelpack$;

revoke all on function modelpack.machine_rescore(bigint, bigint, boolean, timestamptz) from public;

comment on function modelpack.machine_rescore(bigint, bigint, boolean, timestamptz) is
  'Scores rows of public.machine again: those that are stale or scored by another version than the champion. '
  '[machine]';

create or replace function modelpack.machine_fill(step integer, first_block bigint, last_block bigint, most integer)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $modelpack$
-- Counts some rows of public.machine that were not counted yet, or makes some that its events lack.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_hashjoin, enable_mergejoin, jit: off, since rows are found again by where they lie, one after the other; no
-- other plan is good for a row and for many.
#variable_conflict use_variable
declare
  v_first constant tid := format('(%s,0)', greatest(first_block, 0))::tid;
  v_beyond constant tid := format('(%s,0)', coalesce(last_block + 1, 4294967295))::tid;
  v_keys text[];
  v_made bigint;
begin
  if not exists (select from pg_trigger as t
                  where t.tgrelid = 'public.reading'::regclass
                    and t.tgfoid = 'modelpack.machine_count_reading_insert()'::regprocedure)
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.machine_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format(
        '%s is another table than the event table that the declaration of %s means: it has no count trigger',
        'public.reading',
        'public.machine'),
      detail = 'Its rows would count as events.',
      hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
  end if;
  if step = -1 then
    perform from public.machine as p where (p.features_read_at >= modelpack.machine_since()) is not true limit 1;
    return found::integer;
  end if;
  -- who holds a row may do so for long: it is passed over, so that nobody waits for us meanwhile
  select array_agg(x.key) into v_keys
    from (
           select modelpack.key_value(p.machine_id)::text as key
             from public.machine as p
            where p.ctid >= v_first and p.ctid < v_beyond
              and (p.features_read_at >= modelpack.machine_since()) is not true
            limit most
              for no key update skip locked
         ) as x;
  if v_keys is null then
    perform from public.machine as p where p.ctid >= v_first and p.ctid < v_beyond
      and (p.features_read_at >= modelpack.machine_since()) is not true limit 1;
    return -found::integer;
  end if;
  perform modelpack.machine_recount(v_keys);
  return cardinality(v_keys);
end
$modelpack$;

revoke all on function modelpack.machine_fill(integer, bigint, bigint, integer) from public;

comment on function modelpack.machine_fill(integer, bigint, bigint, integer) is
  'Counts some rows of public.machine that were not counted yet, or makes some that its events lack. [machine]';

create or replace function modelpack.machine_verify(first_block bigint, last_block bigint, only_keys text[])
returns table (entity_key text, feature text, stored text, expected text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Features of public.machine that differ from the same aggregate over the events.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
declare
  v_first constant tid := format('(%s,0)', greatest(first_block, 0))::tid;
  v_beyond constant tid := format('(%s,0)', coalesce(last_block + 1, 4294967295))::tid;
begin
  return query
  select modelpack.key_value(p.machine_id)::text, f.feature, f.stored, f.expected
    from (
           select q.*, coalesce(q.features_at, clock_timestamp()) as "the moment"
             from public.machine as q
            where only_keys is null and q.ctid >= v_first and q.ctid < v_beyond
           union all
           select q.*, coalesce(q.features_at, clock_timestamp()) as "the moment"
             from jsonb_populate_recordset(
                    (select row(q.*)::public.machine from public.machine as q limit 1),
                    (select jsonb_agg(jsonb_build_object('machine_id', u.key))
                       from (select distinct unnest(only_keys)) as u (key))
                  ) as k
             join public.machine as q on q.machine_id = k.machine_id
            where only_keys is not null
         ) as p
   cross join lateral (
     select count(*)
       filter (where e.read_at > p."the moment" - interval '1 hour' and e.read_at <= p."the moment") as readings_1h
       from public.reading as e
      where e.machine_id = p.machine_id
   ) as r0
   cross join lateral (
     values ('readings_1h', p.readings_1h::text, r0.readings_1h::text, p.readings_1h is distinct from r0.readings_1h)
   ) as f (feature, stored, expected, differs)
   where f.differs;
end
$modelpack$;

revoke all on function modelpack.machine_verify(bigint, bigint, text[]) from public;

comment on function modelpack.machine_verify(bigint, bigint, text[]) is
  'Features of public.machine that differ from the same aggregate over the events. [machine]';

create or replace function modelpack.machine_stale(chunk_blocks bigint)
returns setof bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Chunks of blocks of public.machine that hold stale rows.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
begin
end
$modelpack$;

revoke all on function modelpack.machine_stale(bigint) from public;

comment on function modelpack.machine_stale(bigint) is
  'Chunks of blocks of public.machine that hold stale rows. [machine]';

create or replace function modelpack.machine_reasons()
returns table (score text, reason text, rows bigint)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- How many rows of public.machine have no fresh score, by score and reason.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
begin
end
$modelpack$;

revoke all on function modelpack.machine_reasons() from public;

comment on function modelpack.machine_reasons() is
  'How many rows of public.machine have no fresh score, by score and reason. [machine]';

create or replace function modelpack.machine_examine()
returns table (what text, subject text, rows bigint, example text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- What is wrong with rows of public.machine, for modelpack.doctor(): how many, and one of them.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
declare
  v_share real;
  v_keys text[];
begin
  return query
  select * from (
    select 'uncounted', '', count(*) as rows, null
      from (
             select from public.machine as p
               where (p.features_read_at >= modelpack.machine_since()) is not true limit 10000
           ) as x
  ) as f where f.rows > 0;
  return query
  select * from (
    select 'ahead', '', count(*) as rows, null
      from (
             select from public.machine as p where p.features_at > clock_timestamp() + interval '1 minute' limit 10000
           ) as x
  ) as f where f.rows > 0;
  v_share := case when pg_relation_size('public.reading'::regclass) < 1000000 then 100
      else greatest(0.01, 100.0 * 1000000 / pg_relation_size('public.reading'::regclass)) end;
  select array_agg(distinct x.key) into v_keys
    from (select modelpack.key_value(e.machine_id)::text as key from public.reading as e tablesample system (v_share)
      where e.machine_id is not null
             and not exists (select from public.machine as p where p.machine_id = e.machine_id
               and (p.features_read_at >= modelpack.machine_since()) is not true) limit 200) as x;
  return query
  select * from (
    select 'differ', 'reading', count(distinct x.entity_key) as rows, string_agg(distinct x.feature, ', ')
      from (
             select * from modelpack.machine_verify(0, null, coalesce(v_keys, '{}'))
           ) as x
  ) as f where f.rows > 0;
end
$modelpack$;

revoke all on function modelpack.machine_examine() from public;

comment on function modelpack.machine_examine() is
  'What is wrong with rows of public.machine, for modelpack.doctor(): how many, and one of them. [machine]';

create or replace function modelpack.machine_guard()
returns trigger
language plpgsql security invoker
as $modelpack$
-- GUARD of public.machine: scores what modelpack's own functions write, and refuses an UPDATE of features or scores by
-- anybody else but a member of modelpack_owner.
#variable_conflict use_variable
declare
  v_ours boolean;
  v_moment timestamptz;
begin
  -- our own functions are known by the name of their role; it must be one that may grant this function, since another
  -- role may have got the name
  <<asked>>
  begin
    if pg_catalog.current_setting('search_path') operator(pg_catalog.=) 'pg_catalog, pg_temp'
       and current_user operator(pg_catalog.=) tg_argv[0]
       and tg_nargs operator(pg_catalog.=) 1 and new.features_at is null
    then  -- COUNT has brought events: the row is scored, and nothing else is asked
      exit asked
        when pg_catalog.has_function_privilege('modelpack.machine_guard()'::pg_catalog.regprocedure,
          'EXECUTE WITH GRANT OPTION');
    end if;
    if pg_catalog.current_setting('search_path') operator(pg_catalog.=) 'pg_catalog, pg_temp'
       and current_user operator(pg_catalog.=) tg_argv[0] then
      v_ours := pg_catalog.has_function_privilege('modelpack.machine_guard()'::pg_catalog.regprocedure,
        'EXECUTE WITH GRANT OPTION');
    end if;
    if v_ours is not true then  -- the role was renamed, or a dump restored for another
      v_ours := pg_catalog.current_setting('search_path') operator(pg_catalog.=) 'pg_catalog, pg_temp'
        and current_user operator(pg_catalog.=) (
          select pg_catalog.pg_get_userbyid(f.proowner)
            from pg_catalog.pg_trigger as t
            join pg_catalog.pg_proc as f on f.oid operator(pg_catalog.=) t.tgfoid
           where t.tgrelid operator(pg_catalog.=) tg_relid and t.tgname operator(pg_catalog.=) tg_name);
    end if;
    if v_ours is not true then
      if row(
           new.energy,
           new.features_at,
           new.features_read_at,
           new.first_status,
           new.first_status_at,
           new.readings,
           new.readings_1h
         )::pg_catalog.record operator(pg_catalog.*=) row(
           old.energy,
           old.features_at,
           old.features_read_at,
           old.first_status,
           old.first_status_at,
           old.readings,
           old.readings_1h
         )::pg_catalog.record then
        return new;
      end if;
      if pg_catalog.pg_has_role(current_user, 'modelpack_owner', 'member') then  -- a superuser or the DBA, who means it
        if tg_nargs operator(pg_catalog.<>) 2 then
          new := modelpack.machine_scored(new, old, 'by hand');
        end if;
        return new;
      end if;
      raise exception using
        errcode = 'insufficient_privilege',
        message
          = pg_catalog.format('an UPDATE by %I changes columns of %s that modelpack keeps: %s', current_user,
            'public.machine',
          pg_catalog.array_to_string(array[
            case when not row(new.energy)::pg_catalog.record operator(pg_catalog.*=) row(old.energy)::pg_catalog.record
                then 'energy' end,
            case
                when not row(new.features_at)::pg_catalog.record operator(pg_catalog.*=) row(
                  old.features_at)::pg_catalog.record then 'features_at' end,
            case
                when not row(new.features_read_at)::pg_catalog.record operator(pg_catalog.*=) row(
                  old.features_read_at)::pg_catalog.record then 'features_read_at' end,
            case
                when not row(new.first_status)::pg_catalog.record operator(pg_catalog.*=) row(
                  old.first_status)::pg_catalog.record then 'first_status' end,
            case
                when not row(new.first_status_at)::pg_catalog.record operator(pg_catalog.*=) row(
                  old.first_status_at)::pg_catalog.record then 'first_status_at' end,
            case
                when not row(new.readings)::pg_catalog.record operator(pg_catalog.*=) row(
                  old.readings)::pg_catalog.record then 'readings' end,
            case
                when not row(new.readings_1h)::pg_catalog.record operator(pg_catalog.*=) row(
                  old.readings_1h)::pg_catalog.record then 'readings_1h' end
          ], ', ')),
        detail
          = 'Features follow from events and scores from features; a value written by hand would be wrong at once.',
        hint = 'Leave these columns out of the UPDATE (in an ORM: mark them read-only).';
    end if;
    -- the score trigger looks at every UPDATE
    if tg_nargs = 2 then
      return new;
    elsif new.features_at = old.features_at then
      -- nothing that a score depends on has changed
      if row(
           new.machine_id,
           new.readings,
           new.energy,
           new.first_status,
           new.first_status_at,
           new.readings_1h
         )::pg_catalog.record operator(pg_catalog.*=) row(
           old.machine_id,
           old.readings,
           old.energy,
           old.first_status,
           old.first_status_at,
           old.readings_1h
         )::pg_catalog.record
      then
        return new;
      end if;
    end if;
  end asked;
  v_moment := pg_catalog.clock_timestamp();
  -- windows, read under the row's lock
  if not exists (select from pg_trigger as t
                  where t.tgrelid = 'public.reading'::regclass
                    and t.tgfoid = 'modelpack.machine_count_reading_insert()'::regprocedure)
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.machine_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format(
        '%s is another table than the event table that the declaration of %s means: it has no count trigger',
        'public.reading',
        'public.machine'),
      detail = 'Its rows would count as events.',
      hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
  end if;
  select count(*) filter (where e.read_at > v_moment - interval '1 hour' and e.read_at <= v_moment)
    into new.readings_1h
    from public.reading as e
   where e.machine_id = new.machine_id and e.read_at > v_moment - interval '1 hour' and e.read_at <= v_moment;
  new.features_at := v_moment;
  return new;
end
$modelpack$;

revoke all on function modelpack.machine_guard() from public;

comment on function modelpack.machine_guard() is
  'GUARD of public.machine: scores what modelpack''s own functions write, and refuses an UPDATE of features or '
  'scores by anybody else but a member of modelpack_owner. [machine]';

create or replace function modelpack.machine_count_reading_insert()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
set enable_seqscan = off
as $modelpack$
-- COUNT of public.machine: keeps readings, energy, first_status, readings_1h when rows of public.reading are inserted.
-- Generated by modelpack from the declaration.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_seqscan: off, since a session keeps a plan for whatever number of rows comes: one by an index is good for a
-- row and for many.
#variable_conflict use_variable
declare
  v_statement timestamptz;
  v_read text[];
  v_settings text[];
begin
  if tg_relid <> 'public.reading'::regclass then  -- a partition of it, or one on its way
    if not exists (select from pg_partition_ancestors(tg_relid) as a where a.relid = 'public.reading'::regclass)
       and (select c.relpersistence from pg_class as c where c.oid = tg_relid) <> 't'
    then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s has the triggers of the event table %s, which is another relation now',
                         tg_relid::regclass, 'public.reading'),
        detail = 'Its rows would count as events of that.',
        hint
          = 'Rename it back; or modelpack apply DECLARATION, which moves the triggers to the table that is declared.';
    end if;
  end if;
  -- keys without a profile: whoever makes one of them a profile waits for us, or we for them
  perform modelpack.machine_meet(array(
    select hash_record_extended(row(u.machine_id), 0)::text
      from (
             select d.machine_id
               from (
                      select distinct e.machine_id
                        from new_rows as e
                       where e.machine_id is not null
                    ) as d
              where not exists (select from public.machine as q where q.machine_id = d.machine_id)
           ) as u
     order by u.machine_id
  ));
  -- most statements bring one event: then one UPDATE of its profile is all
  perform from new_rows offset 1;
  if not found then
    declare
      e record;
      v_unscored boolean;
      amount_kilowatt_hours numeric;
      d_energy numeric;
    begin
      select * into e from new_rows;
      amount_kilowatt_hours := modelpack.amount(e.kilowatt_hours);
      d_energy := coalesce(amount_kilowatt_hours, 0);
      update public.machine as p
         set readings = p.readings + 1,
             energy = p.energy + d_energy,
             first_status
               = case when e.status is not null and e.read_at is not null
                 then case when p.first_status_at is null or e.read_at < p.first_status_at then e.status
                   when e.read_at = p.first_status_at then least(p.first_status, e.status) else p.first_status end
                 else p.first_status end,
             first_status_at
               = case when e.status is not null and e.read_at is not null then least(p.first_status_at, e.read_at)
                 else p.first_status_at end,
             features_at = null
       where p.machine_id = e.machine_id
         and ((p.features_read_at >= modelpack.machine_since()) is not true
           or p.features_read_at = greatest(now(), statement_timestamp())) is not true
      returning p.features_at is null into v_unscored;
      if not v_unscored then
        return new;  -- NULL in a trigger for each statement
      elsif v_unscored then
        if (select count(*) from pg_trigger as t
             where t.tgrelid = 'public.machine'::regclass
               and t.tgname in ('modelpack_machine_guard', 'zz_modelpack_machine_score')) < 2
        then
          if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
            perform modelpack.machine_seen();
          end if;
          raise exception using
            errcode = 'object_not_in_prerequisite_state',
            message = 'public.machine is another table than the profile that was declared: it has no score trigger',
            hint = 'select * from modelpack.doctor() says where the profile is now, and what to run.';
        end if;
        return null;
      end if;
    end;
    if not exists (select from new_rows) then
      return null;
    end if;
  end if;
  if (select count(*) from pg_trigger as t
       where t.tgrelid = 'public.machine'::regclass
         and t.tgname in ('modelpack_machine_guard', 'zz_modelpack_machine_score')) < 2
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.machine_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'public.machine is another table than the profile that was declared: it has no score trigger',
      hint = 'select * from modelpack.doctor() says where the profile is now, and what to run.';
  end if;
  v_statement := greatest(now(), statement_timestamp());
  -- these cost what a single event need not pay; from here on any number of rows is joined, by an index
  v_settings := array[current_setting('enable_hashjoin'),
                      current_setting('enable_mergejoin'),
                      current_setting('jit')];
  perform set_config('enable_hashjoin', 'off', true),
          set_config('enable_mergejoin', 'off', true),
          set_config('jit', 'off', true);
  -- rows are locked in the order of their keys: two statements never wait for each other in a circle
  select array_agg(x.key) filter (where x.read) into v_read
    from (
           select modelpack.key_value(p.machine_id)::text as key,
                  (p.features_read_at >= modelpack.machine_since()) is not true
                    or p.features_read_at = v_statement as read
             from (
                    select distinct e.machine_id
                      from new_rows as e
                     where e.machine_id is not null
                  ) as d
             join public.machine as p on p.machine_id = d.machine_id
            order by p.machine_id
              for no key update of p
         ) as x;
  update public.machine as p
     set readings = p.readings + d.readings,
         energy = p.energy + d.energy,
         first_status
           = case when d.first_status_at is null then p.first_status
             else case when p.first_status_at is null or d.first_status_at < p.first_status_at then d.first_status
               when d.first_status_at = p.first_status_at then least(p.first_status, d.first_status)
               else p.first_status end end,
         first_status_at = least(p.first_status_at, d.first_status_at),
         features_at = null
    from (
           select c.machine_id,
                  sum(c.readings)::bigint as readings,
                  sum(c.energy)::numeric as energy,
                  (array_agg(c.first_status order by c.first_status_at asc, c.first_status asc)
                    filter (where c.first_status_at is not null))[1] as first_status,
                  min(c.first_status_at) as first_status_at
             from (
                    select e.machine_id,
                           1 as readings,
                           coalesce(modelpack.amount(e.kilowatt_hours), 0) as energy,
                           case when e.status is not null and e.read_at is not null then e.status end as first_status,
                           case when e.status is not null and e.read_at is not null
                               then e.read_at end as first_status_at
                      from new_rows as e
                     where e.machine_id is not null
                  ) as c
            group by c.machine_id
         ) as d
   where p.machine_id = d.machine_id
     and ((p.features_read_at >= modelpack.machine_since()) is not true
       or p.features_read_at = v_statement) is not true;
  -- profiles that this very statement has read from the events know of its changes; others, that were never counted,
  -- are counted again
  if v_read is not null then
    perform modelpack.machine_recount(v_read);
  end if;
  perform set_config('enable_hashjoin', v_settings[1], true),
          set_config('enable_mergejoin', v_settings[2], true),
          set_config('jit', v_settings[3], true);
  return null;
end
$modelpack$;

revoke all on function modelpack.machine_count_reading_insert() from public;

comment on function modelpack.machine_count_reading_insert() is
  'COUNT of public.machine: keeps readings, energy, first_status, readings_1h when rows of public.reading are '
  'inserted. Generated by modelpack from the declaration. [machine]';

create or replace function modelpack.machine_count_reading_update()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $modelpack$
-- COUNT of public.machine: keeps readings, energy, first_status, readings_1h when rows of public.reading are updated.
-- Generated by modelpack from the declaration.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_seqscan, enable_hashjoin, enable_mergejoin, jit: off, since a session keeps a plan for whatever number of rows
-- comes: one by an index is good for a row and for many.
#variable_conflict use_variable
declare
  v_statement constant timestamptz := greatest(now(), statement_timestamp());
  v_read text[];
begin
  if tg_relid <> 'public.reading'::regclass then  -- a partition of it, or one on its way
    if not exists (select from pg_partition_ancestors(tg_relid) as a where a.relid = 'public.reading'::regclass)
       and (select c.relpersistence from pg_class as c where c.oid = tg_relid) <> 't'
    then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s has the triggers of the event table %s, which is another relation now',
                         tg_relid::regclass, 'public.reading'),
        detail = 'Its rows would count as events of that.',
        hint
          = 'Rename it back; or modelpack apply DECLARATION, which moves the triggers to the table that is declared.';
    end if;
  end if;
  if current_setting('modelpack.moved_84724e05d8654054', true) <> '' then
    if not exists (select from old_rows as o
        where md5(to_jsonb(o)::text) = current_setting('modelpack.moved_84724e05d8654054', true)) then
      raise exception using
        errcode = 'feature_not_supported',
        message = 'MERGE has moved rows of public.reading to another partition, and PostgreSQL tells no trigger which',
        detail = 'The features of public.machine could not follow.',
        hint = 'Move them by UPDATE, or by DELETE and INSERT.';
    end if;
    perform set_config('modelpack.moved_84724e05d8654054', '', true);
  end if;
  if not exists (select from new_rows) then
    return null;
  end if;
  if (select count(*) from pg_trigger as t
       where t.tgrelid = 'public.machine'::regclass
         and t.tgname in ('modelpack_machine_guard', 'zz_modelpack_machine_score')) < 2
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.machine_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'public.machine is another table than the profile that was declared: it has no score trigger',
      hint = 'select * from modelpack.doctor() says where the profile is now, and what to run.';
  end if;
  if exists (
       select
         from (
                select e.machine_id,
                       case when e.status is not null and e.read_at is not null then e.status end as first_status,
                       case when e.status is not null and e.read_at is not null then e.read_at end as first_status_at,
                       row(case when e.status is not null and e.read_at is not null then e.status end,
                         case when e.status is not null and e.read_at is not null then e.read_at end,
                         e.read_at)::text as "the image"
                  from old_rows as e
                 where true
                except all
                select e.machine_id,
                       case when e.status is not null and e.read_at is not null then e.status end as first_status,
                       case when e.status is not null and e.read_at is not null then e.read_at end as first_status_at,
                       row(case when e.status is not null and e.read_at is not null then e.status end,
                         case when e.status is not null and e.read_at is not null then e.read_at end,
                         e.read_at)::text as "the image"
                  from new_rows as e
                 where true
              ) as x
        where x.first_status is not null or x.first_status_at is not null
     ) then
    raise exception using
      errcode = 'feature_not_supported',
      message = 'this UPDATE of public.reading would take back first_status',
      detail = 'With on_delete="keep" older events may be gone, so it cannot be read again.',
      hint = 'Leave these columns unchanged, or declare the event with on_delete="subtract".';
  end if;
  -- keys without a profile: whoever makes one of them a profile waits for us, or we for them
  perform modelpack.machine_meet(array(
    with came as (
      select e.machine_id,
             1 as readings,
             coalesce(modelpack.amount(e.kilowatt_hours), 0) as energy,
             case when e.status is not null and e.read_at is not null then e.status end as first_status,
             case when e.status is not null and e.read_at is not null then e.read_at end as first_status_at,
             row(case when e.status is not null and e.read_at is not null then e.status end,
               case when e.status is not null and e.read_at is not null then e.read_at end,
               e.read_at)::text as "the image"
        from new_rows as e
       where e.machine_id is not null
    ),
    went as (
      select e.machine_id,
             1 as readings,
             coalesce(modelpack.amount(e.kilowatt_hours), 0) as energy,
             case when e.status is not null and e.read_at is not null then e.status end as first_status,
             case when e.status is not null and e.read_at is not null then e.read_at end as first_status_at,
             row(case when e.status is not null and e.read_at is not null then e.status end,
               case when e.status is not null and e.read_at is not null then e.read_at end,
               e.read_at)::text as "the image"
        from old_rows as e
       where e.machine_id is not null
    ),
    changed as (
      select 1 as "the sign", x.* from (select * from came except all select * from went) as x
      union all
      select -1 as "the sign", x.* from (select * from went except all select * from came) as x
    )
    select hash_record_extended(row(u.machine_id), 0)::text
      from (
             select d.machine_id
               from (
                      select distinct c.machine_id
                        from changed as c
                    ) as d
              where not exists (select from public.machine as q where q.machine_id = d.machine_id)
           ) as u
     order by u.machine_id
  ));
  -- rows are locked in the order of their keys: two statements never wait for each other in a circle
  with came as (
    select e.machine_id,
           1 as readings,
           coalesce(modelpack.amount(e.kilowatt_hours), 0) as energy,
           case when e.status is not null and e.read_at is not null then e.status end as first_status,
           case when e.status is not null and e.read_at is not null then e.read_at end as first_status_at,
           row(case when e.status is not null and e.read_at is not null then e.status end,
             case when e.status is not null and e.read_at is not null then e.read_at end,
             e.read_at)::text as "the image"
      from new_rows as e
     where e.machine_id is not null
  ),
  went as (
    select e.machine_id,
           1 as readings,
           coalesce(modelpack.amount(e.kilowatt_hours), 0) as energy,
           case when e.status is not null and e.read_at is not null then e.status end as first_status,
           case when e.status is not null and e.read_at is not null then e.read_at end as first_status_at,
           row(case when e.status is not null and e.read_at is not null then e.status end,
             case when e.status is not null and e.read_at is not null then e.read_at end,
             e.read_at)::text as "the image"
      from old_rows as e
     where e.machine_id is not null
  ),
  changed as (
    select 1 as "the sign", x.* from (select * from came except all select * from went) as x
    union all
    select -1 as "the sign", x.* from (select * from went except all select * from came) as x
  )
  select array_agg(x.key) filter (where x.read) into v_read
    from (
           select modelpack.key_value(p.machine_id)::text as key,
                  (p.features_read_at >= modelpack.machine_since()) is not true
                    or p.features_read_at = v_statement as read
             from (
                    select distinct c.machine_id
                      from changed as c
                  ) as d
             join public.machine as p on p.machine_id = d.machine_id
            order by p.machine_id
              for no key update of p
         ) as x;
  with came as (
    select e.machine_id,
           1 as readings,
           coalesce(modelpack.amount(e.kilowatt_hours), 0) as energy,
           case when e.status is not null and e.read_at is not null then e.status end as first_status,
           case when e.status is not null and e.read_at is not null then e.read_at end as first_status_at,
           row(case when e.status is not null and e.read_at is not null then e.status end,
             case when e.status is not null and e.read_at is not null then e.read_at end,
             e.read_at)::text as "the image"
      from new_rows as e
     where e.machine_id is not null
  ),
  went as (
    select e.machine_id,
           1 as readings,
           coalesce(modelpack.amount(e.kilowatt_hours), 0) as energy,
           case when e.status is not null and e.read_at is not null then e.status end as first_status,
           case when e.status is not null and e.read_at is not null then e.read_at end as first_status_at,
           row(case when e.status is not null and e.read_at is not null then e.status end,
             case when e.status is not null and e.read_at is not null then e.read_at end,
             e.read_at)::text as "the image"
      from old_rows as e
     where e.machine_id is not null
  ),
  changed as (
    select 1 as "the sign", x.* from (select * from came except all select * from went) as x
    union all
    select -1 as "the sign", x.* from (select * from went except all select * from came) as x
  )
  update public.machine as p
     set readings = p.readings + d.readings,
         energy = p.energy + d.energy,
         first_status
           = case when d.first_status_at is null then p.first_status
             else case when p.first_status_at is null or d.first_status_at < p.first_status_at then d.first_status
               when d.first_status_at = p.first_status_at then least(p.first_status, d.first_status)
               else p.first_status end end,
         first_status_at = least(p.first_status_at, d.first_status_at),
         features_at = null
    from (
           select c.machine_id,
                  sum(c."the sign" * c.readings)::bigint as readings,
                  sum(c."the sign" * c.energy)::numeric as energy,
                  (array_agg(c.first_status order by c.first_status_at asc, c.first_status asc)
                    filter (where c."the sign" = 1 and c.first_status_at is not null))[1] as first_status,
                  min(c.first_status_at) filter (where c."the sign" = 1) as first_status_at
             from changed as c
            group by c.machine_id
         ) as d
   where p.machine_id = d.machine_id
     and ((p.features_read_at >= modelpack.machine_since()) is not true
       or p.features_read_at = v_statement) is not true;
  -- profiles that this very statement has read from the events know of its changes; others, that were never counted,
  -- are counted again
  if v_read is not null then
    perform modelpack.machine_recount(v_read);
  end if;
  return null;
end
$modelpack$;

revoke all on function modelpack.machine_count_reading_update() from public;

comment on function modelpack.machine_count_reading_update() is
  'COUNT of public.machine: keeps readings, energy, first_status, readings_1h when rows of public.reading are '
  'updated. Generated by modelpack from the declaration. [machine]';

create or replace function modelpack.machine_count_reading_delete()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $modelpack$
-- COUNT of public.machine: keeps readings, energy, first_status, readings_1h when rows of public.reading are deleted.
-- Generated by modelpack from the declaration.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_seqscan, enable_hashjoin, enable_mergejoin, jit: off, since a session keeps a plan for whatever number of rows
-- comes: one by an index is good for a row and for many.
#variable_conflict use_variable
declare
  v_moment constant timestamptz := clock_timestamp();
  v_statement constant timestamptz := greatest(now(), statement_timestamp());
begin
  if tg_relid <> 'public.reading'::regclass then  -- a partition of it, or one on its way
    if not exists (select from pg_partition_ancestors(tg_relid) as a where a.relid = 'public.reading'::regclass)
       and (select c.relpersistence from pg_class as c where c.oid = tg_relid) <> 't'
    then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s has the triggers of the event table %s, which is another relation now',
                         tg_relid::regclass, 'public.reading'),
        detail = 'Its rows would count as events of that.',
        hint
          = 'Rename it back; or modelpack apply DECLARATION, which moves the triggers to the table that is declared.';
    end if;
  end if;
  if not exists (select from old_rows) then
    return null;
  end if;
  if (select count(*) from pg_trigger as t
       where t.tgrelid = 'public.machine'::regclass
         and t.tgname in ('modelpack_machine_guard', 'zz_modelpack_machine_score')) < 2
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.machine_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'public.machine is another table than the profile that was declared: it has no score trigger',
      hint = 'select * from modelpack.doctor() says where the profile is now, and what to run.';
  end if;
  -- rows are locked in the order of their keys: two statements never wait for each other in a circle
  perform
    from (
           select distinct e.machine_id
             from old_rows as e
            where e.machine_id is not null and e.read_at > v_moment - interval '1 hour'
         ) as d
    join public.machine as p on p.machine_id = d.machine_id
   order by p.machine_id
     for no key update of p;
  update public.machine as p
     set features_at = v_moment
    from (
           select distinct e.machine_id
             from old_rows as e
            where e.machine_id is not null and e.read_at > v_moment - interval '1 hour'
         ) as d
   where p.machine_id = d.machine_id;
  -- what this very statement has read from the events stays from here on, too
  update public.machine as p
     set features_read_at = 'infinity'
    from (
           select distinct e.machine_id
             from old_rows as e
            where e.machine_id is not null
         ) as d
   where p.machine_id = d.machine_id
     and p.features_read_at = v_statement;
  return null;
end
$modelpack$;

revoke all on function modelpack.machine_count_reading_delete() from public;

comment on function modelpack.machine_count_reading_delete() is
  'COUNT of public.machine: keeps readings, energy, first_status, readings_1h when rows of public.reading are '
  'deleted. Generated by modelpack from the declaration. [machine]';

create or replace function modelpack.machine_count_reading_truncate()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $modelpack$
-- COUNT of public.machine: keeps readings, energy, first_status, readings_1h when rows of public.reading are truncated.
-- Generated by modelpack from the declaration.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_seqscan, enable_hashjoin, enable_mergejoin, jit: off, since a session keeps a plan for whatever number of rows
-- comes: one by an index is good for a row and for many.
#variable_conflict use_variable
begin
  if tg_relid <> 'public.reading'::regclass then  -- a partition of it, or one on its way
    if not exists (select from pg_partition_ancestors(tg_relid) as a where a.relid = 'public.reading'::regclass)
       and (select c.relpersistence from pg_class as c where c.oid = tg_relid) <> 't'
    then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s has the triggers of the event table %s, which is another relation now',
                         tg_relid::regclass, 'public.reading'),
        detail = 'Its rows would count as events of that.',
        hint
          = 'Rename it back; or modelpack apply DECLARATION, which moves the triggers to the table that is declared.';
    end if;
  end if;
  -- what this very statement has read from the events stays from here on, too
  update public.machine as p
     set features_read_at = 'infinity'
   where p.features_read_at = greatest(now(), statement_timestamp());
  perform modelpack.machine_refresh(0, null, null);
  return null;
end
$modelpack$;

revoke all on function modelpack.machine_count_reading_truncate() from public;

comment on function modelpack.machine_count_reading_truncate() is
  'COUNT of public.machine: keeps readings, energy, first_status, readings_1h when rows of public.reading are '
  'truncated. Generated by modelpack from the declaration. [machine]';

create or replace function modelpack.machine_count_reading_move()
returns trigger
language plpgsql security invoker
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Notes rows of public.reading that a statement moves to another partition.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
begin
  if tg_op = 'UPDATE' then
    perform set_config('modelpack.moving_84724e05d8654054', md5(to_jsonb(old)::text), true);
    return new;
  end if;
  if current_setting('modelpack.moving_84724e05d8654054', true) <> '' then
    if current_setting('modelpack.moving_84724e05d8654054', true) = md5(to_jsonb(old)::text) then
      perform set_config('modelpack.moved_84724e05d8654054', md5(to_jsonb(old)::text), true);
    end if;
    perform set_config('modelpack.moving_84724e05d8654054', '', true);
  end if;
  return old;
end
$modelpack$;

revoke all on function modelpack.machine_count_reading_move() from public;

comment on function modelpack.machine_count_reading_move() is
  'Notes rows of public.reading that a statement moves to another partition. [machine]';

create or replace function modelpack.machine_scored(p anyelement, q anyelement, written text)
returns anyelement
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- A row of public.machine with its features brought up to the moment and its scores; logs them. Generated by modelpack
-- from the declaration.
#variable_conflict use_variable
declare
  new record := p;
  old record := q;
  v_moment constant timestamptz := clock_timestamp();
  v_settings text[];
begin
  if written = 'by hand' then
    if new.machine_id <> old.machine_id then
      return new;  -- the score trigger sees it, too
    end if;
  end if;
  -- not within a function of ours
  if current_setting('TimeZone') <> 'UTC' or current_setting('extra_float_digits') <> '1' then
    v_settings := array[current_setting('TimeZone'),
                        current_setting('extra_float_digits')];
    perform set_config('TimeZone', 'UTC', true),
            set_config('extra_float_digits', '1', true);
  end if;
  if written in ('anew', 'under another key') or (new.features_read_at >= modelpack.machine_since()) is not true then
    -- a new key, or one that was not counted yet: every feature from the events that are there already
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.machine_seen();
    end if;
    -- events of this key that are ignored or go just now: whoever brings or takes them waits for us, or we for them
    perform modelpack.machine_meet(array(
      select hash_record_extended(row(new.machine_id), 0)::text
    ));
    select count(*),
           coalesce(sum(modelpack.amount(e.kilowatt_hours)), 0),
           (array_agg(e.status order by e.read_at asc, e.status asc)
             filter (where e.status is not null and e.read_at is not null))[1],
           min(e.read_at) filter (where e.status is not null and e.read_at is not null)
      into new.readings,
           new.energy,
           new.first_status,
           new.first_status_at
      from public.reading as e
     where e.machine_id = new.machine_id;
    new.features_read_at := greatest(now(), statement_timestamp());
  end if;
  -- windows, read under the row's lock
  if not exists (select from pg_trigger as t
                  where t.tgrelid = 'public.reading'::regclass
                    and t.tgfoid = 'modelpack.machine_count_reading_insert()'::regprocedure)
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.machine_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format(
        '%s is another table than the event table that the declaration of %s means: it has no count trigger',
        'public.reading',
        'public.machine'),
      detail = 'Its rows would count as events.',
      hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
  end if;
  select count(*) filter (where e.read_at > v_moment - interval '1 hour' and e.read_at <= v_moment)
    into new.readings_1h
    from public.reading as e
   where e.machine_id = new.machine_id and e.read_at > v_moment - interval '1 hour' and e.read_at <= v_moment;
  new.features_at := v_moment;
  if v_settings is not null then
    perform set_config('TimeZone', v_settings[1], true),
            set_config('extra_float_digits', v_settings[2], true);
  end if;
  return new;
end
$modelpack$;

revoke all on function modelpack.machine_scored(anyelement, anyelement, text) from public;

comment on function modelpack.machine_scored(anyelement, anyelement, text) is
  'A row of public.machine with its features brought up to the moment and its scores; logs them. Generated by '
  'modelpack from the declaration. [machine]';

create or replace function modelpack.machine_score()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- SCORE of public.machine: scores a row that is new, has another key or another static input, before it is written.
-- Generated by modelpack from the declaration.
#variable_conflict use_variable
declare
  v_moves boolean;
begin
  if tg_op = 'UPDATE' and new.machine_id = old.machine_id then
    if tg_nargs = 0 then
      -- features and scores are the guard's to look at
      return new;
    elsif new.features_at = old.features_at then
      -- nothing that a score depends on has changed
      if row(
           new.machine_id,
           new.readings,
           new.energy,
           new.first_status,
           new.first_status_at,
           new.readings_1h
         )::pg_catalog.record operator(pg_catalog.*=) row(
           old.machine_id,
           old.readings,
           old.energy,
           old.first_status,
           old.first_status_at,
           old.readings_1h
         )::pg_catalog.record
      then
        return new;
      end if;
    end if;
  end if;
  if tg_op = 'UPDATE' and (new.machine_id <> old.machine_id) then
    if exists (
         select
           from (select old.*) as p
          cross join lateral (
            select count(*) as readings,
                   coalesce(sum(modelpack.amount(e.kilowatt_hours)), 0) as energy,
                   (array_agg(e.status order by e.read_at asc, e.status asc)
                     filter (where e.status is not null and e.read_at is not null))[1] as first_status,
                   min(e.read_at) filter (where e.status is not null and e.read_at is not null) as first_status_at,
                   p.first_status is null
                     or (
                       bool_or(
                         row(case when true then e.status else p.first_status end)::pg_catalog.record operator(
                           pg_catalog.*=) row(case when true then p.first_status else e.status end)::pg_catalog.record
                         or pg_typeof(e.status) <> pg_typeof(p.first_status))
                       filter (where e.status is not null and e.read_at is not null
                         and e.read_at = p.first_status_at)) is not false as "held first_status"
              from public.reading as e
             where e.machine_id = p.machine_id
          ) as r0
          where p.readings is distinct from r0.readings or p.energy is distinct from r0.energy
            or (
              row(case when true then p.first_status else r0.first_status end)::pg_catalog.record operator(
                pg_catalog.<>) row(case when true then r0.first_status else p.first_status end)::pg_catalog.record
              or not r0."held first_status")
            or row(case when true then p.first_status_at else r0.first_status_at end)::pg_catalog.record operator(
              pg_catalog.<>) row(case when true then r0.first_status_at else p.first_status_at end)::pg_catalog.record
       ) then  -- some of these events are gone
      raise exception using
        errcode = 'feature_not_supported',
        message
          = 'this UPDATE changes the key of a row of public.machine, which would lose readings, energy, first_status',
        detail = 'With on_delete="keep" older events are gone, so these cannot be read again for another key.',
        hint = 'Insert a row with the new key, copy these columns to it as a member of modelpack_owner, and delete the '
               'old row; or declare the event with on_delete="subtract".';
    end if;
    if tg_relid <> 'public.machine'::regclass then
      -- to another partition it goes as an INSERT, which scores and logs it
      execute format('select not (%s) from (select ($1).*) as r', pg_get_partition_constraintdef(tg_relid))
         into v_moves using new;
      if v_moves then
        return new;
      end if;
    end if;
  end if;
  new := modelpack.machine_scored(new, old,
    case when tg_op = 'INSERT' then 'anew' when new.machine_id <> old.machine_id then 'under another key'
      else 'with another input' end);
  return new;
end
$modelpack$;

revoke all on function modelpack.machine_score() from public;

comment on function modelpack.machine_score() is
  'SCORE of public.machine: scores a row that is new, has another key or another static input, before it is '
  'written. Generated by modelpack from the declaration. [machine]';

create trigger modelpack_machine_guard before update of energy, features_at, features_read_at, first_status,
  first_status_at, readings, readings_1h on public.machine
  for each row execute function modelpack.machine_guard();

create trigger zz_modelpack_machine_score before insert or update of machine_id on public.machine
  for each row execute function modelpack.machine_score();

select modelpack.run_as('public.machine');

select modelpack.bind('public.machine');

create or replace trigger modelpack_machine_insert after insert on public.reading
  referencing new table as new_rows
  for each statement execute function modelpack.machine_count_reading_insert();

create or replace trigger modelpack_machine_update after update on public.reading
  referencing old table as old_rows new table as new_rows
  for each statement execute function modelpack.machine_count_reading_update();

create or replace trigger modelpack_machine_delete after delete on public.reading
  referencing old table as old_rows
  for each statement execute function modelpack.machine_count_reading_delete();

create or replace trigger modelpack_machine_truncate after truncate on public.reading
  for each statement execute function modelpack.machine_count_reading_truncate();

select modelpack.follow_moves('public.reading', 'zz_modelpack_machine_moves', 'zz_modelpack_machine_moved',
  'machine_count_reading_move');

select sum(modelpack.machine_rebuild(c.first_block, coalesce(c.last_block, c.first_block + 500 - 1)))
  from modelpack.chunks('public.machine', 500) as c;

select modelpack.cover_partitions('public.machine');

select modelpack.cover_partitions('public.reading');

select modelpack.seal('public.machine');

commit;
