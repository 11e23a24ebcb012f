-- A partitioned profile with a partitioned event table. The text is that of other tables: partitions come last.
-- Written by `make docs` from partitions.py; look at it, do not edit it.
-- The same comes of: modelpack apply docs/generated/partitions.py --sql
--
--     from modelpack import Event, Profile, Score, count, distinct
--
--     device = Profile(
--         "device",
--         key=("region", "device_id"),
--         events=[
--             Event("ping", at="pinged_at", features={"pings": count(), "networks": distinct("network")}),
--         ],
--         scores=[Score("fault")],
--     )

begin;

select modelpack.alone();

select modelpack.take_turn('fault');

select modelpack.lock_tables(
  array_remove(array['public.ping'::regclass]::regclass[], null),
  'public.device', 'share row exclusive');

select modelpack.check_key_columns('public.device', array['region', 'device_id']::text[], 'public.ping',
  array['region', 'device_id']::text[]);

select modelpack.attach(
  relation => 'public.device',
  declaration => '{
    "events": [
      {
        "at": "pinged_at",
        "features": [
          {"kind": "count", "name": "pings"},
          {"column": "network", "kind": "distinct", "name": "networks"}
        ],
        "key": null,
        "missing": "create",
        "on_delete": "subtract",
        "table": "ping",
        "where": null
      }
    ],
    "format": 1,
    "key": ["region", "device_id"],
    "scores": [{"inputs": {}, "model": "fault", "name": "fault", "on_error": "stale"}],
    "table": "device"
  }'::jsonb,
  maintained => array['pings', 'networks']::text[],
  wanted_columns => array['features_at', 'features_read_at', 'pings', 'networks', 'fault', 'fault_version',
    'fault_scored_at', 'fault_stale']::text[],
  scores => '[
    {"inputs": {}, "model": "fault", "name": "fault", "on_error": "stale", "stem": "device_score_fault"}
  ]'::jsonb,
  stem => 'device');

alter table public.device add column if not exists features_at timestamptz;

alter table public.device add column if not exists features_read_at timestamptz;

alter table public.device add column if not exists pings bigint not null default 0;

alter table public.device add column if not exists networks bigint not null default 0;

alter table public.device add column if not exists fault double precision;

alter table public.device add column if not exists fault_version integer;

alter table public.device add column if not exists fault_scored_at timestamptz;

alter table public.device add column if not exists fault_stale text;

comment on column public.device.pings is
  'count() of ping; kept by modelpack';

comment on column public.device.networks is
  'distinct(column=''network'') of ping; kept by modelpack';

comment on column public.device.features_at is
  'when windowed and decayed features were brought up to the moment; kept by modelpack';

comment on column public.device.features_read_at is
  'statement that read all features of the row from the events; kept by modelpack';

comment on column public.device.fault is
  'score of the model fault; kept by modelpack';

comment on column public.device.fault_version is
  'version that gave the score; kept by modelpack';

comment on column public.device.fault_scored_at is
  'when the score was given; kept by modelpack';

comment on column public.device.fault_stale is
  'NULL when the score is fresh, else why it is not; kept by modelpack';

select modelpack.ensure_stale_index('public.device', array['region', 'device_id']::text[],
  array['fault_stale']::text[]);

select modelpack.ensure_index('public.device', 'public.ping', array['region', 'device_id']::text[], null);

create or replace function modelpack.device_recount(only_keys text[])
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $modelpack$
-- Counts the features of some rows of public.device again; keys as modelpack.verify() writes them.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_hashjoin, enable_mergejoin, jit: off, since rows are found again by where they lie, one after the other; no
-- other plan is good for a row and for many.
#variable_conflict use_variable
declare
  v_moment timestamptz;
  v_rows bigint;
  v_written bigint;
  v_logged bigint;
  v_version_1 integer;
begin
  if not exists (select from pg_trigger as t
                  where t.tgrelid = 'public.ping'::regclass
                    and t.tgfoid = 'modelpack.device_count_ping_insert()'::regprocedure)
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.device_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format(
        '%s is another table than the event table that the declaration of %s means: it has no count trigger',
        'public.ping',
        'public.device'),
      detail = 'Its rows would count as events.',
      hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
  end if;
  if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
    perform modelpack.device_seen();
  end if;
  perform
    from jsonb_populate_recordset(
           (select row(q.*)::public.device from public.device as q limit 1),
           (select jsonb_agg(jsonb_build_object('region', u.key::jsonb -> 0, 'device_id', u.key::jsonb -> 1))
              from (select distinct unnest(only_keys)) as u (key))
         ) as k
    join public.device as p on p.region = k.region and p.device_id = k.device_id
   order by p.region, p.device_id
     for no key update of p;
  get diagnostics v_rows = row_count;
  v_moment := clock_timestamp();
  if v_rows >= 8 and modelpack.device_batched() and modelpack.device_shaped() then
    v_version_1 := modelpack.device_score_fault_version();
    -- all rows in one call of each model
    with chosen as materialized (
      select f.*,
             count(*) filter (where f."is fed") over up as "the number",
             sum(f."the size") over up / 32000000 as "the chunk"
        from (
               select k.*,
                      not k."is alone" and k."fault inputs" is not null as "is fed",
                      100
                        + coalesce(pg_column_size(k."fault inputs") + coalesce(pg_column_size(k."fault texts"), 0),
                          0) as "the size"
                 from (
                        select c."the place", c."the partition", c."is alone",
                               c.pings,
                               c.networks,
                               c.features_read_at,
                               modelpack.device_score_fault_numbers(
                                 modelpack.device_with(c."the row", c.pings, c.networks), v_moment,
                                 v_version_1) as "fault inputs",
                               modelpack.device_score_fault_texts(
                                 modelpack.device_with(c."the row", c.pings, c.networks), v_moment,
                                 v_version_1) as "fault texts"
                          from (
                                 select row(p.*)::public.device as "the row", p.ctid as "the place",
                                   p.tableoid as "the partition",
                                        coalesce(p.features_at >= v_moment, false) as "is alone",
                                        r0.pings as pings,
                                        r0.networks as networks,
                                        case when s."read afresh" then greatest(now(), statement_timestamp())
                                            else p.features_read_at end as features_read_at
                                   from jsonb_populate_recordset(
                                          (select row(q.*)::public.device from public.device as q limit 1),
                                          (
                                            select jsonb_agg(
                                              jsonb_build_object('region', u.key::jsonb -> 0, 'device_id',
                                                u.key::jsonb -> 1))
                                             from (select distinct unnest(only_keys)) as u (key))
                                        ) as k
                                        join public.device as p on p.region = k.region and p.device_id = k.device_id
                                   cross join lateral (
                                     select p.features_at is null
                                       or (p.features_read_at >= modelpack.device_since()) is not true
                                       or p.features_read_at = greatest(now(), statement_timestamp()) as "read afresh",
                                       case when p.features_at is null
                                         or (p.features_read_at >= modelpack.device_since()) is not true
                                         or p.features_read_at = greatest(now(), statement_timestamp()) then v_moment
                                         else p.features_at end as "the moment"
                                   ) as s
                                   cross join lateral (
                                     select count(*) as pings,
                                            count(distinct e.network) as networks
                                       from public.ping as e
                                      where e.region = p.region and e.device_id = p.device_id
                                   ) as r0
                                   where (s."read afresh"
                                       or p.pings is distinct from r0.pings
                                       or p.networks is distinct from r0.networks)
                                 offset 0  -- features are computed once
                               ) as c
                        offset 0  -- and packed once
                      ) as k
             ) as f
      window up as (rows unbounded preceding)
    ), called as materialized (
      select k."the chunk", k."the first",
             modelpack.device_score_fault_many(
               v_version_1,
               (
                 select array_send(
                   array_replace(array_agg(c."fault inputs") filter (where c."fault inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."fault texts") filter (where c."fault texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "fault scores"
        from (select c."the chunk", min(c."the number") filter (where c."is fed") as "the first" from chosen as c
          group by c."the chunk" offset 0) as k
    ), written as (
      update public.device as p
         set pings = c.pings,
             networks = c.networks,
             features_read_at = c.features_read_at,
             fault = case when (c."fault given" <> 'NaN') is true then c."fault given" else p.fault end,
             fault_version = case when (c."fault given" <> 'NaN') is true then v_version_1 else p.fault_version end,
             fault_scored_at = case when (c."fault given" <> 'NaN') is true then v_moment else p.fault_scored_at end,
             fault_stale = case when not (c."fault given" <> 'NaN') is true then p.fault_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.device'::regclass
                                                  and t.tgname = 'modelpack_device_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."fault inputs") || coalesce(array_send(c."fault texts"), ''))
                                      end,
             -- one that is left to the guard has its features at the moment, or at none where none moves
             features_at = case when (c."fault given" <> 'NaN') is true then v_moment end
        from called as a
       cross join lateral (
               select c.*,
                      case when c."is fed"
                          then a."fault scores"[c."the number" - a."the first" + 1] end as "fault given"
                 from chosen as c
                where c."the chunk" = a."the chunk"
               offset 0
             ) as c
       where p.ctid = c."the place" and p.tableoid = c."the partition"
      returning jsonb_build_array(modelpack.key_value(p.region), modelpack.key_value(p.device_id))::text as "the key",
                c."the chunk",
                (c."fault given" <> 'NaN') is true and p.fault_scored_at = v_moment as "is good",
                p.fault, c."fault inputs", c."fault texts"
    ), logged as (
      select modelpack.device_score_fault_record(
               v_version_1, v_moment,
                 array_agg(row(w."the key", w.fault, w."fault inputs", w."fault texts")::modelpack.scored)
             ) as rows
        from written as w
       where w."is good"
       group by w."the chunk"
    )
    select (select count(*) from written), (select sum(l.rows) from logged as l)
      into v_written, v_logged;
    return v_written;
  end if;
  update public.device as p
     set pings = x.pings,
         networks = x.networks,
         features_at = x."the moment",
         features_read_at
           = case when x."read afresh" then greatest(now(), statement_timestamp()) else p.features_read_at end
    from (
           select p.region,
                  p.device_id,
                  r0.pings,
                  r0.networks,
                  p."the moment",
                  p."read afresh"
             from (
                    select p.*,
                           p.features_at is null or (p.features_read_at >= modelpack.device_since()) is not true
                             or p.features_read_at = greatest(now(), statement_timestamp()) as "read afresh",
                           case when p.features_at is null
                               or (p.features_read_at >= modelpack.device_since()) is not true
                               or p.features_read_at = greatest(now(), statement_timestamp()) then clock_timestamp()
                               else p.features_at end as "the moment"
                      from jsonb_populate_recordset(
                             (select row(q.*)::public.device from public.device as q limit 1),
                             (
                               select jsonb_agg(
                                 jsonb_build_object('region', u.key::jsonb -> 0, 'device_id', u.key::jsonb -> 1))
                                from (select distinct unnest(only_keys)) as u (key))
                           ) as k
                      join public.device as p on p.region = k.region and p.device_id = k.device_id
                  ) as p
            cross join lateral (
              select count(*) as pings,
                     count(distinct e.network) as networks
                from public.ping as e
               where e.region = p.region and e.device_id = p.device_id
            ) as r0
         ) as x
   where p.region = x.region and p.device_id = x.device_id
     and (x."read afresh"
       or p.pings is distinct from x.pings
       or p.networks is distinct from x.networks);
  get diagnostics v_written = row_count;
  return v_written;
end
$modelpack$;

revoke all on function modelpack.device_recount(text[]) from public;

comment on function modelpack.device_recount(text[]) is
  'Counts the features of some rows of public.device again; keys as modelpack.verify() writes them. [device]';

create or replace function modelpack.device_rebuild(first_block bigint, last_block bigint)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $modelpack$
-- Counts the features of public.device again from the events and writes the rows that differ.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_hashjoin, enable_mergejoin, jit: off, since rows are found again by where they lie, one after the other; no
-- other plan is good for a row and for many.
#variable_conflict use_variable
declare
  v_first constant tid := format('(%s,0)', greatest(first_block, 0))::tid;
  v_beyond constant tid := format('(%s,0)', coalesce(last_block + 1, 4294967295))::tid;
  v_moment timestamptz;
  v_written bigint;
  v_logged bigint;
  v_version_1 integer;
begin
  if not exists (select from pg_trigger as t
                  where t.tgrelid = 'public.ping'::regclass
                    and t.tgfoid = 'modelpack.device_count_ping_insert()'::regprocedure)
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.device_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format(
        '%s is another table than the event table that the declaration of %s means: it has no count trigger',
        'public.ping',
        'public.device'),
      detail = 'Its rows would count as events.',
      hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
  end if;
  if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
    perform modelpack.device_seen();
  end if;
  perform from public.device as p
   where p.ctid >= v_first and p.ctid < v_beyond
   order by p.region, p.device_id
     for no key update;
  v_moment := clock_timestamp();
  if modelpack.device_batched() and modelpack.device_shaped() then
    v_version_1 := modelpack.device_score_fault_version();
    -- all rows in one call of each model
    with chosen as materialized (
      select f.*,
             count(*) filter (where f."is fed") over up as "the number",
             sum(f."the size") over up / 32000000 as "the chunk"
        from (
               select k.*,
                      not k."is alone" and k."fault inputs" is not null as "is fed",
                      100
                        + coalesce(pg_column_size(k."fault inputs") + coalesce(pg_column_size(k."fault texts"), 0),
                          0) as "the size"
                 from (
                        select c."the place", c."the partition", c."is alone",
                               c.pings,
                               c.networks,
                               c.features_read_at,
                               modelpack.device_score_fault_numbers(
                                 modelpack.device_with(c."the row", c.pings, c.networks), v_moment,
                                 v_version_1) as "fault inputs",
                               modelpack.device_score_fault_texts(
                                 modelpack.device_with(c."the row", c.pings, c.networks), v_moment,
                                 v_version_1) as "fault texts"
                          from (
                                 select row(p.*)::public.device as "the row", p.ctid as "the place",
                                   p.tableoid as "the partition",
                                        coalesce(p.features_at >= v_moment, false) as "is alone",
                                        r0.pings as pings,
                                        r0.networks as networks,
                                        case when s."read afresh" then greatest(now(), statement_timestamp())
                                            else p.features_read_at end as features_read_at
                                   from public.device as p
                                   cross join lateral (
                                     select p.features_at is null
                                       or (p.features_read_at >= modelpack.device_since()) is not true as "read afresh",
                                       case when p.features_at is null
                                         or (p.features_read_at >= modelpack.device_since()) is not true then v_moment
                                         else p.features_at end as "the moment"
                                   ) as s
                                   cross join lateral (
                                     select count(*) as pings,
                                            count(distinct e.network) as networks
                                       from public.ping as e
                                      where e.region = p.region and e.device_id = p.device_id
                                   ) as r0
                                   where p.ctid >= v_first and p.ctid < v_beyond
                                     and (s."read afresh"
                                       or p.pings is distinct from r0.pings
                                       or p.networks is distinct from r0.networks)
                                 offset 0  -- features are computed once
                               ) as c
                        offset 0  -- and packed once
                      ) as k
             ) as f
      window up as (rows unbounded preceding)
    ), called as materialized (
      select k."the chunk", k."the first",
             modelpack.device_score_fault_many(
               v_version_1,
               (
                 select array_send(
                   array_replace(array_agg(c."fault inputs") filter (where c."fault inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."fault texts") filter (where c."fault texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "fault scores"
        from (select c."the chunk", min(c."the number") filter (where c."is fed") as "the first" from chosen as c
          group by c."the chunk" offset 0) as k
    ), written as (
      update public.device as p
         set pings = c.pings,
             networks = c.networks,
             features_read_at = c.features_read_at,
             fault = case when (c."fault given" <> 'NaN') is true then c."fault given" else p.fault end,
             fault_version = case when (c."fault given" <> 'NaN') is true then v_version_1 else p.fault_version end,
             fault_scored_at = case when (c."fault given" <> 'NaN') is true then v_moment else p.fault_scored_at end,
             fault_stale = case when not (c."fault given" <> 'NaN') is true then p.fault_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.device'::regclass
                                                  and t.tgname = 'modelpack_device_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."fault inputs") || coalesce(array_send(c."fault texts"), ''))
                                      end,
             -- one that is left to the guard has its features at the moment, or at none where none moves
             features_at = case when (c."fault given" <> 'NaN') is true then v_moment end
        from called as a
       cross join lateral (
               select c.*,
                      case when c."is fed"
                          then a."fault scores"[c."the number" - a."the first" + 1] end as "fault given"
                 from chosen as c
                where c."the chunk" = a."the chunk"
               offset 0
             ) as c
       where p.ctid = c."the place" and p.tableoid = c."the partition"
      returning jsonb_build_array(modelpack.key_value(p.region), modelpack.key_value(p.device_id))::text as "the key",
                c."the chunk",
                (c."fault given" <> 'NaN') is true and p.fault_scored_at = v_moment as "is good",
                p.fault, c."fault inputs", c."fault texts"
    ), logged as (
      select modelpack.device_score_fault_record(
               v_version_1, v_moment,
                 array_agg(row(w."the key", w.fault, w."fault inputs", w."fault texts")::modelpack.scored)
             ) as rows
        from written as w
       where w."is good"
       group by w."the chunk"
    )
    select (select count(*) from written), (select sum(l.rows) from logged as l)
      into v_written, v_logged;
    return v_written;
  end if;
  update public.device as p
     set pings = x.pings,
         networks = x.networks,
         features_at = x."the moment",
         features_read_at
           = case when x."read afresh" then greatest(now(), statement_timestamp()) else p.features_read_at end
    from (
           select p.region,
                  p.device_id,
                  r0.pings,
                  r0.networks,
                  p."the moment",
                  p."read afresh"
             from (
                    select p.*,
                           p.features_at is null
                             or (p.features_read_at >= modelpack.device_since()) is not true as "read afresh",
                           case when p.features_at is null
                               or (p.features_read_at >= modelpack.device_since()) is not true then clock_timestamp()
                               else p.features_at end as "the moment"
                      from public.device as p
                     where p.ctid >= v_first and p.ctid < v_beyond
                  ) as p
            cross join lateral (
              select count(*) as pings,
                     count(distinct e.network) as networks
                from public.ping as e
               where e.region = p.region and e.device_id = p.device_id
            ) as r0
         ) as x
   where p.region = x.region and p.device_id = x.device_id
     and (x."read afresh"
       or p.pings is distinct from x.pings
       or p.networks is distinct from x.networks);
  get diagnostics v_written = row_count;
  return v_written;
end
$modelpack$;

revoke all on function modelpack.device_rebuild(bigint, bigint) from public;

comment on function modelpack.device_rebuild(bigint, bigint) is
  'Counts the features of public.device again from the events and writes the rows that differ. [device]';

create or replace function modelpack.device_refresh(first_block bigint, last_block bigint, older_than timestamptz)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $modelpack$
-- Brings the rows of public.device whose windows have moved on up to the moment, and scores them.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_hashjoin, enable_mergejoin, jit: off, since rows are found again by where they lie, one after the other; no
-- other plan is good for a row and for many.
#variable_conflict use_variable
declare
  v_first constant tid := format('(%s,0)', greatest(first_block, 0))::tid;
  v_beyond constant tid := format('(%s,0)', coalesce(last_block + 1, 4294967295))::tid;
  v_moment timestamptz;
  v_written bigint;
  v_logged bigint;
  v_version_1 integer;
begin
  perform from public.device as p
   where p.ctid >= v_first and p.ctid < v_beyond
   order by p.region, p.device_id
     for no key update;
  v_moment := clock_timestamp();
  if modelpack.device_batched() then
    v_version_1 := modelpack.device_score_fault_version();
    -- all rows in one call of each model
    with chosen as materialized (
      select f.*,
             count(*) filter (where f."is fed") over up as "the number",
             sum(f."the size") over up / 32000000 as "the chunk"
        from (
               select k.*,
                      not k."is alone" and k."fault inputs" is not null as "is fed",
                      100
                        + coalesce(pg_column_size(k."fault inputs") + coalesce(pg_column_size(k."fault texts"), 0),
                          0) as "the size"
                 from (
                        select c."the place", c."the partition", c."is alone",
                               modelpack.device_score_fault_numbers(c."the row", v_moment,
                                 v_version_1) as "fault inputs",
                               modelpack.device_score_fault_texts(c."the row", v_moment, v_version_1) as "fault texts"
                          from (
                                 select row(p.*)::public.device as "the row", p.ctid as "the place",
                                   p.tableoid as "the partition",
                                        coalesce(p.features_at >= v_moment, false) as "is alone"
                                   from public.device as p
                                   where p.ctid >= v_first and p.ctid < v_beyond
                                     and not (p.features_read_at >= modelpack.device_since()) is not true
                                     and (p.features_at < older_than
                                       or (older_than is not null and p.features_at > clock_timestamp()))
                                 offset 0  -- features are computed once
                               ) as c
                        offset 0  -- and packed once
                      ) as k
             ) as f
      window up as (rows unbounded preceding)
    ), called as materialized (
      select k."the chunk", k."the first",
             modelpack.device_score_fault_many(
               v_version_1,
               (
                 select array_send(
                   array_replace(array_agg(c."fault inputs") filter (where c."fault inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."fault texts") filter (where c."fault texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "fault scores"
        from (select c."the chunk", min(c."the number") filter (where c."is fed") as "the first" from chosen as c
          group by c."the chunk" offset 0) as k
    ), written as (
      update public.device as p
         set 
             fault = case when (c."fault given" <> 'NaN') is true then c."fault given" else p.fault end,
             fault_version = case when (c."fault given" <> 'NaN') is true then v_version_1 else p.fault_version end,
             fault_scored_at = case when (c."fault given" <> 'NaN') is true then v_moment else p.fault_scored_at end,
             fault_stale = case when not (c."fault given" <> 'NaN') is true then p.fault_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.device'::regclass
                                                  and t.tgname = 'modelpack_device_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."fault inputs") || coalesce(array_send(c."fault texts"), ''))
                                      end,
             -- one that is left to the guard has its features at the moment, or at none where none moves
             features_at = case when (c."fault given" <> 'NaN') is true then v_moment end
        from called as a
       cross join lateral (
               select c.*,
                      case when c."is fed"
                          then a."fault scores"[c."the number" - a."the first" + 1] end as "fault given"
                 from chosen as c
                where c."the chunk" = a."the chunk"
               offset 0
             ) as c
       where p.ctid = c."the place" and p.tableoid = c."the partition"
      returning jsonb_build_array(modelpack.key_value(p.region), modelpack.key_value(p.device_id))::text as "the key",
                c."the chunk",
                (c."fault given" <> 'NaN') is true and p.fault_scored_at = v_moment as "is good",
                p.fault, c."fault inputs", c."fault texts"
    ), logged as (
      select modelpack.device_score_fault_record(
               v_version_1, v_moment,
                 array_agg(row(w."the key", w.fault, w."fault inputs", w."fault texts")::modelpack.scored)
             ) as rows
        from written as w
       where w."is good"
       group by w."the chunk"
    )
    select (select count(*) from written), (select sum(l.rows) from logged as l)
      into v_written, v_logged;
    return v_written;
  end if;
  update public.device as p
     set features_at = v_moment
    from (
           select p.ctid as "the place", p.tableoid as "the partition"
             from public.device as p
             where p.ctid >= v_first and p.ctid < v_beyond
               and not (p.features_read_at >= modelpack.device_since()) is not true
               and (p.features_at < older_than or (older_than is not null and p.features_at > clock_timestamp()))
         ) as x
   where p.ctid = x."the place" and p.tableoid = x."the partition";
  get diagnostics v_written = row_count;
  return v_written;
end
$modelpack$;

revoke all on function modelpack.device_refresh(bigint, bigint, timestamptz) from public;

comment on function modelpack.device_refresh(bigint, bigint, timestamptz) is
  'Brings the rows of public.device whose windows have moved on up to the moment, and scores them. [device]';

create or replace function modelpack.device_rescore(first_block bigint, last_block bigint, only_stale boolean,
  older_than timestamptz)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $modelpack$
-- Scores rows of public.device again: those that are stale or scored by another version than the champion.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_hashjoin, enable_mergejoin, jit: off, since rows are found again by where they lie, one after the other; no
-- other plan is good for a row and for many.
#variable_conflict use_variable
declare
  v_first constant tid := format('(%s,0)', greatest(first_block, 0))::tid;
  v_beyond constant tid := format('(%s,0)', coalesce(last_block + 1, 4294967295))::tid;
  v_moment timestamptz;
  v_written bigint;
  v_logged bigint;
  v_version_1 integer;
begin
  v_version_1 := modelpack.device_score_fault_version();
  perform from public.device as p
   where p.ctid >= v_first and p.ctid < v_beyond
         and not (p.features_read_at >= modelpack.device_since()) is not true
         and (p.features_at < older_than or (older_than is not null and p.features_at > clock_timestamp())
           or p.fault_stale is not null
           or (not only_stale and p.fault_version is distinct
             from coalesce(modelpack.device_score_fault_chosen(row(p.*)::public.device), v_version_1)))
   order by p.region, p.device_id
     for no key update;
  if not found then
    return 0;
  end if;
  v_moment := clock_timestamp();
  if modelpack.device_batched() then
    v_version_1 := modelpack.device_score_fault_version();
    -- all rows in one call of each model
    with chosen as materialized (
      select f.*,
             count(*) filter (where f."is fed") over up as "the number",
             sum(f."the size") over up / 32000000 as "the chunk"
        from (
               select k.*,
                      not k."is alone" and k."fault inputs" is not null as "is fed",
                      100
                        + coalesce(pg_column_size(k."fault inputs") + coalesce(pg_column_size(k."fault texts"), 0),
                          0) as "the size"
                 from (
                        select c."the place", c."the partition", c."is alone",
                               modelpack.device_score_fault_numbers(c."the row", v_moment,
                                 v_version_1) as "fault inputs",
                               modelpack.device_score_fault_texts(c."the row", v_moment, v_version_1) as "fault texts"
                          from (
                                 select row(p.*)::public.device as "the row", p.ctid as "the place",
                                   p.tableoid as "the partition",
                                        coalesce(p.features_at >= v_moment, false) as "is alone"
                                   from public.device as p
                                   where p.ctid >= v_first and p.ctid < v_beyond
                                         and not (p.features_read_at >= modelpack.device_since()) is not true
                                         and (p.features_at < older_than
                                           or (older_than is not null and p.features_at > clock_timestamp())
                                           or p.fault_stale is not null
                                           or (not only_stale and p.fault_version is distinct
                                             from coalesce(modelpack.device_score_fault_chosen(row(p.*)::public.device),
                                               v_version_1)))
                                 offset 0  -- features are computed once
                               ) as c
                        offset 0  -- and packed once
                      ) as k
             ) as f
      window up as (rows unbounded preceding)
    ), called as materialized (
      select k."the chunk", k."the first",
             modelpack.device_score_fault_many(
               v_version_1,
               (
                 select array_send(
                   array_replace(array_agg(c."fault inputs") filter (where c."fault inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."fault texts") filter (where c."fault texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "fault scores"
        from (select c."the chunk", min(c."the number") filter (where c."is fed") as "the first" from chosen as c
          group by c."the chunk" offset 0) as k
    ), written as (
      update public.device as p
         set 
             fault = case when (c."fault given" <> 'NaN') is true then c."fault given" else p.fault end,
             fault_version = case when (c."fault given" <> 'NaN') is true then v_version_1 else p.fault_version end,
             fault_scored_at = case when (c."fault given" <> 'NaN') is true then v_moment else p.fault_scored_at end,
             fault_stale = case when not (c."fault given" <> 'NaN') is true then p.fault_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.device'::regclass
                                                  and t.tgname = 'modelpack_device_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."fault inputs") || coalesce(array_send(c."fault texts"), ''))
                                      end,
             -- one that is left to the guard has its features at the moment, or at none where none moves
             features_at = case when (c."fault given" <> 'NaN') is true then v_moment end
        from called as a
       cross join lateral (
               select c.*,
                      case when c."is fed"
                          then a."fault scores"[c."the number" - a."the first" + 1] end as "fault given"
                 from chosen as c
                where c."the chunk" = a."the chunk"
               offset 0
             ) as c
       where p.ctid = c."the place" and p.tableoid = c."the partition"
      returning jsonb_build_array(modelpack.key_value(p.region), modelpack.key_value(p.device_id))::text as "the key",
                c."the chunk",
                (c."fault given" <> 'NaN') is true and p.fault_scored_at = v_moment as "is good",
                p.fault, c."fault inputs", c."fault texts"
    ), logged as (
      select modelpack.device_score_fault_record(
               v_version_1, v_moment,
                 array_agg(row(w."the key", w.fault, w."fault inputs", w."fault texts")::modelpack.scored)
             ) as rows
        from written as w
       where w."is good"
       group by w."the chunk"
    )
    select (select count(*) from written), (select sum(l.rows) from logged as l)
      into v_written, v_logged;
    return v_written;
  end if;
  update public.device as p
     set fault_stale = 'waiting for rescore'
   where p.ctid >= v_first and p.ctid < v_beyond
         and not (p.features_read_at >= modelpack.device_since()) is not true
         and (p.features_at < older_than or (older_than is not null and p.features_at > clock_timestamp())
           or p.fault_stale is not null
           or (not only_stale and p.fault_version is distinct
             from coalesce(modelpack.device_score_fault_chosen(row(p.*)::public.device), v_version_1)));
  get diagnostics v_written = row_count;
  return v_written;
end
$modelpack$;

revoke all on function modelpack.device_rescore(bigint, bigint, boolean, timestamptz) from public;

comment on function modelpack.device_rescore(bigint, bigint, boolean, timestamptz) is
  'Scores rows of public.device again: those that are stale or scored by another version than the champion. '
  '[device]';

create or replace function modelpack.device_fill(step integer, first_block bigint, last_block bigint, most integer)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $modelpack$
-- Counts some rows of public.device that were not counted yet, or makes some that its events lack.
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
                  where t.tgrelid = 'public.ping'::regclass
                    and t.tgfoid = 'modelpack.device_count_ping_insert()'::regprocedure)
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.device_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format(
        '%s is another table than the event table that the declaration of %s means: it has no count trigger',
        'public.ping',
        'public.device'),
      detail = 'Its rows would count as events.',
      hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
  end if;
  if step = -1 then
    perform from public.device as p where (p.features_read_at >= modelpack.device_since()) is not true limit 1;
    return found::integer;
  end if;
  if step = 1 then
    with chosen as (
      select d.region, d.device_id
        from (
               select distinct e.region, e.device_id
                 from public.ping as e
                where e.ctid >= v_first and e.ctid < v_beyond and e.region is not null and e.device_id is not null
             ) as d
       where not exists (select from public.device as q where q.region = d.region and q.device_id = d.device_id)
       order by d.region, d.device_id
       limit most
    ), made as (
      insert into public.device (region, device_id) overriding system value
      select c.region, c.device_id from chosen as c
      on conflict (region, device_id) do nothing
    )
    select count(*) into v_made from chosen;
    return v_made;
  end if;
  -- who holds a row may do so for long: it is passed over, so that nobody waits for us meanwhile
  select array_agg(x.key) into v_keys
    from (
           select jsonb_build_array(modelpack.key_value(p.region), modelpack.key_value(p.device_id))::text as key
             from public.device as p
            where p.ctid >= v_first and p.ctid < v_beyond
              and (p.features_read_at >= modelpack.device_since()) is not true
            limit most
              for no key update skip locked
         ) as x;
  if v_keys is null then
    perform from public.device as p where p.ctid >= v_first and p.ctid < v_beyond
      and (p.features_read_at >= modelpack.device_since()) is not true limit 1;
    return -found::integer;
  end if;
  perform modelpack.device_recount(v_keys);
  return cardinality(v_keys);
end
$modelpack$;

revoke all on function modelpack.device_fill(integer, bigint, bigint, integer) from public;

comment on function modelpack.device_fill(integer, bigint, bigint, integer) is
  'Counts some rows of public.device that were not counted yet, or makes some that its events lack. [device]';

create or replace function modelpack.device_verify(first_block bigint, last_block bigint, only_keys text[])
returns table (entity_key text, feature text, stored text, expected text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Features of public.device that differ from the same aggregate over the events.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
declare
  v_first constant tid := format('(%s,0)', greatest(first_block, 0))::tid;
  v_beyond constant tid := format('(%s,0)', coalesce(last_block + 1, 4294967295))::tid;
begin
  return query
  select jsonb_build_array(modelpack.key_value(p.region), modelpack.key_value(p.device_id))::text, f.feature, f.stored,
    f.expected
    from (
           select q.*, coalesce(q.features_at, clock_timestamp()) as "the moment"
             from public.device as q
            where only_keys is null and q.ctid >= v_first and q.ctid < v_beyond
           union all
           select q.*, coalesce(q.features_at, clock_timestamp()) as "the moment"
             from jsonb_populate_recordset(
                    (select row(q.*)::public.device from public.device as q limit 1),
                    (select jsonb_agg(jsonb_build_object('region', u.key::jsonb -> 0, 'device_id', u.key::jsonb -> 1))
                       from (select distinct unnest(only_keys)) as u (key))
                  ) as k
             join public.device as q on q.region = k.region and q.device_id = k.device_id
            where only_keys is not null
         ) as p
   cross join lateral (
     select count(*) as pings,
            count(distinct e.network) as networks
       from public.ping as e
      where e.region = p.region and e.device_id = p.device_id
   ) as r0
   cross join lateral (
     values ('pings', p.pings::text, r0.pings::text, p.pings is distinct from r0.pings),
            ('networks', p.networks::text, r0.networks::text, p.networks is distinct from r0.networks)
   ) as f (feature, stored, expected, differs)
   where f.differs;
end
$modelpack$;

revoke all on function modelpack.device_verify(bigint, bigint, text[]) from public;

comment on function modelpack.device_verify(bigint, bigint, text[]) is
  'Features of public.device that differ from the same aggregate over the events. [device]';

create or replace function modelpack.device_stale(chunk_blocks bigint)
returns setof bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Chunks of blocks of public.device that hold stale rows.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
begin
  return query
  select distinct (p.ctid::text::point)[0]::bigint / chunk_blocks
    from public.device as p where p.fault_stale is not null;
end
$modelpack$;

revoke all on function modelpack.device_stale(bigint) from public;

comment on function modelpack.device_stale(bigint) is
  'Chunks of blocks of public.device that hold stale rows. [device]';

create or replace function modelpack.device_reasons()
returns table (score text, reason text, rows bigint)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- How many rows of public.device have no fresh score, by score and reason.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
begin
  return query
  select 'fault', p.fault_stale, count(*) from public.device as p where p.fault_stale is not null group by 2;
end
$modelpack$;

revoke all on function modelpack.device_reasons() from public;

comment on function modelpack.device_reasons() is
  'How many rows of public.device have no fresh score, by score and reason. [device]';

create or replace function modelpack.device_examine()
returns table (what text, subject text, rows bigint, example text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- What is wrong with rows of public.device, for modelpack.doctor(): how many, and one of them.
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
             select from public.device as p
               where (p.features_read_at >= modelpack.device_since()) is not true limit 10000
           ) as x
  ) as f where f.rows > 0;
  return query
  select * from (
    select 'stale', 'fault', count(*) as rows, min(x.reason)
      from (
             select p.fault_stale as reason from public.device as p where p.fault_stale is not null
               and not (p.features_read_at >= modelpack.device_since()) is not true limit 10000
           ) as x
  ) as f where f.rows > 0;
  return query
  select * from (
    select 'behind', 'fault', count(*) as rows, null
      from (
             select from public.device as p
              where p.fault_stale is null and not (p.features_read_at >= modelpack.device_since()) is not true
                and modelpack.device_score_fault_version() is not null
                and p.fault_version is distinct
                  from coalesce(modelpack.device_score_fault_chosen(row(p.*)::public.device),
                    modelpack.device_score_fault_version()) limit 10000
           ) as x
  ) as f where f.rows > 0;
  return query
  select * from (
    select 'ahead', '', count(*) as rows, null
      from (
             select from public.device as p where p.features_at > clock_timestamp() + interval '1 minute' limit 10000
           ) as x
  ) as f where f.rows > 0;
  v_share := case when pg_relation_size('public.ping'::regclass) < 1000000 then 100
      else greatest(0.01, 100.0 * 1000000 / pg_relation_size('public.ping'::regclass)) end;
  select array_agg(distinct x.key) into v_keys
    from (select jsonb_build_array(modelpack.key_value(e.region), modelpack.key_value(e.device_id))::text as key
      from public.ping as e tablesample system (v_share) where e.region is not null and e.device_id is not null
             and not exists (select from public.device as p where p.region = e.region and p.device_id = e.device_id
               and (p.features_read_at >= modelpack.device_since()) is not true) limit 200) as x;
  return query
  select * from (
    select 'differ', 'ping', count(distinct x.entity_key) as rows, string_agg(distinct x.feature, ', ')
      from (
             select * from modelpack.device_verify(0, null, coalesce(v_keys, '{}'))
           ) as x
  ) as f where f.rows > 0;
  return query
  select * from (
    select 'missing', 'ping', count(*) as rows, null
      from (
             select distinct x.region, x.device_id
               from (select e.* from public.ping as e tablesample system (v_share) where e.region is not null
                 and e.device_id is not null limit 200) as x
              where not exists (select from public.device as q where q.region = x.region and q.device_id = x.device_id)
           ) as x
  ) as f where f.rows > 0;
end
$modelpack$;

revoke all on function modelpack.device_examine() from public;

comment on function modelpack.device_examine() is
  'What is wrong with rows of public.device, for modelpack.doctor(): how many, and one of them. [device]';

create or replace function modelpack.device_guard()
returns trigger
language plpgsql security invoker
as $modelpack$
-- GUARD of public.device: scores what modelpack's own functions write, and refuses an UPDATE of features or scores by
-- anybody else but a member of modelpack_owner.
#variable_conflict use_variable
declare
  v_ours boolean;
  v_version integer;
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
        when pg_catalog.has_function_privilege('modelpack.device_guard()'::pg_catalog.regprocedure,
          'EXECUTE WITH GRANT OPTION');
    end if;
    if pg_catalog.current_setting('search_path') operator(pg_catalog.=) 'pg_catalog, pg_temp'
       and current_user operator(pg_catalog.=) tg_argv[0] then
      v_ours := pg_catalog.has_function_privilege('modelpack.device_guard()'::pg_catalog.regprocedure,
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
           new.fault,
           new.fault_scored_at,
           new.fault_stale,
           new.fault_version,
           new.features_at,
           new.features_read_at,
           new.networks,
           new.pings
         )::pg_catalog.record operator(pg_catalog.*=) row(
           old.fault,
           old.fault_scored_at,
           old.fault_stale,
           old.fault_version,
           old.features_at,
           old.features_read_at,
           old.networks,
           old.pings
         )::pg_catalog.record then
        return new;
      end if;
      if pg_catalog.pg_has_role(current_user, 'modelpack_owner', 'member') then  -- a superuser or the DBA, who means it
        if tg_nargs operator(pg_catalog.<>) 2 then
          new := modelpack.device_scored(new, old, 'by hand');
        end if;
        return new;
      end if;
      raise exception using
        errcode = 'insufficient_privilege',
        message
          = pg_catalog.format('an UPDATE by %I changes columns of %s that modelpack keeps: %s', current_user,
            'public.device',
          pg_catalog.array_to_string(array[
            case when not row(new.fault)::pg_catalog.record operator(pg_catalog.*=) row(old.fault)::pg_catalog.record
                then 'fault' end,
            case
                when not row(new.fault_scored_at)::pg_catalog.record operator(pg_catalog.*=) row(
                  old.fault_scored_at)::pg_catalog.record then 'fault_scored_at' end,
            case
                when not row(new.fault_stale)::pg_catalog.record operator(pg_catalog.*=) row(
                  old.fault_stale)::pg_catalog.record then 'fault_stale' end,
            case
                when not row(new.fault_version)::pg_catalog.record operator(pg_catalog.*=) row(
                  old.fault_version)::pg_catalog.record then 'fault_version' end,
            case
                when not row(new.features_at)::pg_catalog.record operator(pg_catalog.*=) row(
                  old.features_at)::pg_catalog.record then 'features_at' end,
            case
                when not row(new.features_read_at)::pg_catalog.record operator(pg_catalog.*=) row(
                  old.features_read_at)::pg_catalog.record then 'features_read_at' end,
            case
                when not row(new.networks)::pg_catalog.record operator(pg_catalog.*=) row(
                  old.networks)::pg_catalog.record then 'networks' end,
            case when not row(new.pings)::pg_catalog.record operator(pg_catalog.*=) row(old.pings)::pg_catalog.record
                then 'pings' end
          ], ', ')),
        detail
          = 'Features follow from events and scores from features; a value written by hand would be wrong at once.',
        hint = 'Leave these columns out of the UPDATE (in an ORM: mark them read-only).';
    end if;
    -- the score trigger looks at every UPDATE; or the row was scored with many others, in one call
    if tg_nargs = 2 or new.fault_scored_at = new.features_at and new.fault_scored_at is distinct
      from old.fault_scored_at then
      return new;
    elsif new.features_at = old.features_at then
      -- nothing that a score depends on has changed
      if row(
           new.region,
           new.device_id,
           new.pings,
           new.networks,
           new.fault,
           new.fault_version,
           new.fault_scored_at,
           new.fault_stale
         )::pg_catalog.record operator(pg_catalog.*=) row(
           old.region,
           old.device_id,
           old.pings,
           old.networks,
           old.fault,
           old.fault_version,
           old.fault_scored_at,
           old.fault_stale
         )::pg_catalog.record
      then
        return new;
      end if;
    end if;
  end asked;
  new.features_at := pg_catalog.clock_timestamp();
  -- score fault
  v_version := coalesce(modelpack.device_score_fault_chosen(new), modelpack.device_score_fault_version());
  new.fault := modelpack.device_score_fault_predict(
    v_version,
    modelpack.device_score_fault_numbers(new, new.features_at, v_version),
    modelpack.device_score_fault_texts(new, new.features_at, v_version),
    jsonb_build_array(modelpack.key_value(new.region), modelpack.key_value(new.device_id))::text, new.features_at,
      true);
  new.fault_version := v_version;
  new.fault_scored_at := new.features_at;
  if new.fault is null or new.fault_stale is not null then
    new.fault_stale := case when new.fault is null then modelpack.device_score_fault_reason(v_version, null) end;
    if new.fault is null then
      -- the last score stands
      new.fault := old.fault;
      new.fault_version := old.fault_version;
      new.fault_scored_at := old.fault_scored_at;
    end if;
  end if;
  return new;
end
$modelpack$;

revoke all on function modelpack.device_guard() from public;

comment on function modelpack.device_guard() is
  'GUARD of public.device: scores what modelpack''s own functions write, and refuses an UPDATE of features or '
  'scores by anybody else but a member of modelpack_owner. [device]';

create or replace function modelpack.device_count_ping_insert()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
set enable_seqscan = off
as $modelpack$
-- COUNT of public.device: keeps pings, networks when rows of public.ping are inserted. Generated by modelpack from the
-- declaration.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_seqscan: off, since a session keeps a plan for whatever number of rows comes: one by an index is good for a
-- row and for many.
#variable_conflict use_variable
declare
  v_moment timestamptz;
  v_statement constant timestamptz := greatest(now(), statement_timestamp());
  v_read text[];
  v_rows bigint;
  v_written bigint;
  v_logged bigint;
  v_version_1 integer;
  v_made text[];
  v_settings text[];
begin
  if tg_relid <> 'public.ping'::regclass then  -- a partition of it, or one on its way
    if not exists (select from pg_partition_ancestors(tg_relid) as a where a.relid = 'public.ping'::regclass)
       and (select c.relpersistence from pg_class as c where c.oid = tg_relid) <> 't'
    then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s has the triggers of the event table %s, which is another relation now',
                         tg_relid::regclass, 'public.ping'),
        detail = 'Its rows would count as events of that.',
        hint
          = 'Rename it back; or modelpack apply DECLARATION, which moves the triggers to the table that is declared.';
    end if;
  end if;
  -- most statements bring one event: then one UPDATE of its profile is all
  perform from new_rows offset 1;
  if not found then
    if (select count(*) from pg_trigger as t
         where t.tgrelid = 'public.device'::regclass
           and t.tgname in ('modelpack_device_guard', 'zz_modelpack_device_score')) < 2
    then
      if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        perform modelpack.device_seen();
      end if;
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = 'public.device is another table than the profile that was declared: it has no score trigger',
        hint = 'select * from modelpack.doctor() says where the profile is now, and what to run.';
    end if;
    -- rows are locked in the order of their keys: two statements never wait for each other in a circle
    perform
      from (
             select distinct e.region, e.device_id
               from new_rows as e
              where e.region is not null and e.device_id is not null
           ) as d
      join public.device as p on p.region = d.region and p.device_id = d.device_id
     order by p.region, p.device_id
       for no key update of p;
    if found then
      update public.device as p
         set pings = p.pings + d.pings,
             networks = r.networks,
             features_at = null
        from (
               select e.region,
                      e.device_id,
                      1 as pings
                 from new_rows as e
                where e.region is not null and e.device_id is not null
             ) as d
             cross join lateral (
               select count(distinct e.network) as networks
                 from public.ping as e
                where e.region = d.region and e.device_id = d.device_id
             ) as r
       where p.region = d.region and p.device_id = d.device_id
         and ((p.features_read_at >= modelpack.device_since()) is not true
           or p.features_read_at = v_statement) is not true;
      if found then
        return null;
      end if;
    end if;
    if not exists (select from new_rows) then
      return null;
    end if;
  end if;
  if (select count(*) from pg_trigger as t
       where t.tgrelid = 'public.device'::regclass
         and t.tgname in ('modelpack_device_guard', 'zz_modelpack_device_score')) < 2
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.device_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'public.device is another table than the profile that was declared: it has no score trigger',
      hint = 'select * from modelpack.doctor() says where the profile is now, and what to run.';
  end if;
  -- these cost what a single event need not pay; from here on any number of rows is joined, by an index
  v_settings := array[current_setting('enable_hashjoin'),
                      current_setting('enable_mergejoin'),
                      current_setting('jit')];
  perform set_config('enable_hashjoin', 'off', true),
          set_config('enable_mergejoin', 'off', true),
          set_config('jit', 'off', true);
  if exists (
       select d.region, d.device_id
         from (
                select distinct e.region, e.device_id
                  from new_rows as e
                 where e.region is not null and e.device_id is not null
              ) as d
        where not exists (select from public.device as q where q.region = d.region and q.device_id = d.device_id)
     ) then
    -- keys without a profile get one before any is locked; the score trigger reads its features from the events
    with made as (
      insert into public.device as p (region, device_id) overriding system value
      select d.region, d.device_id
        from (
               select distinct e.region, e.device_id
                 from new_rows as e
                where e.region is not null and e.device_id is not null
             ) as d
       where not exists (select from public.device as q where q.region = d.region and q.device_id = d.device_id)
       order by d.region, d.device_id
      on conflict (region, device_id) do nothing
      returning jsonb_build_array(modelpack.key_value(p.region), modelpack.key_value(p.device_id))::text as key,
        p.features_read_at is not null as read
    )
    -- not where triggers do not fire, in a replica: it is counted below
    select array_agg(made.key) filter (where made.read) into v_made from made;
  end if;
  -- rows are locked in the order of their keys: two statements never wait for each other in a circle
  select array_agg(x.key) filter (where x.read), count(*) filter (where x.read is not true)
    into v_read, v_rows
    from (
           select jsonb_build_array(modelpack.key_value(p.region), modelpack.key_value(p.device_id))::text as key,
                  (p.features_read_at >= modelpack.device_since()) is not true
                    or p.features_read_at = v_statement as read
             from (
                    select distinct e.region, e.device_id
                      from new_rows as e
                     where e.region is not null and e.device_id is not null
                  ) as d
             join public.device as p on p.region = d.region and p.device_id = d.device_id
            order by p.region, p.device_id
              for no key update of p
         ) as x;
  v_moment := clock_timestamp();
  if v_rows >= 8 and modelpack.device_batched() and modelpack.device_shaped() then
    v_version_1 := modelpack.device_score_fault_version();
    -- all rows in one call of each model
    with chosen as materialized (
      select f.*,
             count(*) filter (where f."is fed") over up as "the number",
             sum(f."the size") over up / 32000000 as "the chunk"
        from (
               select k.*,
                      not k."is alone" and k."fault inputs" is not null as "is fed",
                      100
                        + coalesce(pg_column_size(k."fault inputs") + coalesce(pg_column_size(k."fault texts"), 0),
                          0) as "the size"
                 from (
                        select c."the place", c."the partition", c."is alone",
                               c.pings,
                               c.networks,
                               modelpack.device_score_fault_numbers(
                                 modelpack.device_with(c."the row", c.pings, c.networks), v_moment,
                                 v_version_1) as "fault inputs",
                               modelpack.device_score_fault_texts(
                                 modelpack.device_with(c."the row", c.pings, c.networks), v_moment,
                                 v_version_1) as "fault texts"
                          from (
                                 select row(p.*)::public.device as "the row", p.ctid as "the place",
                                   p.tableoid as "the partition",
                                        coalesce(p.features_at >= v_moment, false) as "is alone",
                                        p.pings + d.pings as pings,
                                        r.networks as networks
                                   from (
                                          select c.region,
                                                 c.device_id,
                                                 sum(c.pings)::bigint as pings
                                            from (
                                                   select e.region,
                                                          e.device_id,
                                                          1 as pings
                                                     from new_rows as e
                                                    where e.region is not null and e.device_id is not null
                                                 ) as c
                                           group by c.region, c.device_id
                                        ) as d
                                   join public.device as p on p.region = d.region and p.device_id = d.device_id
                                   cross join lateral (
                                     select count(distinct e.network) as networks
                                       from public.ping as e
                                      where e.region = d.region and e.device_id = d.device_id
                                   ) as r
                                   where ((p.features_read_at >= modelpack.device_since()) is not true
                                     or p.features_read_at = v_statement) is not true
                                 offset 0  -- features are computed once
                               ) as c
                        offset 0  -- and packed once
                      ) as k
             ) as f
      window up as (rows unbounded preceding)
    ), called as materialized (
      select k."the chunk", k."the first",
             modelpack.device_score_fault_many(
               v_version_1,
               (
                 select array_send(
                   array_replace(array_agg(c."fault inputs") filter (where c."fault inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."fault texts") filter (where c."fault texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "fault scores"
        from (select c."the chunk", min(c."the number") filter (where c."is fed") as "the first" from chosen as c
          group by c."the chunk" offset 0) as k
    ), written as (
      update public.device as p
         set pings = c.pings,
             networks = c.networks,
             fault = case when (c."fault given" <> 'NaN') is true then c."fault given" else p.fault end,
             fault_version = case when (c."fault given" <> 'NaN') is true then v_version_1 else p.fault_version end,
             fault_scored_at = case when (c."fault given" <> 'NaN') is true then v_moment else p.fault_scored_at end,
             fault_stale = case when not (c."fault given" <> 'NaN') is true then p.fault_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.device'::regclass
                                                  and t.tgname = 'modelpack_device_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."fault inputs") || coalesce(array_send(c."fault texts"), ''))
                                      end,
             -- one that is left to the guard has its features at the moment, or at none where none moves
             features_at = case when (c."fault given" <> 'NaN') is true then v_moment end
        from called as a
       cross join lateral (
               select c.*,
                      case when c."is fed"
                          then a."fault scores"[c."the number" - a."the first" + 1] end as "fault given"
                 from chosen as c
                where c."the chunk" = a."the chunk"
               offset 0
             ) as c
       where p.ctid = c."the place" and p.tableoid = c."the partition"
      returning jsonb_build_array(modelpack.key_value(p.region), modelpack.key_value(p.device_id))::text as "the key",
                c."the chunk",
                (c."fault given" <> 'NaN') is true and p.fault_scored_at = v_moment as "is good",
                p.fault, c."fault inputs", c."fault texts"
    ), logged as (
      select modelpack.device_score_fault_record(
               v_version_1, v_moment,
                 array_agg(row(w."the key", w.fault, w."fault inputs", w."fault texts")::modelpack.scored)
             ) as rows
        from written as w
       where w."is good"
       group by w."the chunk"
    )
    select (select count(*) from written), (select sum(l.rows) from logged as l)
      into v_written, v_logged;
  else
    update public.device as p
       set pings = p.pings + d.pings,
           networks = r.networks,
           features_at = null
      from (
             select c.region,
                    c.device_id,
                    sum(c.pings)::bigint as pings
               from (
                      select e.region,
                             e.device_id,
                             1 as pings
                        from new_rows as e
                       where e.region is not null and e.device_id is not null
                    ) as c
              group by c.region, c.device_id
           ) as d
           cross join lateral (
             select count(distinct e.network) as networks
               from public.ping as e
              where e.region = d.region and e.device_id = d.device_id
           ) as r
     where p.region = d.region and p.device_id = d.device_id
       and ((p.features_read_at >= modelpack.device_since()) is not true
         or p.features_read_at = v_statement) is not true;
  end if;
  -- profiles that this very statement has read from the events know of its changes; others, that were never counted,
  -- are counted again
  if v_read is not null then
    if v_made is not null then
      select array_agg(x.key) into v_read
        from (select unnest(v_read) as key except select unnest(v_made)) as x;
    end if;
    perform modelpack.device_recount(v_read);
  end if;
  perform set_config('enable_hashjoin', v_settings[1], true),
          set_config('enable_mergejoin', v_settings[2], true),
          set_config('jit', v_settings[3], true);
  return null;
end
$modelpack$;

revoke all on function modelpack.device_count_ping_insert() from public;

comment on function modelpack.device_count_ping_insert() is
  'COUNT of public.device: keeps pings, networks when rows of public.ping are inserted. Generated by modelpack from '
  'the declaration. [device]';

create or replace function modelpack.device_count_ping_update()
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
-- COUNT of public.device: keeps pings, networks when rows of public.ping are updated. Generated by modelpack from the
-- declaration.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_seqscan, enable_hashjoin, enable_mergejoin, jit: off, since a session keeps a plan for whatever number of rows
-- comes: one by an index is good for a row and for many.
#variable_conflict use_variable
declare
  v_moment timestamptz;
  v_statement constant timestamptz := greatest(now(), statement_timestamp());
  v_read text[];
  v_rows bigint;
  v_written bigint;
  v_logged bigint;
  v_version_1 integer;
  v_made text[];
begin
  if tg_relid <> 'public.ping'::regclass then  -- a partition of it, or one on its way
    if not exists (select from pg_partition_ancestors(tg_relid) as a where a.relid = 'public.ping'::regclass)
       and (select c.relpersistence from pg_class as c where c.oid = tg_relid) <> 't'
    then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s has the triggers of the event table %s, which is another relation now',
                         tg_relid::regclass, 'public.ping'),
        detail = 'Its rows would count as events of that.',
        hint
          = 'Rename it back; or modelpack apply DECLARATION, which moves the triggers to the table that is declared.';
    end if;
  end if;
  if current_setting('modelpack.moved_ac20e6eda494816c', true) <> '' then
    if not exists (select from old_rows as o
        where md5(to_jsonb(o)::text) = current_setting('modelpack.moved_ac20e6eda494816c', true)) then
      raise exception using
        errcode = 'feature_not_supported',
        message = 'MERGE has moved rows of public.ping to another partition, and PostgreSQL tells no trigger which',
        detail = 'The features of public.device could not follow.',
        hint = 'Move them by UPDATE, or by DELETE and INSERT.';
    end if;
    perform set_config('modelpack.moved_ac20e6eda494816c', '', true);
  end if;
  if not exists (select from new_rows) then
    return null;
  end if;
  if (select count(*) from pg_trigger as t
       where t.tgrelid = 'public.device'::regclass
         and t.tgname in ('modelpack_device_guard', 'zz_modelpack_device_score')) < 2
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.device_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'public.device is another table than the profile that was declared: it has no score trigger',
      hint = 'select * from modelpack.doctor() says where the profile is now, and what to run.';
  end if;
  if exists (
       select d.region, d.device_id
         from (
                select distinct e.region, e.device_id
                  from old_rows as e
                 where e.region is not null and e.device_id is not null
              ) as d
        where not exists (select from public.device as q where q.region = d.region and q.device_id = d.device_id)
     ) then
    -- keys without a profile: whoever makes one of them a profile waits for us, or we for them
    perform modelpack.device_meet(array(
      select hash_record_extended(row(u.region, u.device_id), 0)::text
        from (
               select d.region, d.device_id
                 from (
                        select distinct e.region, e.device_id
                          from (select * from old_rows union all select * from new_rows) as e
                         where e.region is not null and e.device_id is not null
                      ) as d
                where not exists (select from public.device as q where q.region = d.region
                  and q.device_id = d.device_id)
             ) as u
       order by u.region, u.device_id
    ));
  end if;
  -- keys without a profile get one before any is locked; the score trigger reads its features from the events
  with made as (
    insert into public.device as p (region, device_id) overriding system value
    select d.region, d.device_id
      from (
             select distinct e.region, e.device_id
               from new_rows as e
              where e.region is not null and e.device_id is not null
           ) as d
     where not exists (select from public.device as q where q.region = d.region and q.device_id = d.device_id)
     order by d.region, d.device_id
    on conflict (region, device_id) do nothing
    returning jsonb_build_array(modelpack.key_value(p.region), modelpack.key_value(p.device_id))::text as key,
      p.features_read_at is not null as read
  )
  -- not where triggers do not fire, in a replica: it is counted below
  select array_agg(made.key) filter (where made.read) into v_made from made;
  -- rows are locked in the order of their keys: two statements never wait for each other in a circle
  with came as (
    select e.region,
           e.device_id,
           1 as pings,
           row(e.network, e.pinged_at)::text as "the image"
      from new_rows as e
     where e.region is not null and e.device_id is not null
  ),
  went as (
    select e.region,
           e.device_id,
           1 as pings,
           row(e.network, e.pinged_at)::text as "the image"
      from old_rows as e
     where e.region is not null and e.device_id is not null
  ),
  changed as (
    select 1 as "the sign", x.* from (select * from came except all select * from went) as x
    union all
    select -1 as "the sign", x.* from (select * from went except all select * from came) as x
  )
  select array_agg(x.key) filter (where x.read), count(*) filter (where x.read is not true)
    into v_read, v_rows
    from (
           select jsonb_build_array(modelpack.key_value(p.region), modelpack.key_value(p.device_id))::text as key,
                  (p.features_read_at >= modelpack.device_since()) is not true
                    or p.features_read_at = v_statement as read
             from (
                    select distinct c.region, c.device_id
                      from changed as c
                  ) as d
             join public.device as p on p.region = d.region and p.device_id = d.device_id
            order by p.region, p.device_id
              for no key update of p
         ) as x;
  v_moment := clock_timestamp();
  if v_rows >= 8 and modelpack.device_batched() and modelpack.device_shaped() then
    v_version_1 := modelpack.device_score_fault_version();
    -- all rows in one call of each model
    with came as (
      select e.region,
             e.device_id,
             1 as pings,
             row(e.network, e.pinged_at)::text as "the image"
        from new_rows as e
       where e.region is not null and e.device_id is not null
    ),
    went as (
      select e.region,
             e.device_id,
             1 as pings,
             row(e.network, e.pinged_at)::text as "the image"
        from old_rows as e
       where e.region is not null and e.device_id is not null
    ),
    changed as (
      select 1 as "the sign", x.* from (select * from came except all select * from went) as x
      union all
      select -1 as "the sign", x.* from (select * from went except all select * from came) as x
    ),
    chosen as materialized (
      select f.*,
             count(*) filter (where f."is fed") over up as "the number",
             sum(f."the size") over up / 32000000 as "the chunk"
        from (
               select k.*,
                      not k."is alone" and k."fault inputs" is not null as "is fed",
                      100
                        + coalesce(pg_column_size(k."fault inputs") + coalesce(pg_column_size(k."fault texts"), 0),
                          0) as "the size"
                 from (
                        select c."the place", c."the partition", c."is alone",
                               c.pings,
                               c.networks,
                               modelpack.device_score_fault_numbers(
                                 modelpack.device_with(c."the row", c.pings, c.networks), v_moment,
                                 v_version_1) as "fault inputs",
                               modelpack.device_score_fault_texts(
                                 modelpack.device_with(c."the row", c.pings, c.networks), v_moment,
                                 v_version_1) as "fault texts"
                          from (
                                 select row(p.*)::public.device as "the row", p.ctid as "the place",
                                   p.tableoid as "the partition",
                                        coalesce(p.features_at >= v_moment, false) as "is alone",
                                        p.pings + d.pings as pings,
                                        r.networks as networks
                                   from (
                                          select c.region,
                                                 c.device_id,
                                                 sum(c."the sign" * c.pings)::bigint as pings
                                            from changed as c
                                           group by c.region, c.device_id
                                        ) as d
                                   join public.device as p on p.region = d.region and p.device_id = d.device_id
                                   cross join lateral (
                                     select count(distinct e.network) as networks
                                       from public.ping as e
                                      where e.region = d.region and e.device_id = d.device_id
                                   ) as r
                                   where ((p.features_read_at >= modelpack.device_since()) is not true
                                     or p.features_read_at = v_statement) is not true
                                 offset 0  -- features are computed once
                               ) as c
                        offset 0  -- and packed once
                      ) as k
             ) as f
      window up as (rows unbounded preceding)
    ), called as materialized (
      select k."the chunk", k."the first",
             modelpack.device_score_fault_many(
               v_version_1,
               (
                 select array_send(
                   array_replace(array_agg(c."fault inputs") filter (where c."fault inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."fault texts") filter (where c."fault texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "fault scores"
        from (select c."the chunk", min(c."the number") filter (where c."is fed") as "the first" from chosen as c
          group by c."the chunk" offset 0) as k
    ), written as (
      update public.device as p
         set pings = c.pings,
             networks = c.networks,
             fault = case when (c."fault given" <> 'NaN') is true then c."fault given" else p.fault end,
             fault_version = case when (c."fault given" <> 'NaN') is true then v_version_1 else p.fault_version end,
             fault_scored_at = case when (c."fault given" <> 'NaN') is true then v_moment else p.fault_scored_at end,
             fault_stale = case when not (c."fault given" <> 'NaN') is true then p.fault_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.device'::regclass
                                                  and t.tgname = 'modelpack_device_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."fault inputs") || coalesce(array_send(c."fault texts"), ''))
                                      end,
             -- one that is left to the guard has its features at the moment, or at none where none moves
             features_at = case when (c."fault given" <> 'NaN') is true then v_moment end
        from called as a
       cross join lateral (
               select c.*,
                      case when c."is fed"
                          then a."fault scores"[c."the number" - a."the first" + 1] end as "fault given"
                 from chosen as c
                where c."the chunk" = a."the chunk"
               offset 0
             ) as c
       where p.ctid = c."the place" and p.tableoid = c."the partition"
      returning jsonb_build_array(modelpack.key_value(p.region), modelpack.key_value(p.device_id))::text as "the key",
                c."the chunk",
                (c."fault given" <> 'NaN') is true and p.fault_scored_at = v_moment as "is good",
                p.fault, c."fault inputs", c."fault texts"
    ), logged as (
      select modelpack.device_score_fault_record(
               v_version_1, v_moment,
                 array_agg(row(w."the key", w.fault, w."fault inputs", w."fault texts")::modelpack.scored)
             ) as rows
        from written as w
       where w."is good"
       group by w."the chunk"
    )
    select (select count(*) from written), (select sum(l.rows) from logged as l)
      into v_written, v_logged;
  else
    with came as (
      select e.region,
             e.device_id,
             1 as pings,
             row(e.network, e.pinged_at)::text as "the image"
        from new_rows as e
       where e.region is not null and e.device_id is not null
    ),
    went as (
      select e.region,
             e.device_id,
             1 as pings,
             row(e.network, e.pinged_at)::text as "the image"
        from old_rows as e
       where e.region is not null and e.device_id is not null
    ),
    changed as (
      select 1 as "the sign", x.* from (select * from came except all select * from went) as x
      union all
      select -1 as "the sign", x.* from (select * from went except all select * from came) as x
    )
    update public.device as p
       set pings = p.pings + d.pings,
           networks = r.networks,
           features_at = null
      from (
             select c.region,
                    c.device_id,
                    sum(c."the sign" * c.pings)::bigint as pings
               from changed as c
              group by c.region, c.device_id
           ) as d
           cross join lateral (
             select count(distinct e.network) as networks
               from public.ping as e
              where e.region = d.region and e.device_id = d.device_id
           ) as r
     where p.region = d.region and p.device_id = d.device_id
       and ((p.features_read_at >= modelpack.device_since()) is not true
         or p.features_read_at = v_statement) is not true;
  end if;
  -- profiles that this very statement has read from the events know of its changes; others, that were never counted,
  -- are counted again
  if v_read is not null then
    if v_made is not null then
      select array_agg(x.key) into v_read
        from (select unnest(v_read) as key except select unnest(v_made)) as x;
    end if;
    perform modelpack.device_recount(v_read);
  end if;
  return null;
end
$modelpack$;

revoke all on function modelpack.device_count_ping_update() from public;

comment on function modelpack.device_count_ping_update() is
  'COUNT of public.device: keeps pings, networks when rows of public.ping are updated. Generated by modelpack from '
  'the declaration. [device]';

create or replace function modelpack.device_count_ping_delete()
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
-- COUNT of public.device: keeps pings, networks when rows of public.ping are deleted. Generated by modelpack from the
-- declaration.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_seqscan, enable_hashjoin, enable_mergejoin, jit: off, since a session keeps a plan for whatever number of rows
-- comes: one by an index is good for a row and for many.
#variable_conflict use_variable
declare
  v_moment timestamptz;
  v_statement constant timestamptz := greatest(now(), statement_timestamp());
  v_read text[];
  v_rows bigint;
  v_written bigint;
  v_logged bigint;
  v_version_1 integer;
begin
  if tg_relid <> 'public.ping'::regclass then  -- a partition of it, or one on its way
    if not exists (select from pg_partition_ancestors(tg_relid) as a where a.relid = 'public.ping'::regclass)
       and (select c.relpersistence from pg_class as c where c.oid = tg_relid) <> 't'
    then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s has the triggers of the event table %s, which is another relation now',
                         tg_relid::regclass, 'public.ping'),
        detail = 'Its rows would count as events of that.',
        hint
          = 'Rename it back; or modelpack apply DECLARATION, which moves the triggers to the table that is declared.';
    end if;
  end if;
  if not exists (select from old_rows) then
    return null;
  end if;
  if (select count(*) from pg_trigger as t
       where t.tgrelid = 'public.device'::regclass
         and t.tgname in ('modelpack_device_guard', 'zz_modelpack_device_score')) < 2
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.device_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'public.device is another table than the profile that was declared: it has no score trigger',
      hint = 'select * from modelpack.doctor() says where the profile is now, and what to run.';
  end if;
  if exists (
       select d.region, d.device_id
         from (
                select distinct e.region, e.device_id
                  from old_rows as e
                 where e.region is not null and e.device_id is not null
              ) as d
        where not exists (select from public.device as q where q.region = d.region and q.device_id = d.device_id)
     ) then
    -- keys without a profile: whoever makes one of them a profile waits for us, or we for them
    perform modelpack.device_meet(array(
      select hash_record_extended(row(u.region, u.device_id), 0)::text
        from (
               select d.region, d.device_id
                 from (
                        select distinct e.region, e.device_id
                          from old_rows as e
                         where e.region is not null and e.device_id is not null
                      ) as d
                where not exists (select from public.device as q where q.region = d.region
                  and q.device_id = d.device_id)
             ) as u
       order by u.region, u.device_id
    ));
  end if;
  -- rows are locked in the order of their keys: two statements never wait for each other in a circle
  select array_agg(x.key) filter (where x.read), count(*) filter (where x.read is not true)
    into v_read, v_rows
    from (
           select jsonb_build_array(modelpack.key_value(p.region), modelpack.key_value(p.device_id))::text as key,
                  (p.features_read_at >= modelpack.device_since()) is not true
                    or p.features_read_at = v_statement as read
             from (
                    select distinct e.region, e.device_id
                      from old_rows as e
                     where e.region is not null and e.device_id is not null
                  ) as d
             join public.device as p on p.region = d.region and p.device_id = d.device_id
            order by p.region, p.device_id
              for no key update of p
         ) as x;
  v_moment := clock_timestamp();
  if v_rows >= 8 and modelpack.device_batched() and modelpack.device_shaped() then
    v_version_1 := modelpack.device_score_fault_version();
    -- all rows in one call of each model
    with chosen as materialized (
      select f.*,
             count(*) filter (where f."is fed") over up as "the number",
             sum(f."the size") over up / 32000000 as "the chunk"
        from (
               select k.*,
                      not k."is alone" and k."fault inputs" is not null as "is fed",
                      100
                        + coalesce(pg_column_size(k."fault inputs") + coalesce(pg_column_size(k."fault texts"), 0),
                          0) as "the size"
                 from (
                        select c."the place", c."the partition", c."is alone",
                               c.pings,
                               c.networks,
                               modelpack.device_score_fault_numbers(
                                 modelpack.device_with(c."the row", c.pings, c.networks), v_moment,
                                 v_version_1) as "fault inputs",
                               modelpack.device_score_fault_texts(
                                 modelpack.device_with(c."the row", c.pings, c.networks), v_moment,
                                 v_version_1) as "fault texts"
                          from (
                                 select row(p.*)::public.device as "the row", p.ctid as "the place",
                                   p.tableoid as "the partition",
                                        coalesce(p.features_at >= v_moment, false) as "is alone",
                                        p.pings + d.pings as pings,
                                        r.networks as networks
                                   from (
                                          select c.region,
                                                 c.device_id,
                                                 sum(c."the sign" * c.pings)::bigint as pings
                                            from (
                                                   select -1 as "the sign",
                                                          e.region,
                                                          e.device_id,
                                                          1 as pings
                                                     from old_rows as e
                                                    where e.region is not null and e.device_id is not null
                                                 ) as c
                                           group by c.region, c.device_id
                                        ) as d
                                   join public.device as p on p.region = d.region and p.device_id = d.device_id
                                   cross join lateral (
                                     select count(distinct e.network) as networks
                                       from public.ping as e
                                      where e.region = d.region and e.device_id = d.device_id
                                   ) as r
                                   where ((p.features_read_at >= modelpack.device_since()) is not true
                                     or p.features_read_at = v_statement) is not true
                                 offset 0  -- features are computed once
                               ) as c
                        offset 0  -- and packed once
                      ) as k
             ) as f
      window up as (rows unbounded preceding)
    ), called as materialized (
      select k."the chunk", k."the first",
             modelpack.device_score_fault_many(
               v_version_1,
               (
                 select array_send(
                   array_replace(array_agg(c."fault inputs") filter (where c."fault inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."fault texts") filter (where c."fault texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "fault scores"
        from (select c."the chunk", min(c."the number") filter (where c."is fed") as "the first" from chosen as c
          group by c."the chunk" offset 0) as k
    ), written as (
      update public.device as p
         set pings = c.pings,
             networks = c.networks,
             fault = case when (c."fault given" <> 'NaN') is true then c."fault given" else p.fault end,
             fault_version = case when (c."fault given" <> 'NaN') is true then v_version_1 else p.fault_version end,
             fault_scored_at = case when (c."fault given" <> 'NaN') is true then v_moment else p.fault_scored_at end,
             fault_stale = case when not (c."fault given" <> 'NaN') is true then p.fault_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.device'::regclass
                                                  and t.tgname = 'modelpack_device_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."fault inputs") || coalesce(array_send(c."fault texts"), ''))
                                      end,
             -- one that is left to the guard has its features at the moment, or at none where none moves
             features_at = case when (c."fault given" <> 'NaN') is true then v_moment end
        from called as a
       cross join lateral (
               select c.*,
                      case when c."is fed"
                          then a."fault scores"[c."the number" - a."the first" + 1] end as "fault given"
                 from chosen as c
                where c."the chunk" = a."the chunk"
               offset 0
             ) as c
       where p.ctid = c."the place" and p.tableoid = c."the partition"
      returning jsonb_build_array(modelpack.key_value(p.region), modelpack.key_value(p.device_id))::text as "the key",
                c."the chunk",
                (c."fault given" <> 'NaN') is true and p.fault_scored_at = v_moment as "is good",
                p.fault, c."fault inputs", c."fault texts"
    ), logged as (
      select modelpack.device_score_fault_record(
               v_version_1, v_moment,
                 array_agg(row(w."the key", w.fault, w."fault inputs", w."fault texts")::modelpack.scored)
             ) as rows
        from written as w
       where w."is good"
       group by w."the chunk"
    )
    select (select count(*) from written), (select sum(l.rows) from logged as l)
      into v_written, v_logged;
  else
    update public.device as p
       set pings = p.pings + d.pings,
           networks = r.networks,
           features_at = null
      from (
             select c.region,
                    c.device_id,
                    sum(c."the sign" * c.pings)::bigint as pings
               from (
                      select -1 as "the sign",
                             e.region,
                             e.device_id,
                             1 as pings
                        from old_rows as e
                       where e.region is not null and e.device_id is not null
                    ) as c
              group by c.region, c.device_id
           ) as d
           cross join lateral (
             select count(distinct e.network) as networks
               from public.ping as e
              where e.region = d.region and e.device_id = d.device_id
           ) as r
     where p.region = d.region and p.device_id = d.device_id
       and ((p.features_read_at >= modelpack.device_since()) is not true
         or p.features_read_at = v_statement) is not true;
  end if;
  -- profiles that this very statement has read from the events know of its changes; others, that were never counted,
  -- are counted again
  if v_read is not null then
    perform modelpack.device_recount(v_read);
  end if;
  return null;
end
$modelpack$;

revoke all on function modelpack.device_count_ping_delete() from public;

comment on function modelpack.device_count_ping_delete() is
  'COUNT of public.device: keeps pings, networks when rows of public.ping are deleted. Generated by modelpack from '
  'the declaration. [device]';

create or replace function modelpack.device_count_ping_truncate()
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
-- COUNT of public.device: keeps pings, networks when rows of public.ping are truncated. Generated by modelpack from the
-- declaration.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_seqscan, enable_hashjoin, enable_mergejoin, jit: off, since a session keeps a plan for whatever number of rows
-- comes: one by an index is good for a row and for many.
#variable_conflict use_variable
begin
  if tg_relid <> 'public.ping'::regclass then  -- a partition of it, or one on its way
    if not exists (select from pg_partition_ancestors(tg_relid) as a where a.relid = 'public.ping'::regclass)
       and (select c.relpersistence from pg_class as c where c.oid = tg_relid) <> 't'
    then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s has the triggers of the event table %s, which is another relation now',
                         tg_relid::regclass, 'public.ping'),
        detail = 'Its rows would count as events of that.',
        hint
          = 'Rename it back; or modelpack apply DECLARATION, which moves the triggers to the table that is declared.';
    end if;
  end if;
  perform modelpack.device_rebuild(0, null);
  return null;
end
$modelpack$;

revoke all on function modelpack.device_count_ping_truncate() from public;

comment on function modelpack.device_count_ping_truncate() is
  'COUNT of public.device: keeps pings, networks when rows of public.ping are truncated. Generated by modelpack '
  'from the declaration. [device]';

create or replace function modelpack.device_count_ping_move()
returns trigger
language plpgsql security invoker
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Notes rows of public.ping that a statement moves to another partition.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
begin
  if tg_op = 'UPDATE' then
    perform set_config('modelpack.moving_ac20e6eda494816c', md5(to_jsonb(old)::text), true);
    return new;
  end if;
  if current_setting('modelpack.moving_ac20e6eda494816c', true) <> '' then
    if current_setting('modelpack.moving_ac20e6eda494816c', true) = md5(to_jsonb(old)::text) then
      perform set_config('modelpack.moved_ac20e6eda494816c', md5(to_jsonb(old)::text), true);
    end if;
    perform set_config('modelpack.moving_ac20e6eda494816c', '', true);
  end if;
  return old;
end
$modelpack$;

revoke all on function modelpack.device_count_ping_move() from public;

comment on function modelpack.device_count_ping_move() is
  'Notes rows of public.ping that a statement moves to another partition. [device]';

create or replace function modelpack.device_scored(p anyelement, q anyelement, written text)
returns anyelement
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- A row of public.device with its features brought up to the moment and its scores; logs them. Generated by modelpack
-- from the declaration.
#variable_conflict use_variable
declare
  new record := p;
  old record := q;
  v_was record;
  v_moment constant timestamptz := clock_timestamp();
  v_version integer;
  v_settings text[];
begin
  if written = 'by hand' then
    if new.region <> old.region or new.device_id <> old.device_id or not modelpack.device_same(new, old) then
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
  if written in ('anew', 'under another key') or (new.features_read_at >= modelpack.device_since()) is not true then
    -- a new key, or one that was not counted yet: every feature from the events that are there already
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.device_seen();
    end if;
    new.fault := null;
    new.fault_version := null;
    new.fault_scored_at := null;
    new.fault_stale := null;
    if not exists (select from pg_trigger as t
                    where t.tgrelid = 'public.ping'::regclass
                      and t.tgfoid = 'modelpack.device_count_ping_insert()'::regprocedure)
    then
      if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        perform modelpack.device_seen();
      end if;
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format(
          '%s is another table than the event table that the declaration of %s means: it has no count trigger',
          'public.ping',
          'public.device'),
        detail = 'Its rows would count as events.',
        hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
    end if;
    -- events of others with this key, which may go just now: whoever takes them waits for us, or we for them
    if written in ('anew', 'under another key') and (
      exists (select from public.ping as e where e.region = new.region and e.device_id = new.device_id
        and e.xmin <> pg_current_xact_id()::xid)
    ) then
      perform modelpack.device_meet(array(
        select hash_record_extended(row(new.region, new.device_id), 0)::text
      ));
    end if;
    select count(*),
           count(distinct e.network)
      into new.pings,
           new.networks
      from public.ping as e
     where e.region = new.region and e.device_id = new.device_id;
    new.features_read_at := greatest(now(), statement_timestamp());
  end if;
  new.features_at := v_moment;
  v_was := new;
  -- score fault
  v_version := coalesce(modelpack.device_score_fault_chosen(new), modelpack.device_score_fault_version());
  new.fault := modelpack.device_score_fault_predict(
    v_version,
    modelpack.device_score_fault_numbers(new, v_moment, v_version),
    modelpack.device_score_fault_texts(new, v_moment, v_version),
    jsonb_build_array(modelpack.key_value(new.region), modelpack.key_value(new.device_id))::text, v_moment,
      written <> 'anew');
  new.fault_version := v_version;
  new.fault_scored_at := v_moment;
  if new.fault is null or new.fault_stale is not null then
    new.fault_stale := case when new.fault is null then modelpack.device_score_fault_reason(v_version, null) end;
    if new.fault is null then
      -- the last score stands
      new.fault := v_was.fault;
      new.fault_version := v_was.fault_version;
      new.fault_scored_at := v_was.fault_scored_at;
    end if;
  end if;
  if v_settings is not null then
    perform set_config('TimeZone', v_settings[1], true),
            set_config('extra_float_digits', v_settings[2], true);
  end if;
  return new;
end
$modelpack$;

revoke all on function modelpack.device_scored(anyelement, anyelement, text) from public;

comment on function modelpack.device_scored(anyelement, anyelement, text) is
  'A row of public.device with its features brought up to the moment and its scores; logs them. Generated by '
  'modelpack from the declaration. [device]';

create or replace function modelpack.device_score()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- SCORE of public.device: scores a row that is new, has another key or another static input, before it is written.
-- Generated by modelpack from the declaration.
#variable_conflict use_variable
declare
  v_moves boolean;
begin
  if tg_op = 'UPDATE' and new.region = old.region and new.device_id = old.device_id then
    if tg_nargs = 0 then
      -- features and scores are the guard's to look at
      if modelpack.device_same(new, old) then
        return new;
      end if;
    elsif new.features_at = old.features_at then
      -- nothing that a score depends on has changed
      if row(
           new.region,
           new.device_id,
           new.pings,
           new.networks,
           new.fault,
           new.fault_version,
           new.fault_scored_at,
           new.fault_stale
         )::pg_catalog.record operator(pg_catalog.*=) row(
           old.region,
           old.device_id,
           old.pings,
           old.networks,
           old.fault,
           old.fault_version,
           old.fault_scored_at,
           old.fault_stale
         )::pg_catalog.record
         and modelpack.device_same(new, old)
      then
        return new;
      end if;
    elsif new.fault_scored_at = new.features_at and new.fault_scored_at is distinct from old.fault_scored_at
          and new.fault_stale
            = md5(
              array_send(modelpack.device_score_fault_numbers(new, new.features_at, new.fault_version)) || coalesce(
                array_send(modelpack.device_score_fault_texts(new, new.features_at, new.fault_version)), '')) then
      -- with many others, in one call, and what was scored is what is stored
      new.fault_stale := null;
      return new;
    end if;
  end if;
  if tg_op = 'UPDATE' and (new.region <> old.region or new.device_id <> old.device_id) then
    if tg_relid <> 'public.device'::regclass then
      -- to another partition it goes as an INSERT, which scores and logs it
      execute format('select not (%s) from (select ($1).*) as r', pg_get_partition_constraintdef(tg_relid))
         into v_moves using new;
      if v_moves then
        return new;
      end if;
    end if;
  end if;
  new := modelpack.device_scored(new, old,
    case when tg_op = 'INSERT' then 'anew' when new.region <> old.region or new.device_id <> old.device_id
      then 'under another key' else 'with another input' end);
  return new;
end
$modelpack$;

revoke all on function modelpack.device_score() from public;

comment on function modelpack.device_score() is
  'SCORE of public.device: scores a row that is new, has another key or another static input, before it is written. '
  'Generated by modelpack from the declaration. [device]';

create or replace function modelpack.device_log()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- LOG of public.device: the first score of a new row, in modelpack.prediction. Generated by modelpack from the
-- declaration.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
declare
  v_logged bigint;
begin
  if new.fault_scored_at is not null then
    v_logged := modelpack.device_score_fault_record(new.fault_version, new.fault_scored_at, array[
      row(jsonb_build_array(modelpack.key_value(new.region), modelpack.key_value(new.device_id))::text,
          new.fault,
          modelpack.device_score_fault_numbers(new, new.fault_scored_at, new.fault_version),
          modelpack.device_score_fault_texts(new, new.fault_scored_at, new.fault_version))::modelpack.scored
    ]);
  end if;
  return null;
end
$modelpack$;

revoke all on function modelpack.device_log() from public;

comment on function modelpack.device_log() is
  'LOG of public.device: the first score of a new row, in modelpack.prediction. Generated by modelpack from the '
  'declaration. [device]';

create or replace function modelpack.device_types()
returns table (score text, input text, type regtype)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- The types of the declared inputs of public.device.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
begin
  return;
end
$modelpack$;

revoke all on function modelpack.device_types() from public;

comment on function modelpack.device_types() is
  'The types of the declared inputs of public.device. [device]';

create or replace function modelpack.device_sample(score text, version integer, percent double precision)
returns setof text[]
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Texts that a version is fed from a sample of public.device.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
declare
  v_place tid;
  v_part oid;
begin
  if score = 'fault' then
    return query select modelpack.device_score_fault_texts(p, now(), version)
      from public.device as p tablesample system (percent);
  end if;
  return;
end
$modelpack$;

revoke all on function modelpack.device_sample(text, integer, double precision) from public;

comment on function modelpack.device_sample(text, integer, double precision) is
  'Texts that a version is fed from a sample of public.device. [device]';

create or replace function modelpack.device_once()
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Makes missing rows of public.device and counts new features, once.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
begin
  insert into public.device (region, device_id) overriding system value
  select distinct e.region, e.device_id
    from public.ping as e
   where e.region is not null and e.device_id is not null
     and not exists (select from public.device as q where q.region = e.region and q.device_id = e.device_id)
   order by e.region, e.device_id;
end
$modelpack$;

revoke all on function modelpack.device_once() from public;

comment on function modelpack.device_once() is
  'Makes missing rows of public.device and counts new features, once. [device]';

create trigger modelpack_device_guard before update of fault, fault_scored_at, fault_stale, fault_version, features_at,
  features_read_at, networks, pings on public.device
  for each row execute function modelpack.device_guard();

create trigger zz_modelpack_device_score before insert or update of region, device_id on public.device
  for each row execute function modelpack.device_score();

create trigger modelpack_device_log after insert on public.device
  for each row execute function modelpack.device_log();

select modelpack.run_as('public.device');

select modelpack.bind('public.device');

create or replace trigger modelpack_device_insert after insert on public.ping
  referencing new table as new_rows
  for each statement execute function modelpack.device_count_ping_insert();

create or replace trigger modelpack_device_update after update on public.ping
  referencing old table as old_rows new table as new_rows
  for each statement execute function modelpack.device_count_ping_update();

create or replace trigger modelpack_device_delete after delete on public.ping
  referencing old table as old_rows
  for each statement execute function modelpack.device_count_ping_delete();

create or replace trigger modelpack_device_truncate after truncate on public.ping
  for each statement execute function modelpack.device_count_ping_truncate();

select modelpack.follow_moves('public.ping', 'zz_modelpack_device_moves', 'zz_modelpack_device_moved',
  'device_count_ping_move');

select modelpack.device_once();

drop function modelpack.device_once();

select sum(modelpack.device_rebuild(c.first_block, coalesce(c.last_block, c.first_block + 500 - 1)))
  from modelpack.chunks('public.device', 500) as c;

select modelpack.cover_partitions('public.device');

select modelpack.cover_partitions('public.ping');

select modelpack.seal('public.device');

commit;
