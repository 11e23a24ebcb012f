-- Features that move with the clock: windows of two lengths, decayed counts and decayed amounts.
-- Written by `make docs` from windows_and_decay.py; look at it, do not edit it.
-- The same comes of: modelpack apply docs/generated/windows_and_decay.py --sql
--
--     from modelpack import Event, Profile, count, decayed, deviation, distinct, mean, minimum
--
--     visitor = Profile(
--         "visitor",
--         key="visitor_id",
--         events=[
--             Event(
--                 "page_view",
--                 at="viewed_at",
--                 features={
--                     "views_7d": count(window="7 days", where="not is_bot"),
--                     "pages_30d": distinct("page", window="30 days"),
--                     "seconds_30d": mean("seconds", window="30 days"),
--                     "spread_30d": deviation("seconds", window="30 days"),
--                     "fastest_7d": minimum("seconds", window="7 days"),
--                     "interest": decayed(half_life="3 days", where="not is_bot"),
--                     "attention": decayed("seconds", half_life="12 hours"),
--                 },
--             ),
--         ],
--     )

begin;

select modelpack.alone();

select modelpack.lock_tables(
  array_remove(array['public.page_view'::regclass]::regclass[], null),
  'public.visitor', 'share row exclusive');

select modelpack.check_key_columns('public.visitor', array['visitor_id']::text[], 'public.page_view',
  array['visitor_id']::text[]);

select modelpack.attach(
  relation => 'public.visitor',
  declaration => '{
    "events": [
      {
        "at": "viewed_at",
        "features": [
          {"kind": "count", "name": "views_7d", "where": "not is_bot", "window": "7 days"},
          {"column": "page", "kind": "distinct", "name": "pages_30d", "window": "30 days"},
          {"column": "seconds", "kind": "mean", "name": "seconds_30d", "window": "30 days"},
          {"column": "seconds", "kind": "deviation", "name": "spread_30d", "window": "30 days"},
          {"column": "seconds", "kind": "minimum", "name": "fastest_7d", "window": "7 days"},
          {"half_life": "3 days", "kind": "decayed", "name": "interest", "where": "not is_bot"},
          {"column": "seconds", "half_life": "12 hours", "kind": "decayed", "name": "attention"}
        ],
        "key": null,
        "missing": "create",
        "on_delete": "subtract",
        "table": "page_view",
        "where": null
      }
    ],
    "format": 1,
    "key": ["visitor_id"],
    "scores": [],
    "table": "visitor"
  }'::jsonb,
  maintained => array['views_7d', 'pages_30d', 'seconds_30d', 'spread_30d', 'fastest_7d', 'interest', 'interest_ahead',
    'attention', 'attention_ahead']::text[],
  wanted_columns => array['features_at', 'features_read_at', 'features_reread_at', 'views_7d', 'pages_30d',
    'seconds_30d', 'spread_30d', 'fastest_7d', 'interest', 'interest_ahead', 'attention', 'attention_ahead']::text[],
  scores => '[]'::jsonb,
  stem => 'visitor');

alter table public.visitor add column if not exists features_at timestamptz;

alter table public.visitor add column if not exists features_read_at timestamptz;

alter table public.visitor add column if not exists features_reread_at timestamptz;

alter table public.visitor add column if not exists views_7d bigint not null default 0;

alter table public.visitor add column if not exists pages_30d bigint not null default 0;

alter table public.visitor add column if not exists seconds_30d double precision;

alter table public.visitor add column if not exists spread_30d double precision;

select modelpack.add_column_like('public.visitor', 'fastest_7d', 'public.page_view', 'seconds');

alter table public.visitor add column if not exists interest double precision not null default 0;

alter table public.visitor add column if not exists interest_ahead timestamptz;

alter table public.visitor add column if not exists attention double precision not null default 0;

alter table public.visitor add column if not exists attention_ahead timestamptz;

comment on column public.visitor.interest_ahead is
  'helper of the feature interest; kept by modelpack';

comment on column public.visitor.attention_ahead is
  'helper of the feature attention; kept by modelpack';

comment on column public.visitor.views_7d is
  'count(where=''not is_bot'', window=''7 days'') of page_view; kept by modelpack';

comment on column public.visitor.pages_30d is
  'distinct(column=''page'', window=''30 days'') of page_view; kept by modelpack';

comment on column public.visitor.seconds_30d is
  'mean(column=''seconds'', window=''30 days'') of page_view; kept by modelpack';

comment on column public.visitor.spread_30d is
  'deviation(column=''seconds'', window=''30 days'') of page_view; kept by modelpack';

comment on column public.visitor.fastest_7d is
  'minimum(column=''seconds'', window=''7 days'') of page_view; kept by modelpack';

comment on column public.visitor.interest is
  'decayed(where=''not is_bot'', half_life=''3 days'') of page_view; kept by modelpack';

comment on column public.visitor.attention is
  'decayed(column=''seconds'', half_life=''12 hours'') of page_view; kept by modelpack';

comment on column public.visitor.features_at is
  'when windowed and decayed features were brought up to the moment; kept by modelpack';

comment on column public.visitor.features_read_at is
  'statement that read all features of the row from the events; kept by modelpack';

comment on column public.visitor.features_reread_at is
  'statement that read decayed features from the events again; kept by modelpack';

select modelpack.check_meaning('public.page_view', '(not e.is_bot)', 'e', true);

select modelpack.ensure_index('public.visitor', 'public.page_view', array['visitor_id']::text[], 'viewed_at');

create or replace function modelpack.visitor_recount(only_keys text[])
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Counts the features of some rows of public.visitor again; keys as modelpack.verify() writes them.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
declare
  v_written bigint := 0;
begin
  if not exists (select from pg_trigger as t
                  where t.tgrelid = 'public.page_view'::regclass
                    and t.tgfoid = 'modelpack.visitor_count_page_view_insert()'::regprocedure)
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.visitor_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format(
        '%s is another table than the event table that the declaration of %s means: it has no count trigger',
        'public.page_view',
        'public.visitor'),
      detail = 'Its rows would count as events.',
      hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
  end if;
  if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
    perform modelpack.visitor_seen();
  end if;
  perform
    from jsonb_populate_recordset(
           (select row(q.*)::public.visitor from public.visitor as q limit 1),
           (select jsonb_agg(jsonb_build_object('visitor_id', u.key))
              from (select distinct unnest(only_keys)) as u (key))
         ) as k
    join public.visitor as p on p.visitor_id = k.visitor_id
   order by p.visitor_id
     for no key update of p;
  update public.visitor as p
     set views_7d = x.views_7d,
         pages_30d = x.pages_30d,
         seconds_30d = x.seconds_30d,
         spread_30d = x.spread_30d,
         fastest_7d = x.fastest_7d,
         interest = x.interest,
         interest_ahead = x.interest_ahead,
         attention = x.attention,
         attention_ahead = x.attention_ahead,
         features_at = x."the moment",
         features_read_at
           = case when x."read afresh" then greatest(now(), statement_timestamp()) else p.features_read_at end,
         features_reread_at = greatest(now(), statement_timestamp())
    from (
           select p.visitor_id,
                  r0.views_7d,
                  r0.pages_30d,
                  r0.seconds_30d,
                  r0.spread_30d,
                  r0.fastest_7d,
                  r0."held fastest_7d",
                  r0.interest,
                  r0.interest_ahead,
                  r0."magnitude of interest",
                  r0.attention,
                  r0.attention_ahead,
                  r0."magnitude of attention",
                  p."the moment",
                  p."read afresh"
             from (
                    select p.*,
                           p.features_at is null or (p.features_read_at >= modelpack.visitor_since()) is not true
                             or p.features_read_at = greatest(now(), statement_timestamp()) as "read afresh",
                           case when p.features_at is null
                               or (p.features_read_at >= modelpack.visitor_since()) is not true
                               or p.features_read_at = greatest(now(), statement_timestamp()) then clock_timestamp()
                               else p.features_at end as "the moment"
                      from jsonb_populate_recordset(
                             (select row(q.*)::public.visitor from public.visitor as q limit 1),
                             (select jsonb_agg(jsonb_build_object('visitor_id', u.key))
                                from (select distinct unnest(only_keys)) as u (key))
                           ) as k
                      join public.visitor as p on p.visitor_id = k.visitor_id
                  ) as p
            cross join lateral (
              select count(*)
                filter (where (not e.is_bot) and e.viewed_at > p."the moment" - interval '7 days'
                  and e.viewed_at <= p."the moment") as views_7d,
                     count(distinct e.page)
                       filter (where e.viewed_at > p."the moment" - interval '30 days'
                         and e.viewed_at <= p."the moment") as pages_30d,
                     (
                         sum(
                           case when e.viewed_at > p."the moment" - interval '30 days' and e.viewed_at <= p."the moment"
                             then modelpack.amount(e.seconds) end))::double precision
                       / nullif(
                         count(
                           case when e.viewed_at > p."the moment" - interval '30 days' and e.viewed_at <= p."the moment"
                             then modelpack.amount(e.seconds) end), 0) as seconds_30d,
                     sqrt(
                       (
                         count(
                           case when e.viewed_at > p."the moment" - interval '30 days' and e.viewed_at <= p."the moment"
                             then modelpack.amount(e.seconds) end)
                         * sum(
                           (
                             case when e.viewed_at > p."the moment" - interval '30 days'
                               and e.viewed_at <= p."the moment" then modelpack.amount(e.seconds) end)
                           * (
                             case when e.viewed_at > p."the moment" - interval '30 days'
                               and e.viewed_at <= p."the moment" then modelpack.amount(e.seconds) end))
                         - sum(
                           case when e.viewed_at > p."the moment" - interval '30 days' and e.viewed_at <= p."the moment"
                             then modelpack.amount(e.seconds) end)
                         * sum(
                           case when e.viewed_at > p."the moment" - interval '30 days' and e.viewed_at <= p."the moment"
                             then modelpack.amount(e.seconds) end))::double precision
                       / nullif(
                         count(
                           case when e.viewed_at > p."the moment" - interval '30 days' and e.viewed_at <= p."the moment"
                             then modelpack.amount(e.seconds) end)::double precision
                         * (
                           count(
                             case when e.viewed_at > p."the moment" - interval '30 days'
                               and e.viewed_at <= p."the moment" then modelpack.amount(e.seconds) end) - 1),
                         0)) as spread_30d,
                     percentile_disc(0) within group (order by e.seconds)
                       filter (where e.viewed_at > p."the moment" - interval '7 days'
                         and e.viewed_at <= p."the moment") as fastest_7d,
                     coalesce(
                       sum(
                         coalesce(
                           case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at <= p."the moment"
                             then modelpack.decay(1::double precision,
                               date_part('epoch', p."the moment" - e.viewed_at::timestamptz), 259200) end, 0)),
                       0) as interest,
                     max(
                       case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at > p."the moment"
                         and e.viewed_at < date '200000-01-01' then e.viewed_at::timestamptz end) as interest_ahead,
                     coalesce(
                       sum(
                         coalesce(
                           case when isfinite(e.viewed_at) and e.viewed_at <= p."the moment"
                             then modelpack.decay((modelpack.amount(e.seconds))::double precision,
                               date_part('epoch', p."the moment" - e.viewed_at::timestamptz), 43200) end, 0)),
                       0) as attention,
                     max(
                       case when isfinite(e.viewed_at) and e.viewed_at > p."the moment"
                         and e.viewed_at < date '200000-01-01' then e.viewed_at::timestamptz end) as attention_ahead,
                     p.fastest_7d is null
                       or (
                         bool_or(
                           row(case when true then e.seconds else p.fastest_7d end)::pg_catalog.record operator(
                             pg_catalog.*=) row(case when true then p.fastest_7d else e.seconds end)::pg_catalog.record
                           or pg_typeof(e.seconds) <> pg_typeof(p.fastest_7d))
                         filter (where e.viewed_at > p."the moment" - interval '7 days'
                           and e.viewed_at <= p."the moment")) is not false as "held fastest_7d",
                     coalesce(
                       sum(
                         abs(
                           coalesce(
                             case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at <= p."the moment"
                               then modelpack.decay(1::double precision,
                                 date_part('epoch', p."the moment" - e.viewed_at::timestamptz), 259200) end, 0))),
                       0) as "magnitude of interest",
                     coalesce(
                       sum(
                         abs(
                           coalesce(
                             case when isfinite(e.viewed_at) and e.viewed_at <= p."the moment"
                               then modelpack.decay((modelpack.amount(e.seconds))::double precision,
                                 date_part('epoch', p."the moment" - e.viewed_at::timestamptz), 43200) end, 0))),
                       0) as "magnitude of attention"
                from public.page_view as e
               where e.visitor_id = p.visitor_id
            ) as r0
         ) as x
   where p.visitor_id = x.visitor_id
     and (x."read afresh"
       or p.views_7d is distinct from x.views_7d
       or p.pages_30d is distinct from x.pages_30d
       or p.seconds_30d is distinct from x.seconds_30d
       or p.spread_30d is distinct from x.spread_30d
       or (
         row(case when true then p.fastest_7d else x.fastest_7d end)::pg_catalog.record operator(pg_catalog.<>) row(
           case when true then x.fastest_7d else p.fastest_7d end)::pg_catalog.record or not x."held fastest_7d")
       or (p.interest is null or abs(p.interest - x.interest) > 1e-9 * x."magnitude of interest" + 1e-70)
       or coalesce(x.interest_ahead > coalesce(p.interest_ahead, '-infinity'), false)
       or (p.attention is null or abs(p.attention - x.attention) > 1e-9 * x."magnitude of attention" + 1e-70)
       or coalesce(x.attention_ahead > coalesce(p.attention_ahead, '-infinity'), false));
  get diagnostics v_written = row_count;
  return v_written;
end
$modelpack$;

revoke all on function modelpack.visitor_recount(text[]) from public;

comment on function modelpack.visitor_recount(text[]) is
  'Counts the features of some rows of public.visitor again; keys as modelpack.verify() writes them. [visitor]';

create or replace function modelpack.visitor_rebuild(first_block bigint, last_block bigint)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Counts the features of public.visitor again from the events and writes the rows that differ.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
declare
  v_first constant tid := format('(%s,0)', greatest(first_block, 0))::tid;
  v_beyond constant tid := format('(%s,0)', coalesce(last_block + 1, 4294967295))::tid;
  v_written bigint;
begin
  if not exists (select from pg_trigger as t
                  where t.tgrelid = 'public.page_view'::regclass
                    and t.tgfoid = 'modelpack.visitor_count_page_view_insert()'::regprocedure)
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.visitor_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format(
        '%s is another table than the event table that the declaration of %s means: it has no count trigger',
        'public.page_view',
        'public.visitor'),
      detail = 'Its rows would count as events.',
      hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
  end if;
  if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
    perform modelpack.visitor_seen();
  end if;
  perform from public.visitor as p
   where p.ctid >= v_first and p.ctid < v_beyond
   order by p.visitor_id
     for no key update;
  update public.visitor as p
     set views_7d = x.views_7d,
         pages_30d = x.pages_30d,
         seconds_30d = x.seconds_30d,
         spread_30d = x.spread_30d,
         fastest_7d = x.fastest_7d,
         interest = x.interest,
         interest_ahead = x.interest_ahead,
         attention = x.attention,
         attention_ahead = x.attention_ahead,
         features_at = x."the moment",
         features_read_at
           = case when x."read afresh" then greatest(now(), statement_timestamp()) else p.features_read_at end,
         features_reread_at = greatest(now(), statement_timestamp())
    from (
           select p.visitor_id,
                  r0.views_7d,
                  r0.pages_30d,
                  r0.seconds_30d,
                  r0.spread_30d,
                  r0.fastest_7d,
                  r0."held fastest_7d",
                  r0.interest,
                  r0.interest_ahead,
                  r0."magnitude of interest",
                  r0.attention,
                  r0.attention_ahead,
                  r0."magnitude of attention",
                  p."the moment",
                  p."read afresh"
             from (
                    select p.*,
                           p.features_at is null
                             or (p.features_read_at >= modelpack.visitor_since()) is not true as "read afresh",
                           case when p.features_at is null
                               or (p.features_read_at >= modelpack.visitor_since()) is not true then clock_timestamp()
                               else p.features_at end as "the moment"
                      from public.visitor as p
                     where p.ctid >= v_first and p.ctid < v_beyond
                  ) as p
            cross join lateral (
              select count(*)
                filter (where (not e.is_bot) and e.viewed_at > p."the moment" - interval '7 days'
                  and e.viewed_at <= p."the moment") as views_7d,
                     count(distinct e.page)
                       filter (where e.viewed_at > p."the moment" - interval '30 days'
                         and e.viewed_at <= p."the moment") as pages_30d,
                     (
                         sum(
                           case when e.viewed_at > p."the moment" - interval '30 days' and e.viewed_at <= p."the moment"
                             then modelpack.amount(e.seconds) end))::double precision
                       / nullif(
                         count(
                           case when e.viewed_at > p."the moment" - interval '30 days' and e.viewed_at <= p."the moment"
                             then modelpack.amount(e.seconds) end), 0) as seconds_30d,
                     sqrt(
                       (
                         count(
                           case when e.viewed_at > p."the moment" - interval '30 days' and e.viewed_at <= p."the moment"
                             then modelpack.amount(e.seconds) end)
                         * sum(
                           (
                             case when e.viewed_at > p."the moment" - interval '30 days'
                               and e.viewed_at <= p."the moment" then modelpack.amount(e.seconds) end)
                           * (
                             case when e.viewed_at > p."the moment" - interval '30 days'
                               and e.viewed_at <= p."the moment" then modelpack.amount(e.seconds) end))
                         - sum(
                           case when e.viewed_at > p."the moment" - interval '30 days' and e.viewed_at <= p."the moment"
                             then modelpack.amount(e.seconds) end)
                         * sum(
                           case when e.viewed_at > p."the moment" - interval '30 days' and e.viewed_at <= p."the moment"
                             then modelpack.amount(e.seconds) end))::double precision
                       / nullif(
                         count(
                           case when e.viewed_at > p."the moment" - interval '30 days' and e.viewed_at <= p."the moment"
                             then modelpack.amount(e.seconds) end)::double precision
                         * (
                           count(
                             case when e.viewed_at > p."the moment" - interval '30 days'
                               and e.viewed_at <= p."the moment" then modelpack.amount(e.seconds) end) - 1),
                         0)) as spread_30d,
                     percentile_disc(0) within group (order by e.seconds)
                       filter (where e.viewed_at > p."the moment" - interval '7 days'
                         and e.viewed_at <= p."the moment") as fastest_7d,
                     coalesce(
                       sum(
                         coalesce(
                           case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at <= p."the moment"
                             then modelpack.decay(1::double precision,
                               date_part('epoch', p."the moment" - e.viewed_at::timestamptz), 259200) end, 0)),
                       0) as interest,
                     max(
                       case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at > p."the moment"
                         and e.viewed_at < date '200000-01-01' then e.viewed_at::timestamptz end) as interest_ahead,
                     coalesce(
                       sum(
                         coalesce(
                           case when isfinite(e.viewed_at) and e.viewed_at <= p."the moment"
                             then modelpack.decay((modelpack.amount(e.seconds))::double precision,
                               date_part('epoch', p."the moment" - e.viewed_at::timestamptz), 43200) end, 0)),
                       0) as attention,
                     max(
                       case when isfinite(e.viewed_at) and e.viewed_at > p."the moment"
                         and e.viewed_at < date '200000-01-01' then e.viewed_at::timestamptz end) as attention_ahead,
                     p.fastest_7d is null
                       or (
                         bool_or(
                           row(case when true then e.seconds else p.fastest_7d end)::pg_catalog.record operator(
                             pg_catalog.*=) row(case when true then p.fastest_7d else e.seconds end)::pg_catalog.record
                           or pg_typeof(e.seconds) <> pg_typeof(p.fastest_7d))
                         filter (where e.viewed_at > p."the moment" - interval '7 days'
                           and e.viewed_at <= p."the moment")) is not false as "held fastest_7d",
                     coalesce(
                       sum(
                         abs(
                           coalesce(
                             case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at <= p."the moment"
                               then modelpack.decay(1::double precision,
                                 date_part('epoch', p."the moment" - e.viewed_at::timestamptz), 259200) end, 0))),
                       0) as "magnitude of interest",
                     coalesce(
                       sum(
                         abs(
                           coalesce(
                             case when isfinite(e.viewed_at) and e.viewed_at <= p."the moment"
                               then modelpack.decay((modelpack.amount(e.seconds))::double precision,
                                 date_part('epoch', p."the moment" - e.viewed_at::timestamptz), 43200) end, 0))),
                       0) as "magnitude of attention"
                from public.page_view as e
               where e.visitor_id = p.visitor_id
            ) as r0
         ) as x
   where p.visitor_id = x.visitor_id
     and (x."read afresh"
       or p.views_7d is distinct from x.views_7d
       or p.pages_30d is distinct from x.pages_30d
       or p.seconds_30d is distinct from x.seconds_30d
       or p.spread_30d is distinct from x.spread_30d
       or (
         row(case when true then p.fastest_7d else x.fastest_7d end)::pg_catalog.record operator(pg_catalog.<>) row(
           case when true then x.fastest_7d else p.fastest_7d end)::pg_catalog.record or not x."held fastest_7d")
       or (p.interest is null or abs(p.interest - x.interest) > 1e-9 * x."magnitude of interest" + 1e-70)
       or coalesce(x.interest_ahead > coalesce(p.interest_ahead, '-infinity'), false)
       or (p.attention is null or abs(p.attention - x.attention) > 1e-9 * x."magnitude of attention" + 1e-70)
       or coalesce(x.attention_ahead > coalesce(p.attention_ahead, '-infinity'), false));
  get diagnostics v_written = row_count;
  return v_written;
end
$modelpack$;

revoke all on function modelpack.visitor_rebuild(bigint, bigint) from public;

comment on function modelpack.visitor_rebuild(bigint, bigint) is
  'Counts the features of public.visitor again from the events and writes the rows that differ. [visitor]';

create or replace function modelpack.visitor_refresh(first_block bigint, last_block bigint, older_than timestamptz)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Brings the rows of public.visitor whose windows have moved on up to the moment, and scores them.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
declare
  v_first constant tid := format('(%s,0)', greatest(first_block, 0))::tid;
  v_beyond constant tid := format('(%s,0)', coalesce(last_block + 1, 4294967295))::tid;
  v_moment timestamptz;
  v_written bigint;
begin
  if not exists (select from pg_trigger as t
                  where t.tgrelid = 'public.page_view'::regclass
                    and t.tgfoid = 'modelpack.visitor_count_page_view_insert()'::regprocedure)
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.visitor_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format(
        '%s is another table than the event table that the declaration of %s means: it has no count trigger',
        'public.page_view',
        'public.visitor'),
      detail = 'Its rows would count as events.',
      hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
  end if;
  perform from public.visitor as p
   where p.ctid >= v_first and p.ctid < v_beyond
   order by p.visitor_id
     for no key update;
  v_moment := clock_timestamp();
  update public.visitor as p
     set interest
       = modelpack.decay(p.interest, date_part('epoch', v_moment - coalesce(p.features_at, v_moment)), 259200),
         attention
           = modelpack.decay(p.attention, date_part('epoch', v_moment - coalesce(p.features_at, v_moment)), 43200),
         features_at = v_moment
    from (
           select p.ctid as "the place", p.tableoid as "the partition"
             from public.visitor as p
             cross join lateral (
               select count(*)
                 filter (where (not e.is_bot) and e.viewed_at > v_moment - interval '7 days'
                   and e.viewed_at <= v_moment) as views_7d,
                      count(distinct e.page)
                        filter (where e.viewed_at > v_moment - interval '30 days'
                          and e.viewed_at <= v_moment) as pages_30d,
                      (
                          sum(
                            case when e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment
                              then modelpack.amount(e.seconds) end))::double precision
                        / nullif(
                          count(
                            case when e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment
                              then modelpack.amount(e.seconds) end), 0) as seconds_30d,
                      sqrt(
                        (
                          count(
                            case when e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment
                              then modelpack.amount(e.seconds) end)
                          * sum(
                            (
                              case when e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment
                                then modelpack.amount(e.seconds) end)
                            * (
                              case when e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment
                                then modelpack.amount(e.seconds) end))
                          - sum(
                            case when e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment
                              then modelpack.amount(e.seconds) end)
                          * sum(
                            case when e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment
                              then modelpack.amount(e.seconds) end))::double precision
                        / nullif(
                          count(
                            case when e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment
                              then modelpack.amount(e.seconds) end)::double precision
                          * (
                            count(
                              case when e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment
                                then modelpack.amount(e.seconds) end) - 1), 0)) as spread_30d,
                      percentile_disc(0) within group (order by e.seconds)
                        filter (where e.viewed_at > v_moment - interval '7 days'
                          and e.viewed_at <= v_moment) as fastest_7d,
                      p.fastest_7d is null
                        or (
                          bool_or(
                            row(case when true then e.seconds else p.fastest_7d end)::pg_catalog.record operator(
                              pg_catalog.*=) row(case when true then p.fastest_7d else e.seconds end)::pg_catalog.record
                            or pg_typeof(e.seconds) <> pg_typeof(p.fastest_7d))
                          filter (where e.viewed_at > v_moment - interval '7 days'
                            and e.viewed_at <= v_moment)) is not false as "held fastest_7d"
                 from public.page_view as e
                where e.visitor_id = p.visitor_id and e.viewed_at > v_moment - interval '30 days'
                  and e.viewed_at <= v_moment
             ) as w0
             where p.ctid >= v_first and p.ctid < v_beyond
               and not (p.features_read_at >= modelpack.visitor_since()) is not true
               and (p.features_at < older_than or (older_than is not null and p.features_at > clock_timestamp())
                     or p.views_7d is distinct from w0.views_7d
                     or p.pages_30d is distinct from w0.pages_30d
                     or p.seconds_30d is distinct from w0.seconds_30d
                     or p.spread_30d is distinct from w0.spread_30d
                     or (
                       row(case when true then p.fastest_7d else w0.fastest_7d end)::pg_catalog.record operator(
                         pg_catalog.<>) row(case when true then w0.fastest_7d else p.fastest_7d end)::pg_catalog.record
                       or not w0."held fastest_7d")
                     or p.interest_ahead > p.features_at
                       and exists (select from public.page_view as e where e.visitor_id = p.visitor_id
                         and e.viewed_at > p.features_at and e.viewed_at <= v_moment)
                     or p.attention_ahead > p.features_at
                       and exists (select from public.page_view as e where e.visitor_id = p.visitor_id
                         and e.viewed_at > p.features_at and e.viewed_at <= v_moment))
         ) as x
   where p.ctid = x."the place" and p.tableoid = x."the partition";
  get diagnostics v_written = row_count;
  return v_written;
end
$modelpack$;

revoke all on function modelpack.visitor_refresh(bigint, bigint, timestamptz) from public;

comment on function modelpack.visitor_refresh(bigint, bigint, timestamptz) is
  'Brings the rows of public.visitor whose windows have moved on up to the moment, and scores them. [visitor]';

create or replace function modelpack.visitor_rescore(first_block bigint, last_block bigint, only_stale boolean,
  older_than timestamptz)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Scores rows of public.visitor again: those that are stale or scored by another version than the champion.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
begin
  return 0;
end
$modelpack$;

revoke all on function modelpack.visitor_rescore(bigint, bigint, boolean, timestamptz) from public;

comment on function modelpack.visitor_rescore(bigint, bigint, boolean, timestamptz) is
  'Scores rows of public.visitor again: those that are stale or scored by another version than the champion. '
  '[visitor]';

create or replace function modelpack.visitor_fill(step integer, first_block bigint, last_block bigint, most integer)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $modelpack$
-- Counts some rows of public.visitor that were not counted yet, or makes some that its events lack.
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
                  where t.tgrelid = 'public.page_view'::regclass
                    and t.tgfoid = 'modelpack.visitor_count_page_view_insert()'::regprocedure)
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.visitor_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format(
        '%s is another table than the event table that the declaration of %s means: it has no count trigger',
        'public.page_view',
        'public.visitor'),
      detail = 'Its rows would count as events.',
      hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
  end if;
  if step = -1 then
    perform from public.visitor as p where (p.features_read_at >= modelpack.visitor_since()) is not true limit 1;
    return found::integer;
  end if;
  if step = 1 then
    with chosen as (
      select d.visitor_id
        from (
               select distinct e.visitor_id
                 from public.page_view as e
                where e.ctid >= v_first and e.ctid < v_beyond and e.visitor_id is not null
             ) as d
       where not exists (select from public.visitor as q where q.visitor_id = d.visitor_id)
       order by d.visitor_id
       limit most
    ), made as (
      insert into public.visitor (visitor_id) overriding system value
      select c.visitor_id from chosen as c
      on conflict (visitor_id) do nothing
    )
    select count(*) into v_made from chosen;
    return v_made;
  end if;
  -- who holds a row may do so for long: it is passed over, so that nobody waits for us meanwhile
  select array_agg(x.key) into v_keys
    from (
           select modelpack.key_value(p.visitor_id)::text as key
             from public.visitor as p
            where p.ctid >= v_first and p.ctid < v_beyond
              and (p.features_read_at >= modelpack.visitor_since()) is not true
            limit most
              for no key update skip locked
         ) as x;
  if v_keys is null then
    perform from public.visitor as p where p.ctid >= v_first and p.ctid < v_beyond
      and (p.features_read_at >= modelpack.visitor_since()) is not true limit 1;
    return -found::integer;
  end if;
  perform modelpack.visitor_recount(v_keys);
  return cardinality(v_keys);
end
$modelpack$;

revoke all on function modelpack.visitor_fill(integer, bigint, bigint, integer) from public;

comment on function modelpack.visitor_fill(integer, bigint, bigint, integer) is
  'Counts some rows of public.visitor that were not counted yet, or makes some that its events lack. [visitor]';

create or replace function modelpack.visitor_verify(first_block bigint, last_block bigint, only_keys text[])
returns table (entity_key text, feature text, stored text, expected text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Features of public.visitor that differ from the same aggregate over the events.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
declare
  v_first constant tid := format('(%s,0)', greatest(first_block, 0))::tid;
  v_beyond constant tid := format('(%s,0)', coalesce(last_block + 1, 4294967295))::tid;
begin
  return query
  select modelpack.key_value(p.visitor_id)::text, f.feature, f.stored, f.expected
    from (
           select q.*, coalesce(q.features_at, clock_timestamp()) as "the moment"
             from public.visitor as q
            where only_keys is null and q.ctid >= v_first and q.ctid < v_beyond
           union all
           select q.*, coalesce(q.features_at, clock_timestamp()) as "the moment"
             from jsonb_populate_recordset(
                    (select row(q.*)::public.visitor from public.visitor as q limit 1),
                    (select jsonb_agg(jsonb_build_object('visitor_id', u.key))
                       from (select distinct unnest(only_keys)) as u (key))
                  ) as k
             join public.visitor as q on q.visitor_id = k.visitor_id
            where only_keys is not null
         ) as p
   cross join lateral (
     select count(*)
       filter (where (not e.is_bot) and e.viewed_at > p."the moment" - interval '7 days'
         and e.viewed_at <= p."the moment") as views_7d,
            count(distinct e.page)
              filter (where e.viewed_at > p."the moment" - interval '30 days'
                and e.viewed_at <= p."the moment") as pages_30d,
            (
                sum(
                  case when e.viewed_at > p."the moment" - interval '30 days' and e.viewed_at <= p."the moment"
                    then modelpack.amount(e.seconds) end))::double precision
              / nullif(
                count(
                  case when e.viewed_at > p."the moment" - interval '30 days' and e.viewed_at <= p."the moment"
                    then modelpack.amount(e.seconds) end), 0) as seconds_30d,
            sqrt(
              (
                count(
                  case when e.viewed_at > p."the moment" - interval '30 days' and e.viewed_at <= p."the moment"
                    then modelpack.amount(e.seconds) end)
                * sum(
                  (
                    case when e.viewed_at > p."the moment" - interval '30 days' and e.viewed_at <= p."the moment"
                      then modelpack.amount(e.seconds) end)
                  * (
                    case when e.viewed_at > p."the moment" - interval '30 days' and e.viewed_at <= p."the moment"
                      then modelpack.amount(e.seconds) end))
                - sum(
                  case when e.viewed_at > p."the moment" - interval '30 days' and e.viewed_at <= p."the moment"
                    then modelpack.amount(e.seconds) end)
                * sum(
                  case when e.viewed_at > p."the moment" - interval '30 days' and e.viewed_at <= p."the moment"
                    then modelpack.amount(e.seconds) end))::double precision
              / nullif(
                count(
                  case when e.viewed_at > p."the moment" - interval '30 days' and e.viewed_at <= p."the moment"
                    then modelpack.amount(e.seconds) end)::double precision
                * (
                  count(
                    case when e.viewed_at > p."the moment" - interval '30 days' and e.viewed_at <= p."the moment"
                      then modelpack.amount(e.seconds) end) - 1), 0)) as spread_30d,
            percentile_disc(0) within group (order by e.seconds)
              filter (where e.viewed_at > p."the moment" - interval '7 days'
                and e.viewed_at <= p."the moment") as fastest_7d,
            coalesce(
              sum(
                coalesce(
                  case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at <= p."the moment"
                    then modelpack.decay(1::double precision,
                      date_part('epoch', p."the moment" - e.viewed_at::timestamptz), 259200) end, 0)), 0) as interest,
            max(
              case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at > p."the moment"
                and e.viewed_at < date '200000-01-01' then e.viewed_at::timestamptz end) as interest_ahead,
            coalesce(
              sum(
                coalesce(
                  case when isfinite(e.viewed_at) and e.viewed_at <= p."the moment"
                    then modelpack.decay((modelpack.amount(e.seconds))::double precision,
                      date_part('epoch', p."the moment" - e.viewed_at::timestamptz), 43200) end, 0)), 0) as attention,
            max(
              case when isfinite(e.viewed_at) and e.viewed_at > p."the moment" and e.viewed_at < date '200000-01-01'
                then e.viewed_at::timestamptz end) as attention_ahead,
            p.fastest_7d is null
              or (
                bool_or(
                  row(case when true then e.seconds else p.fastest_7d end)::pg_catalog.record operator(
                    pg_catalog.*=) row(case when true then p.fastest_7d else e.seconds end)::pg_catalog.record
                  or pg_typeof(e.seconds) <> pg_typeof(p.fastest_7d))
                filter (where e.viewed_at > p."the moment" - interval '7 days'
                  and e.viewed_at <= p."the moment")) is not false as "held fastest_7d",
            coalesce(
              sum(
                abs(
                  coalesce(
                    case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at <= p."the moment"
                      then modelpack.decay(1::double precision,
                        date_part('epoch', p."the moment" - e.viewed_at::timestamptz), 259200) end, 0))),
              0) as "magnitude of interest",
            coalesce(
              sum(
                abs(
                  coalesce(
                    case when isfinite(e.viewed_at) and e.viewed_at <= p."the moment"
                      then modelpack.decay((modelpack.amount(e.seconds))::double precision,
                        date_part('epoch', p."the moment" - e.viewed_at::timestamptz), 43200) end, 0))),
              0) as "magnitude of attention"
       from public.page_view as e
      where e.visitor_id = p.visitor_id
   ) as r0
   cross join lateral (
     values ('views_7d', p.views_7d::text, r0.views_7d::text, p.views_7d is distinct from r0.views_7d),
            ('pages_30d', p.pages_30d::text, r0.pages_30d::text, p.pages_30d is distinct from r0.pages_30d),
            ('seconds_30d', p.seconds_30d::text, r0.seconds_30d::text, p.seconds_30d is distinct from r0.seconds_30d),
            ('spread_30d', p.spread_30d::text, r0.spread_30d::text, p.spread_30d is distinct from r0.spread_30d),
            ('fastest_7d', p.fastest_7d::text, r0.fastest_7d::text,
              (
                row(case when true then p.fastest_7d else r0.fastest_7d end)::pg_catalog.record operator(
                  pg_catalog.<>) row(case when true then r0.fastest_7d else p.fastest_7d end)::pg_catalog.record
                or not r0."held fastest_7d")),
            ('interest', p.interest::text, r0.interest::text,
              (p.interest is null or abs(p.interest - r0.interest) > 1e-9 * r0."magnitude of interest" + 1e-70)),
            ('interest_ahead', p.interest_ahead::text, r0.interest_ahead::text,
              coalesce(r0.interest_ahead > coalesce(p.interest_ahead, '-infinity'), false)),
            ('attention', p.attention::text, r0.attention::text,
              (p.attention is null or abs(p.attention - r0.attention) > 1e-9 * r0."magnitude of attention" + 1e-70)),
            ('attention_ahead', p.attention_ahead::text, r0.attention_ahead::text,
              coalesce(r0.attention_ahead > coalesce(p.attention_ahead, '-infinity'), false))
   ) as f (feature, stored, expected, differs)
   where f.differs;
end
$modelpack$;

revoke all on function modelpack.visitor_verify(bigint, bigint, text[]) from public;

comment on function modelpack.visitor_verify(bigint, bigint, text[]) is
  'Features of public.visitor that differ from the same aggregate over the events. [visitor]';

create or replace function modelpack.visitor_stale(chunk_blocks bigint)
returns setof bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Chunks of blocks of public.visitor that hold stale rows.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
begin
end
$modelpack$;

revoke all on function modelpack.visitor_stale(bigint) from public;

comment on function modelpack.visitor_stale(bigint) is
  'Chunks of blocks of public.visitor that hold stale rows. [visitor]';

create or replace function modelpack.visitor_reasons()
returns table (score text, reason text, rows bigint)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- How many rows of public.visitor have no fresh score, by score and reason.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
begin
end
$modelpack$;

revoke all on function modelpack.visitor_reasons() from public;

comment on function modelpack.visitor_reasons() is
  'How many rows of public.visitor have no fresh score, by score and reason. [visitor]';

create or replace function modelpack.visitor_examine()
returns table (what text, subject text, rows bigint, example text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- What is wrong with rows of public.visitor, for modelpack.doctor(): how many, and one of them.
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
             select from public.visitor as p
               where (p.features_read_at >= modelpack.visitor_since()) is not true limit 10000
           ) as x
  ) as f where f.rows > 0;
  return query
  select * from (
    select 'ahead', '', count(*) as rows, null
      from (
             select from public.visitor as p where p.features_at > clock_timestamp() + interval '1 minute' limit 10000
           ) as x
  ) as f where f.rows > 0;
  v_share := case when pg_relation_size('public.page_view'::regclass) < 1000000 then 100
      else greatest(0.01, 100.0 * 1000000 / pg_relation_size('public.page_view'::regclass)) end;
  select array_agg(distinct x.key) into v_keys
    from (select modelpack.key_value(e.visitor_id)::text as key from public.page_view as e tablesample system (v_share)
      where e.visitor_id is not null
             and not exists (select from public.visitor as p where p.visitor_id = e.visitor_id
               and (p.features_read_at >= modelpack.visitor_since()) is not true) limit 200) as x;
  return query
  select * from (
    select 'differ', 'page_view', count(distinct x.entity_key) as rows, string_agg(distinct x.feature, ', ')
      from (
             select * from modelpack.visitor_verify(0, null, coalesce(v_keys, '{}'))
           ) as x
  ) as f where f.rows > 0;
  return query
  select * from (
    select 'missing', 'page_view', count(*) as rows, null
      from (
             select distinct x.visitor_id
               from (select e.* from public.page_view as e tablesample system (v_share)
                 where e.visitor_id is not null limit 200) as x
              where not exists (select from public.visitor as q where q.visitor_id = x.visitor_id)
           ) as x
  ) as f where f.rows > 0;
end
$modelpack$;

revoke all on function modelpack.visitor_examine() from public;

comment on function modelpack.visitor_examine() is
  'What is wrong with rows of public.visitor, for modelpack.doctor(): how many, and one of them. [visitor]';

create or replace function modelpack.visitor_guard()
returns trigger
language plpgsql security invoker
as $modelpack$
-- GUARD of public.visitor: scores what modelpack's own functions write, and refuses an UPDATE of features or scores by
-- anybody else but a member of modelpack_owner.
#variable_conflict use_variable
declare
  v_ours boolean;
  v_moment timestamptz;
begin
  -- our own functions are known by the name of their role; it must be one that may grant this function, since another
  -- role may have got the name
  if pg_catalog.current_setting('search_path') operator(pg_catalog.=) 'pg_catalog, pg_temp'
     and current_user operator(pg_catalog.=) tg_argv[0] then
    v_ours := pg_catalog.has_function_privilege('modelpack.visitor_guard()'::pg_catalog.regprocedure,
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
         new.attention,
         new.attention_ahead,
         new.fastest_7d,
         new.features_at,
         new.features_read_at,
         new.features_reread_at,
         new.interest,
         new.interest_ahead,
         new.pages_30d,
         new.seconds_30d,
         new.spread_30d,
         new.views_7d
       )::pg_catalog.record operator(pg_catalog.*=) row(
         old.attention,
         old.attention_ahead,
         old.fastest_7d,
         old.features_at,
         old.features_read_at,
         old.features_reread_at,
         old.interest,
         old.interest_ahead,
         old.pages_30d,
         old.seconds_30d,
         old.spread_30d,
         old.views_7d
       )::pg_catalog.record then
      return new;
    end if;
    if pg_catalog.pg_has_role(current_user, 'modelpack_owner', 'member') then  -- a superuser or the DBA, who means it
      if tg_nargs operator(pg_catalog.<>) 2 then
        new := modelpack.visitor_scored(new, old, 'by hand');
      end if;
      return new;
    end if;
    raise exception using
      errcode = 'insufficient_privilege',
      message
        = pg_catalog.format('an UPDATE by %I changes columns of %s that modelpack keeps: %s', current_user,
          'public.visitor',
        pg_catalog.array_to_string(array[
          case
              when not row(new.attention)::pg_catalog.record operator(pg_catalog.*=) row(
                old.attention)::pg_catalog.record then 'attention' end,
          case
              when not row(new.attention_ahead)::pg_catalog.record operator(pg_catalog.*=) row(
                old.attention_ahead)::pg_catalog.record then 'attention_ahead' end,
          case
              when not row(new.fastest_7d)::pg_catalog.record operator(pg_catalog.*=) row(
                old.fastest_7d)::pg_catalog.record then 'fastest_7d' end,
          case
              when not row(new.features_at)::pg_catalog.record operator(pg_catalog.*=) row(
                old.features_at)::pg_catalog.record then 'features_at' end,
          case
              when not row(new.features_read_at)::pg_catalog.record operator(pg_catalog.*=) row(
                old.features_read_at)::pg_catalog.record then 'features_read_at' end,
          case
              when not row(new.features_reread_at)::pg_catalog.record operator(pg_catalog.*=) row(
                old.features_reread_at)::pg_catalog.record then 'features_reread_at' end,
          case
              when not row(new.interest)::pg_catalog.record operator(pg_catalog.*=) row(old.interest)::pg_catalog.record
              then 'interest' end,
          case
              when not row(new.interest_ahead)::pg_catalog.record operator(pg_catalog.*=) row(
                old.interest_ahead)::pg_catalog.record then 'interest_ahead' end,
          case
              when not row(new.pages_30d)::pg_catalog.record operator(pg_catalog.*=) row(
                old.pages_30d)::pg_catalog.record then 'pages_30d' end,
          case
              when not row(new.seconds_30d)::pg_catalog.record operator(pg_catalog.*=) row(
                old.seconds_30d)::pg_catalog.record then 'seconds_30d' end,
          case
              when not row(new.spread_30d)::pg_catalog.record operator(pg_catalog.*=) row(
                old.spread_30d)::pg_catalog.record then 'spread_30d' end,
          case
              when not row(new.views_7d)::pg_catalog.record operator(pg_catalog.*=) row(old.views_7d)::pg_catalog.record
              then 'views_7d' end
        ], ', ')),
      detail = 'Features follow from events and scores from features; a value written by hand would be wrong at once.',
      hint = 'Leave these columns out of the UPDATE (in an ORM: mark them read-only).';
  end if;
  -- the score trigger looks at every UPDATE
  if tg_nargs = 2 then
    return new;
  elsif new.features_at = old.features_at then
    -- nothing that a score depends on has changed
    if row(
         new.visitor_id,
         new.views_7d,
         new.pages_30d,
         new.seconds_30d,
         new.spread_30d,
         new.fastest_7d,
         new.interest,
         new.interest_ahead,
         new.attention,
         new.attention_ahead
       )::pg_catalog.record operator(pg_catalog.*=) row(
         old.visitor_id,
         old.views_7d,
         old.pages_30d,
         old.seconds_30d,
         old.spread_30d,
         old.fastest_7d,
         old.interest,
         old.interest_ahead,
         old.attention,
         old.attention_ahead
       )::pg_catalog.record
    then
      return new;
    end if;
  end if;
  v_moment := pg_catalog.clock_timestamp();
  -- decayed features lose weight up to the moment
  new.interest := modelpack.decay(new.interest, date_part('epoch', v_moment - coalesce(new.features_at, v_moment)),
    259200);
  new.attention := modelpack.decay(new.attention, date_part('epoch', v_moment - coalesce(new.features_at, v_moment)),
    43200);
  if greatest(new.interest_ahead, new.attention_ahead) > least(old.features_at, new.features_at)
    or v_moment < greatest(old.features_at, new.features_at) then
    select coalesce(
      sum(
        coalesce(
          case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at <= v_moment
            then modelpack.decay(1::double precision, date_part('epoch', v_moment - e.viewed_at::timestamptz), 259200)
          end, 0)), 0),
           max(
             case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at > v_moment
               and e.viewed_at < date '200000-01-01' then e.viewed_at::timestamptz end),
           coalesce(
             sum(
               coalesce(
                 case when isfinite(e.viewed_at) and e.viewed_at <= v_moment
                   then modelpack.decay((modelpack.amount(e.seconds))::double precision,
                     date_part('epoch', v_moment - e.viewed_at::timestamptz), 43200) end, 0)), 0),
           max(
             case when isfinite(e.viewed_at) and e.viewed_at > v_moment and e.viewed_at < date '200000-01-01'
               then e.viewed_at::timestamptz end)
      into new.interest,
           new.interest_ahead,
           new.attention,
           new.attention_ahead
      from public.page_view as e
     where e.visitor_id = new.visitor_id;
    new.features_reread_at := greatest(now(), statement_timestamp());
  end if;
  -- windows, read under the row's lock
  if not exists (select from pg_trigger as t
                  where t.tgrelid = 'public.page_view'::regclass
                    and t.tgfoid = 'modelpack.visitor_count_page_view_insert()'::regprocedure)
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.visitor_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format(
        '%s is another table than the event table that the declaration of %s means: it has no count trigger',
        'public.page_view',
        'public.visitor'),
      detail = 'Its rows would count as events.',
      hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
  end if;
  select count(*)
    filter (where (not e.is_bot) and e.viewed_at > v_moment - interval '7 days' and e.viewed_at <= v_moment),
         count(distinct e.page) filter (where e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment),
         (
             sum(
               case when e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment
                 then modelpack.amount(e.seconds) end))::double precision
           / nullif(
             count(
               case when e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment
                 then modelpack.amount(e.seconds) end), 0),
         sqrt(
           (
             count(
               case when e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment
                 then modelpack.amount(e.seconds) end)
             * sum(
               (
                 case when e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment
                   then modelpack.amount(e.seconds) end)
               * (
                 case when e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment
                   then modelpack.amount(e.seconds) end))
             - sum(
               case when e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment
                 then modelpack.amount(e.seconds) end)
             * sum(
               case when e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment
                 then modelpack.amount(e.seconds) end))::double precision
           / nullif(
             count(
               case when e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment
                 then modelpack.amount(e.seconds) end)::double precision
             * (
               count(
                 case when e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment
                   then modelpack.amount(e.seconds) end) - 1), 0)),
         percentile_disc(0) within group (order by e.seconds)
           filter (where e.viewed_at > v_moment - interval '7 days' and e.viewed_at <= v_moment)
    into new.views_7d,
         new.pages_30d,
         new.seconds_30d,
         new.spread_30d,
         new.fastest_7d
    from public.page_view as e
   where e.visitor_id = new.visitor_id and e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment;
  new.features_at := v_moment;
  return new;
end
$modelpack$;

revoke all on function modelpack.visitor_guard() from public;

comment on function modelpack.visitor_guard() is
  'GUARD of public.visitor: scores what modelpack''s own functions write, and refuses an UPDATE of features or '
  'scores by anybody else but a member of modelpack_owner. [visitor]';

create or replace function modelpack.visitor_count_page_view_insert()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
set enable_seqscan = off
as $modelpack$
-- COUNT of public.visitor: keeps views_7d, pages_30d, seconds_30d, spread_30d, fastest_7d, interest, attention when
-- rows of public.page_view are inserted. Generated by modelpack from the declaration.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_seqscan: off, since a session keeps a plan for whatever number of rows comes: one by an index is good for a
-- row and for many.
#variable_conflict use_variable
declare
  v_moment constant timestamptz := clock_timestamp();
  v_statement timestamptz;
  v_read text[];
  v_made text[];
  v_settings text[];
begin
  if tg_relid <> 'public.page_view'::regclass then  -- a partition of it, or one on its way
    if not exists (select from pg_partition_ancestors(tg_relid) as a where a.relid = 'public.page_view'::regclass)
       and (select c.relpersistence from pg_class as c where c.oid = tg_relid) <> 't'
    then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s has the triggers of the event table %s, which is another relation now',
                         tg_relid::regclass, 'public.page_view'),
        detail = 'Its rows would count as events of that.',
        hint
          = 'Rename it back; or modelpack apply DECLARATION, which moves the triggers to the table that is declared.';
    end if;
  end if;
  -- most statements bring one event: then one UPDATE of its profile is all
  perform from new_rows offset 1;
  if not found then
    declare
      e record;
      v_unscored boolean;
      d_interest double precision;
      d_interest_ahead timestamptz;
      amount_seconds numeric;
      d_attention double precision;
      d_attention_ahead timestamptz;
    begin
      select * into e from new_rows;
      d_interest := coalesce(
        case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at <= v_moment
          then modelpack.decay(1::double precision, date_part('epoch', v_moment - e.viewed_at::timestamptz), 259200)
        end, 0);
      d_interest_ahead := case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at > v_moment
          and e.viewed_at < date '200000-01-01' then e.viewed_at::timestamptz end;
      amount_seconds := modelpack.amount(e.seconds);
      d_attention := coalesce(
        case when isfinite(e.viewed_at) and e.viewed_at <= v_moment
          then modelpack.decay((amount_seconds)::double precision,
            date_part('epoch', v_moment - e.viewed_at::timestamptz), 43200) end, 0);
      d_attention_ahead := case when isfinite(e.viewed_at) and e.viewed_at > v_moment
          and e.viewed_at < date '200000-01-01' then e.viewed_at::timestamptz end;
      update public.visitor as p
         set interest
           = modelpack.decay(p.interest, date_part('epoch', v_moment - coalesce(p.features_at, v_moment)), 259200)
           + d_interest,
             interest_ahead = greatest(p.interest_ahead, d_interest_ahead),
             attention
               = modelpack.decay(p.attention, date_part('epoch', v_moment - coalesce(p.features_at, v_moment)), 43200)
               + d_attention,
             attention_ahead = greatest(p.attention_ahead, d_attention_ahead),
             features_at = v_moment
       where p.visitor_id = e.visitor_id
         and ((p.features_read_at >= modelpack.visitor_since()) is not true
           or p.features_read_at = greatest(now(), statement_timestamp())
           or p.features_reread_at = greatest(now(), statement_timestamp())) is not true
      returning p.features_at = v_moment into v_unscored;
      if not v_unscored then
        return new;  -- NULL in a trigger for each statement
      elsif v_unscored then
        if (select count(*) from pg_trigger as t
             where t.tgrelid = 'public.visitor'::regclass
               and t.tgname in ('modelpack_visitor_guard', 'zz_modelpack_visitor_score')) < 2
        then
          if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
            perform modelpack.visitor_seen();
          end if;
          raise exception using
            errcode = 'object_not_in_prerequisite_state',
            message = 'public.visitor is another table than the profile that was declared: it has no score trigger',
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
       where t.tgrelid = 'public.visitor'::regclass
         and t.tgname in ('modelpack_visitor_guard', 'zz_modelpack_visitor_score')) < 2
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.visitor_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'public.visitor is another table than the profile that was declared: it has no score trigger',
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
  if exists (
       select d.visitor_id
         from (
                select distinct e.visitor_id
                  from new_rows as e
                 where e.visitor_id is not null
              ) as d
        where not exists (select from public.visitor as q where q.visitor_id = d.visitor_id)
     ) then
    -- keys without a profile get one before any is locked; the score trigger reads its features from the events
    with made as (
      insert into public.visitor as p (visitor_id) overriding system value
      select d.visitor_id
        from (
               select distinct e.visitor_id
                 from new_rows as e
                where e.visitor_id is not null
             ) as d
       where not exists (select from public.visitor as q where q.visitor_id = d.visitor_id)
       order by d.visitor_id
      on conflict (visitor_id) do nothing
      returning modelpack.key_value(p.visitor_id)::text as key, p.features_read_at is not null as read
    )
    -- not where triggers do not fire, in a replica: it is counted below
    select array_agg(made.key) filter (where made.read) into v_made from made;
  end if;
  -- rows are locked in the order of their keys: two statements never wait for each other in a circle
  select array_agg(x.key) filter (where x.read) into v_read
    from (
           select modelpack.key_value(p.visitor_id)::text as key,
                  (p.features_read_at >= modelpack.visitor_since()) is not true or p.features_read_at = v_statement
                    or p.features_reread_at = v_statement as read
             from (
                    select distinct e.visitor_id
                      from new_rows as e
                     where e.visitor_id is not null
                  ) as d
             join public.visitor as p on p.visitor_id = d.visitor_id
            order by p.visitor_id
              for no key update of p
         ) as x;
  update public.visitor as p
     set interest
       = modelpack.decay(p.interest, date_part('epoch', v_moment - coalesce(p.features_at, v_moment)), 259200)
       + d.interest,
         interest_ahead = greatest(p.interest_ahead, d.interest_ahead),
         attention
           = modelpack.decay(p.attention, date_part('epoch', v_moment - coalesce(p.features_at, v_moment)), 43200)
           + d.attention,
         attention_ahead = greatest(p.attention_ahead, d.attention_ahead),
         features_at = v_moment
    from (
           select c.visitor_id,
                  sum(c.interest) as interest,
                  max(c.interest_ahead) as interest_ahead,
                  sum(c.attention) as attention,
                  max(c.attention_ahead) as attention_ahead
             from (
                    select e.visitor_id,
                           coalesce(
                             case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at <= v_moment
                               then modelpack.decay(1::double precision,
                                 date_part('epoch', v_moment - e.viewed_at::timestamptz), 259200) end, 0) as interest,
                           case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at > v_moment
                               and e.viewed_at < date '200000-01-01'
                               then e.viewed_at::timestamptz end as interest_ahead,
                           coalesce(
                             case when isfinite(e.viewed_at) and e.viewed_at <= v_moment
                               then modelpack.decay((modelpack.amount(e.seconds))::double precision,
                                 date_part('epoch', v_moment - e.viewed_at::timestamptz), 43200) end, 0) as attention,
                           case when isfinite(e.viewed_at) and e.viewed_at > v_moment
                               and e.viewed_at < date '200000-01-01'
                               then e.viewed_at::timestamptz end as attention_ahead
                      from new_rows as e
                     where e.visitor_id is not null
                  ) as c
            group by c.visitor_id
         ) as d
   where p.visitor_id = d.visitor_id
     and ((p.features_read_at >= modelpack.visitor_since()) is not true or p.features_read_at = v_statement
       or p.features_reread_at = v_statement) is not true;
  -- profiles that this very statement has read from the events know of its changes; others, that were never counted,
  -- are counted again
  if v_read is not null then
    if v_made is not null then
      select array_agg(x.key) into v_read
        from (select unnest(v_read) as key except select unnest(v_made)) as x;
    end if;
    perform modelpack.visitor_recount(v_read);
  end if;
  perform set_config('enable_hashjoin', v_settings[1], true),
          set_config('enable_mergejoin', v_settings[2], true),
          set_config('jit', v_settings[3], true);
  return null;
end
$modelpack$;

revoke all on function modelpack.visitor_count_page_view_insert() from public;

comment on function modelpack.visitor_count_page_view_insert() is
  'COUNT of public.visitor: keeps views_7d, pages_30d, seconds_30d, spread_30d, fastest_7d, interest, attention '
  'when rows of public.page_view are inserted. Generated by modelpack from the declaration. [visitor]';

create or replace function modelpack.visitor_count_page_view_update()
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
-- COUNT of public.visitor: keeps views_7d, pages_30d, seconds_30d, spread_30d, fastest_7d, interest, attention when
-- rows of public.page_view are updated. Generated by modelpack from the declaration.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_seqscan, enable_hashjoin, enable_mergejoin, jit: off, since a session keeps a plan for whatever number of rows
-- comes: one by an index is good for a row and for many.
#variable_conflict use_variable
declare
  v_moment constant timestamptz := clock_timestamp();
  v_statement constant timestamptz := greatest(now(), statement_timestamp());
  v_read text[];
  v_made text[];
begin
  if tg_relid <> 'public.page_view'::regclass then  -- a partition of it, or one on its way
    if not exists (select from pg_partition_ancestors(tg_relid) as a where a.relid = 'public.page_view'::regclass)
       and (select c.relpersistence from pg_class as c where c.oid = tg_relid) <> 't'
    then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s has the triggers of the event table %s, which is another relation now',
                         tg_relid::regclass, 'public.page_view'),
        detail = 'Its rows would count as events of that.',
        hint
          = 'Rename it back; or modelpack apply DECLARATION, which moves the triggers to the table that is declared.';
    end if;
  end if;
  if current_setting('modelpack.moved_9fc95dca4b9817b0', true) <> '' then
    if not exists (select from old_rows as o
        where md5(to_jsonb(o)::text) = current_setting('modelpack.moved_9fc95dca4b9817b0', true)) then
      raise exception using
        errcode = 'feature_not_supported',
        message
          = 'MERGE has moved rows of public.page_view to another partition, and PostgreSQL tells no trigger which',
        detail = 'The features of public.visitor could not follow.',
        hint = 'Move them by UPDATE, or by DELETE and INSERT.';
    end if;
    perform set_config('modelpack.moved_9fc95dca4b9817b0', '', true);
  end if;
  if not exists (select from new_rows) then
    return null;
  end if;
  if (select count(*) from pg_trigger as t
       where t.tgrelid = 'public.visitor'::regclass
         and t.tgname in ('modelpack_visitor_guard', 'zz_modelpack_visitor_score')) < 2
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.visitor_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'public.visitor is another table than the profile that was declared: it has no score trigger',
      hint = 'select * from modelpack.doctor() says where the profile is now, and what to run.';
  end if;
  if exists (
       select d.visitor_id
         from (
                select distinct e.visitor_id
                  from old_rows as e
                 where e.visitor_id is not null
              ) as d
        where not exists (select from public.visitor as q where q.visitor_id = d.visitor_id)
     ) then
    -- keys without a profile: whoever makes one of them a profile waits for us, or we for them
    perform modelpack.visitor_meet(array(
      select hash_record_extended(row(u.visitor_id), 0)::text
        from (
               select d.visitor_id
                 from (
                        select distinct e.visitor_id
                          from (select * from old_rows union all select * from new_rows) as e
                         where e.visitor_id is not null
                      ) as d
                where not exists (select from public.visitor as q where q.visitor_id = d.visitor_id)
             ) as u
       order by u.visitor_id
    ));
  end if;
  -- keys without a profile get one before any is locked; the score trigger reads its features from the events
  with made as (
    insert into public.visitor as p (visitor_id) overriding system value
    select d.visitor_id
      from (
             select distinct e.visitor_id
               from new_rows as e
              where e.visitor_id is not null
           ) as d
     where not exists (select from public.visitor as q where q.visitor_id = d.visitor_id)
     order by d.visitor_id
    on conflict (visitor_id) do nothing
    returning modelpack.key_value(p.visitor_id)::text as key, p.features_read_at is not null as read
  )
  -- not where triggers do not fire, in a replica: it is counted below
  select array_agg(made.key) filter (where made.read) into v_made from made;
  -- rows are locked in the order of their keys: two statements never wait for each other in a circle
  with came as (
    select e.visitor_id,
           coalesce(
             case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at <= v_moment
               then modelpack.decay(1::double precision, date_part('epoch', v_moment - e.viewed_at::timestamptz),
                 259200) end, 0) as interest,
           case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at > v_moment
               and e.viewed_at < date '200000-01-01' then e.viewed_at::timestamptz end as interest_ahead,
           coalesce(
             case when isfinite(e.viewed_at) and e.viewed_at <= v_moment
               then modelpack.decay((modelpack.amount(e.seconds))::double precision,
                 date_part('epoch', v_moment - e.viewed_at::timestamptz), 43200) end, 0) as attention,
           case when isfinite(e.viewed_at) and e.viewed_at > v_moment and e.viewed_at < date '200000-01-01'
               then e.viewed_at::timestamptz end as attention_ahead,
           row(
             case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at > v_moment
               and e.viewed_at < date '200000-01-01' then e.viewed_at::timestamptz end,
             case when isfinite(e.viewed_at) and e.viewed_at > v_moment and e.viewed_at < date '200000-01-01'
               then e.viewed_at::timestamptz end, (not e.is_bot), e.viewed_at, e.page, e.seconds)::text as "the image"
      from new_rows as e
     where e.visitor_id is not null
  ),
  went as (
    select e.visitor_id,
           coalesce(
             case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at <= v_moment
               then modelpack.decay(1::double precision, date_part('epoch', v_moment - e.viewed_at::timestamptz),
                 259200) end, 0) as interest,
           case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at > v_moment
               and e.viewed_at < date '200000-01-01' then e.viewed_at::timestamptz end as interest_ahead,
           coalesce(
             case when isfinite(e.viewed_at) and e.viewed_at <= v_moment
               then modelpack.decay((modelpack.amount(e.seconds))::double precision,
                 date_part('epoch', v_moment - e.viewed_at::timestamptz), 43200) end, 0) as attention,
           case when isfinite(e.viewed_at) and e.viewed_at > v_moment and e.viewed_at < date '200000-01-01'
               then e.viewed_at::timestamptz end as attention_ahead,
           row(
             case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at > v_moment
               and e.viewed_at < date '200000-01-01' then e.viewed_at::timestamptz end,
             case when isfinite(e.viewed_at) and e.viewed_at > v_moment and e.viewed_at < date '200000-01-01'
               then e.viewed_at::timestamptz end, (not e.is_bot), e.viewed_at, e.page, e.seconds)::text as "the image"
      from old_rows as e
     where e.visitor_id is not null
  ),
  changed as (
    select 1 as "the sign", x.* from (select * from came except all select * from went) as x
    union all
    select -1 as "the sign", x.* from (select * from went except all select * from came) as x
  )
  select array_agg(x.key) filter (where x.read) into v_read
    from (
           select modelpack.key_value(p.visitor_id)::text as key,
                  (p.features_read_at >= modelpack.visitor_since()) is not true or p.features_read_at = v_statement
                    or p.features_reread_at = v_statement as read
             from (
                    select distinct c.visitor_id
                      from changed as c
                  ) as d
             join public.visitor as p on p.visitor_id = d.visitor_id
            order by p.visitor_id
              for no key update of p
         ) as x;
  with came as (
    select e.visitor_id,
           coalesce(
             case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at <= v_moment
               then modelpack.decay(1::double precision, date_part('epoch', v_moment - e.viewed_at::timestamptz),
                 259200) end, 0) as interest,
           case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at > v_moment
               and e.viewed_at < date '200000-01-01' then e.viewed_at::timestamptz end as interest_ahead,
           coalesce(
             case when isfinite(e.viewed_at) and e.viewed_at <= v_moment
               then modelpack.decay((modelpack.amount(e.seconds))::double precision,
                 date_part('epoch', v_moment - e.viewed_at::timestamptz), 43200) end, 0) as attention,
           case when isfinite(e.viewed_at) and e.viewed_at > v_moment and e.viewed_at < date '200000-01-01'
               then e.viewed_at::timestamptz end as attention_ahead,
           row(
             case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at > v_moment
               and e.viewed_at < date '200000-01-01' then e.viewed_at::timestamptz end,
             case when isfinite(e.viewed_at) and e.viewed_at > v_moment and e.viewed_at < date '200000-01-01'
               then e.viewed_at::timestamptz end, (not e.is_bot), e.viewed_at, e.page, e.seconds)::text as "the image"
      from new_rows as e
     where e.visitor_id is not null
  ),
  went as (
    select e.visitor_id,
           coalesce(
             case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at <= v_moment
               then modelpack.decay(1::double precision, date_part('epoch', v_moment - e.viewed_at::timestamptz),
                 259200) end, 0) as interest,
           case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at > v_moment
               and e.viewed_at < date '200000-01-01' then e.viewed_at::timestamptz end as interest_ahead,
           coalesce(
             case when isfinite(e.viewed_at) and e.viewed_at <= v_moment
               then modelpack.decay((modelpack.amount(e.seconds))::double precision,
                 date_part('epoch', v_moment - e.viewed_at::timestamptz), 43200) end, 0) as attention,
           case when isfinite(e.viewed_at) and e.viewed_at > v_moment and e.viewed_at < date '200000-01-01'
               then e.viewed_at::timestamptz end as attention_ahead,
           row(
             case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at > v_moment
               and e.viewed_at < date '200000-01-01' then e.viewed_at::timestamptz end,
             case when isfinite(e.viewed_at) and e.viewed_at > v_moment and e.viewed_at < date '200000-01-01'
               then e.viewed_at::timestamptz end, (not e.is_bot), e.viewed_at, e.page, e.seconds)::text as "the image"
      from old_rows as e
     where e.visitor_id is not null
  ),
  changed as (
    select 1 as "the sign", x.* from (select * from came except all select * from went) as x
    union all
    select -1 as "the sign", x.* from (select * from went except all select * from came) as x
  )
  update public.visitor as p
     set interest = r.interest,
         interest_ahead = r.interest_ahead,
         attention = r.attention,
         attention_ahead = r.attention_ahead,
         features_at = v_moment,
         features_reread_at = v_statement
    from (
           select c.visitor_id
             from changed as c
            group by c.visitor_id
         ) as d
         cross join lateral (
           select coalesce(
             sum(
               coalesce(
                 case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at <= v_moment
                   then modelpack.decay(1::double precision, date_part('epoch', v_moment - e.viewed_at::timestamptz),
                     259200) end, 0)), 0) as interest,
                  max(
                    case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at > v_moment
                      and e.viewed_at < date '200000-01-01' then e.viewed_at::timestamptz end) as interest_ahead,
                  coalesce(
                    sum(
                      coalesce(
                        case when isfinite(e.viewed_at) and e.viewed_at <= v_moment
                          then modelpack.decay((modelpack.amount(e.seconds))::double precision,
                            date_part('epoch', v_moment - e.viewed_at::timestamptz), 43200) end, 0)), 0) as attention,
                  max(
                    case when isfinite(e.viewed_at) and e.viewed_at > v_moment and e.viewed_at < date '200000-01-01'
                      then e.viewed_at::timestamptz end) as attention_ahead
             from public.page_view as e
            where e.visitor_id = d.visitor_id
         ) as r
   where p.visitor_id = d.visitor_id
     and ((p.features_read_at >= modelpack.visitor_since()) is not true or p.features_read_at = v_statement
       or p.features_reread_at = v_statement) is not true;
  -- profiles that this very statement has read from the events know of its changes; others, that were never counted,
  -- are counted again
  if v_read is not null then
    if v_made is not null then
      select array_agg(x.key) into v_read
        from (select unnest(v_read) as key except select unnest(v_made)) as x;
    end if;
    perform modelpack.visitor_recount(v_read);
  end if;
  return null;
end
$modelpack$;

revoke all on function modelpack.visitor_count_page_view_update() from public;

comment on function modelpack.visitor_count_page_view_update() is
  'COUNT of public.visitor: keeps views_7d, pages_30d, seconds_30d, spread_30d, fastest_7d, interest, attention '
  'when rows of public.page_view are updated. Generated by modelpack from the declaration. [visitor]';

create or replace function modelpack.visitor_count_page_view_delete()
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
-- COUNT of public.visitor: keeps views_7d, pages_30d, seconds_30d, spread_30d, fastest_7d, interest, attention when
-- rows of public.page_view are deleted. Generated by modelpack from the declaration.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_seqscan, enable_hashjoin, enable_mergejoin, jit: off, since a session keeps a plan for whatever number of rows
-- comes: one by an index is good for a row and for many.
#variable_conflict use_variable
declare
  v_moment constant timestamptz := clock_timestamp();
  v_statement constant timestamptz := greatest(now(), statement_timestamp());
  v_read text[];
begin
  if tg_relid <> 'public.page_view'::regclass then  -- a partition of it, or one on its way
    if not exists (select from pg_partition_ancestors(tg_relid) as a where a.relid = 'public.page_view'::regclass)
       and (select c.relpersistence from pg_class as c where c.oid = tg_relid) <> 't'
    then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s has the triggers of the event table %s, which is another relation now',
                         tg_relid::regclass, 'public.page_view'),
        detail = 'Its rows would count as events of that.',
        hint
          = 'Rename it back; or modelpack apply DECLARATION, which moves the triggers to the table that is declared.';
    end if;
  end if;
  if not exists (select from old_rows) then
    return null;
  end if;
  if (select count(*) from pg_trigger as t
       where t.tgrelid = 'public.visitor'::regclass
         and t.tgname in ('modelpack_visitor_guard', 'zz_modelpack_visitor_score')) < 2
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.visitor_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'public.visitor is another table than the profile that was declared: it has no score trigger',
      hint = 'select * from modelpack.doctor() says where the profile is now, and what to run.';
  end if;
  if exists (
       select d.visitor_id
         from (
                select distinct e.visitor_id
                  from old_rows as e
                 where e.visitor_id is not null
              ) as d
        where not exists (select from public.visitor as q where q.visitor_id = d.visitor_id)
     ) then
    -- keys without a profile: whoever makes one of them a profile waits for us, or we for them
    perform modelpack.visitor_meet(array(
      select hash_record_extended(row(u.visitor_id), 0)::text
        from (
               select d.visitor_id
                 from (
                        select distinct e.visitor_id
                          from old_rows as e
                         where e.visitor_id is not null
                      ) as d
                where not exists (select from public.visitor as q where q.visitor_id = d.visitor_id)
             ) as u
       order by u.visitor_id
    ));
  end if;
  -- rows are locked in the order of their keys: two statements never wait for each other in a circle
  select array_agg(x.key) filter (where x.read) into v_read
    from (
           select modelpack.key_value(p.visitor_id)::text as key,
                  (p.features_read_at >= modelpack.visitor_since()) is not true or p.features_read_at = v_statement
                    or p.features_reread_at = v_statement as read
             from (
                    select distinct e.visitor_id
                      from old_rows as e
                     where e.visitor_id is not null
                  ) as d
             join public.visitor as p on p.visitor_id = d.visitor_id
            order by p.visitor_id
              for no key update of p
         ) as x;
  update public.visitor as p
     set interest = r.interest,
         interest_ahead = r.interest_ahead,
         attention = r.attention,
         attention_ahead = r.attention_ahead,
         features_at = v_moment,
         features_reread_at = v_statement
    from (
           select c.visitor_id
             from (
                    select -1 as "the sign",
                           e.visitor_id,
                           coalesce(
                             case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at <= v_moment
                               then modelpack.decay(1::double precision,
                                 date_part('epoch', v_moment - e.viewed_at::timestamptz), 259200) end, 0) as interest,
                           case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at > v_moment
                               and e.viewed_at < date '200000-01-01'
                               then e.viewed_at::timestamptz end as interest_ahead,
                           coalesce(
                             case when isfinite(e.viewed_at) and e.viewed_at <= v_moment
                               then modelpack.decay((modelpack.amount(e.seconds))::double precision,
                                 date_part('epoch', v_moment - e.viewed_at::timestamptz), 43200) end, 0) as attention,
                           case when isfinite(e.viewed_at) and e.viewed_at > v_moment
                               and e.viewed_at < date '200000-01-01'
                               then e.viewed_at::timestamptz end as attention_ahead
                      from old_rows as e
                     where e.visitor_id is not null
                  ) as c
            group by c.visitor_id
         ) as d
         cross join lateral (
           select coalesce(
             sum(
               coalesce(
                 case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at <= v_moment
                   then modelpack.decay(1::double precision, date_part('epoch', v_moment - e.viewed_at::timestamptz),
                     259200) end, 0)), 0) as interest,
                  max(
                    case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at > v_moment
                      and e.viewed_at < date '200000-01-01' then e.viewed_at::timestamptz end) as interest_ahead,
                  coalesce(
                    sum(
                      coalesce(
                        case when isfinite(e.viewed_at) and e.viewed_at <= v_moment
                          then modelpack.decay((modelpack.amount(e.seconds))::double precision,
                            date_part('epoch', v_moment - e.viewed_at::timestamptz), 43200) end, 0)), 0) as attention,
                  max(
                    case when isfinite(e.viewed_at) and e.viewed_at > v_moment and e.viewed_at < date '200000-01-01'
                      then e.viewed_at::timestamptz end) as attention_ahead
             from public.page_view as e
            where e.visitor_id = d.visitor_id
         ) as r
   where p.visitor_id = d.visitor_id
     and ((p.features_read_at >= modelpack.visitor_since()) is not true or p.features_read_at = v_statement
       or p.features_reread_at = v_statement) is not true;
  -- profiles that this very statement has read from the events know of its changes; others, that were never counted,
  -- are counted again
  if v_read is not null then
    perform modelpack.visitor_recount(v_read);
  end if;
  return null;
end
$modelpack$;

revoke all on function modelpack.visitor_count_page_view_delete() from public;

comment on function modelpack.visitor_count_page_view_delete() is
  'COUNT of public.visitor: keeps views_7d, pages_30d, seconds_30d, spread_30d, fastest_7d, interest, attention '
  'when rows of public.page_view are deleted. Generated by modelpack from the declaration. [visitor]';

create or replace function modelpack.visitor_count_page_view_truncate()
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
-- COUNT of public.visitor: keeps views_7d, pages_30d, seconds_30d, spread_30d, fastest_7d, interest, attention when
-- rows of public.page_view are truncated. Generated by modelpack from the declaration.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_seqscan, enable_hashjoin, enable_mergejoin, jit: off, since a session keeps a plan for whatever number of rows
-- comes: one by an index is good for a row and for many.
#variable_conflict use_variable
begin
  if tg_relid <> 'public.page_view'::regclass then  -- a partition of it, or one on its way
    if not exists (select from pg_partition_ancestors(tg_relid) as a where a.relid = 'public.page_view'::regclass)
       and (select c.relpersistence from pg_class as c where c.oid = tg_relid) <> 't'
    then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s has the triggers of the event table %s, which is another relation now',
                         tg_relid::regclass, 'public.page_view'),
        detail = 'Its rows would count as events of that.',
        hint
          = 'Rename it back; or modelpack apply DECLARATION, which moves the triggers to the table that is declared.';
    end if;
  end if;
  perform modelpack.visitor_rebuild(0, null);
  return null;
end
$modelpack$;

revoke all on function modelpack.visitor_count_page_view_truncate() from public;

comment on function modelpack.visitor_count_page_view_truncate() is
  'COUNT of public.visitor: keeps views_7d, pages_30d, seconds_30d, spread_30d, fastest_7d, interest, attention '
  'when rows of public.page_view are truncated. Generated by modelpack from the declaration. [visitor]';

create or replace function modelpack.visitor_count_page_view_move()
returns trigger
language plpgsql security invoker
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Notes rows of public.page_view that a statement moves to another partition.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
begin
  if tg_op = 'UPDATE' then
    perform set_config('modelpack.moving_9fc95dca4b9817b0', md5(to_jsonb(old)::text), true);
    return new;
  end if;
  if current_setting('modelpack.moving_9fc95dca4b9817b0', true) <> '' then
    if current_setting('modelpack.moving_9fc95dca4b9817b0', true) = md5(to_jsonb(old)::text) then
      perform set_config('modelpack.moved_9fc95dca4b9817b0', md5(to_jsonb(old)::text), true);
    end if;
    perform set_config('modelpack.moving_9fc95dca4b9817b0', '', true);
  end if;
  return old;
end
$modelpack$;

revoke all on function modelpack.visitor_count_page_view_move() from public;

comment on function modelpack.visitor_count_page_view_move() is
  'Notes rows of public.page_view that a statement moves to another partition. [visitor]';

create or replace function modelpack.visitor_scored(p anyelement, q anyelement, written text)
returns anyelement
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- A row of public.visitor with its features brought up to the moment and its scores; logs them. Generated by modelpack
-- from the declaration.
#variable_conflict use_variable
declare
  new record := p;
  old record := q;
  v_moment constant timestamptz := clock_timestamp();
  v_settings text[];
begin
  if written = 'by hand' then
    if new.visitor_id <> old.visitor_id then
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
  if written in ('anew', 'under another key') or (new.features_read_at >= modelpack.visitor_since()) is not true then
    -- a new key, or one that was not counted yet: every feature from the events that are there already
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.visitor_seen();
    end if;
    if not exists (select from pg_trigger as t
                    where t.tgrelid = 'public.page_view'::regclass
                      and t.tgfoid = 'modelpack.visitor_count_page_view_insert()'::regprocedure)
    then
      if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        perform modelpack.visitor_seen();
      end if;
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format(
          '%s is another table than the event table that the declaration of %s means: it has no count trigger',
          'public.page_view',
          'public.visitor'),
        detail = 'Its rows would count as events.',
        hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
    end if;
    -- events of others with this key, which may go just now: whoever takes them waits for us, or we for them
    if written in ('anew', 'under another key') and (
      exists (select from public.page_view as e where e.visitor_id = new.visitor_id
        and e.xmin <> pg_current_xact_id()::xid)
    ) then
      perform modelpack.visitor_meet(array(
        select hash_record_extended(row(new.visitor_id), 0)::text
      ));
    end if;
    select coalesce(
      sum(
        coalesce(
          case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at <= v_moment
            then modelpack.decay(1::double precision, date_part('epoch', v_moment - e.viewed_at::timestamptz), 259200)
          end, 0)), 0),
           max(
             case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at > v_moment
               and e.viewed_at < date '200000-01-01' then e.viewed_at::timestamptz end),
           coalesce(
             sum(
               coalesce(
                 case when isfinite(e.viewed_at) and e.viewed_at <= v_moment
                   then modelpack.decay((modelpack.amount(e.seconds))::double precision,
                     date_part('epoch', v_moment - e.viewed_at::timestamptz), 43200) end, 0)), 0),
           max(
             case when isfinite(e.viewed_at) and e.viewed_at > v_moment and e.viewed_at < date '200000-01-01'
               then e.viewed_at::timestamptz end)
      into new.interest,
           new.interest_ahead,
           new.attention,
           new.attention_ahead
      from public.page_view as e
     where e.visitor_id = new.visitor_id;
    new.features_read_at := greatest(now(), statement_timestamp());
  else
    -- decayed features lose weight up to the moment
    new.interest := modelpack.decay(new.interest, date_part('epoch', v_moment - coalesce(new.features_at, v_moment)),
      259200);
    new.attention := modelpack.decay(new.attention, date_part('epoch', v_moment - coalesce(new.features_at, v_moment)),
      43200);
    if greatest(new.interest_ahead, new.attention_ahead) > least(old.features_at, new.features_at)
      or v_moment < greatest(old.features_at, new.features_at) then
      select coalesce(
        sum(
          coalesce(
            case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at <= v_moment
              then modelpack.decay(1::double precision, date_part('epoch', v_moment - e.viewed_at::timestamptz), 259200)
            end, 0)), 0),
             max(
               case when (not e.is_bot) and isfinite(e.viewed_at) and e.viewed_at > v_moment
                 and e.viewed_at < date '200000-01-01' then e.viewed_at::timestamptz end),
             coalesce(
               sum(
                 coalesce(
                   case when isfinite(e.viewed_at) and e.viewed_at <= v_moment
                     then modelpack.decay((modelpack.amount(e.seconds))::double precision,
                       date_part('epoch', v_moment - e.viewed_at::timestamptz), 43200) end, 0)), 0),
             max(
               case when isfinite(e.viewed_at) and e.viewed_at > v_moment and e.viewed_at < date '200000-01-01'
                 then e.viewed_at::timestamptz end)
        into new.interest,
             new.interest_ahead,
             new.attention,
             new.attention_ahead
        from public.page_view as e
       where e.visitor_id = new.visitor_id;
      new.features_reread_at := greatest(now(), statement_timestamp());
    end if;
  end if;
  -- windows, read under the row's lock
  if not exists (select from pg_trigger as t
                  where t.tgrelid = 'public.page_view'::regclass
                    and t.tgfoid = 'modelpack.visitor_count_page_view_insert()'::regprocedure)
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.visitor_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format(
        '%s is another table than the event table that the declaration of %s means: it has no count trigger',
        'public.page_view',
        'public.visitor'),
      detail = 'Its rows would count as events.',
      hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
  end if;
  select count(*)
    filter (where (not e.is_bot) and e.viewed_at > v_moment - interval '7 days' and e.viewed_at <= v_moment),
         count(distinct e.page) filter (where e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment),
         (
             sum(
               case when e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment
                 then modelpack.amount(e.seconds) end))::double precision
           / nullif(
             count(
               case when e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment
                 then modelpack.amount(e.seconds) end), 0),
         sqrt(
           (
             count(
               case when e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment
                 then modelpack.amount(e.seconds) end)
             * sum(
               (
                 case when e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment
                   then modelpack.amount(e.seconds) end)
               * (
                 case when e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment
                   then modelpack.amount(e.seconds) end))
             - sum(
               case when e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment
                 then modelpack.amount(e.seconds) end)
             * sum(
               case when e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment
                 then modelpack.amount(e.seconds) end))::double precision
           / nullif(
             count(
               case when e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment
                 then modelpack.amount(e.seconds) end)::double precision
             * (
               count(
                 case when e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment
                   then modelpack.amount(e.seconds) end) - 1), 0)),
         percentile_disc(0) within group (order by e.seconds)
           filter (where e.viewed_at > v_moment - interval '7 days' and e.viewed_at <= v_moment)
    into new.views_7d,
         new.pages_30d,
         new.seconds_30d,
         new.spread_30d,
         new.fastest_7d
    from public.page_view as e
   where e.visitor_id = new.visitor_id and e.viewed_at > v_moment - interval '30 days' and e.viewed_at <= v_moment;
  new.features_at := v_moment;
  if v_settings is not null then
    perform set_config('TimeZone', v_settings[1], true),
            set_config('extra_float_digits', v_settings[2], true);
  end if;
  return new;
end
$modelpack$;

revoke all on function modelpack.visitor_scored(anyelement, anyelement, text) from public;

comment on function modelpack.visitor_scored(anyelement, anyelement, text) is
  'A row of public.visitor with its features brought up to the moment and its scores; logs them. Generated by '
  'modelpack from the declaration. [visitor]';

create or replace function modelpack.visitor_score()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- SCORE of public.visitor: scores a row that is new, has another key or another static input, before it is written.
-- Generated by modelpack from the declaration.
#variable_conflict use_variable
declare
  v_moves boolean;
begin
  if tg_op = 'UPDATE' and new.visitor_id = old.visitor_id then
    if tg_nargs = 0 then
      -- features and scores are the guard's to look at
      return new;
    elsif new.features_at = old.features_at then
      -- nothing that a score depends on has changed
      if row(
           new.visitor_id,
           new.views_7d,
           new.pages_30d,
           new.seconds_30d,
           new.spread_30d,
           new.fastest_7d,
           new.interest,
           new.interest_ahead,
           new.attention,
           new.attention_ahead
         )::pg_catalog.record operator(pg_catalog.*=) row(
           old.visitor_id,
           old.views_7d,
           old.pages_30d,
           old.seconds_30d,
           old.spread_30d,
           old.fastest_7d,
           old.interest,
           old.interest_ahead,
           old.attention,
           old.attention_ahead
         )::pg_catalog.record
      then
        return new;
      end if;
    end if;
  end if;
  if tg_op = 'UPDATE' and (new.visitor_id <> old.visitor_id) then
    if tg_relid <> 'public.visitor'::regclass then
      -- to another partition it goes as an INSERT, which scores and logs it
      execute format('select not (%s) from (select ($1).*) as r', pg_get_partition_constraintdef(tg_relid))
         into v_moves using new;
      if v_moves then
        return new;
      end if;
    end if;
  end if;
  new := modelpack.visitor_scored(new, old,
    case when tg_op = 'INSERT' then 'anew' when new.visitor_id <> old.visitor_id then 'under another key'
      else 'with another input' end);
  return new;
end
$modelpack$;

revoke all on function modelpack.visitor_score() from public;

comment on function modelpack.visitor_score() is
  'SCORE of public.visitor: scores a row that is new, has another key or another static input, before it is '
  'written. Generated by modelpack from the declaration. [visitor]';

create or replace function modelpack.visitor_once()
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Makes missing rows of public.visitor and counts new features, once.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
begin
  insert into public.visitor (visitor_id) overriding system value
  select distinct e.visitor_id
    from public.page_view as e
   where e.visitor_id is not null
     and not exists (select from public.visitor as q where q.visitor_id = e.visitor_id)
   order by e.visitor_id;
end
$modelpack$;

revoke all on function modelpack.visitor_once() from public;

comment on function modelpack.visitor_once() is
  'Makes missing rows of public.visitor and counts new features, once. [visitor]';

create trigger modelpack_visitor_guard before update of attention, attention_ahead, fastest_7d, features_at,
  features_read_at, features_reread_at, interest, interest_ahead, pages_30d, seconds_30d, spread_30d,
  views_7d on public.visitor
  for each row execute function modelpack.visitor_guard();

create trigger zz_modelpack_visitor_score before insert or update of visitor_id on public.visitor
  for each row execute function modelpack.visitor_score();

select modelpack.run_as('public.visitor');

select modelpack.bind('public.visitor');

create or replace trigger modelpack_visitor_insert after insert on public.page_view
  referencing new table as new_rows
  for each statement execute function modelpack.visitor_count_page_view_insert();

create or replace trigger modelpack_visitor_update after update on public.page_view
  referencing old table as old_rows new table as new_rows
  for each statement execute function modelpack.visitor_count_page_view_update();

create or replace trigger modelpack_visitor_delete after delete on public.page_view
  referencing old table as old_rows
  for each statement execute function modelpack.visitor_count_page_view_delete();

create or replace trigger modelpack_visitor_truncate after truncate on public.page_view
  for each statement execute function modelpack.visitor_count_page_view_truncate();

select modelpack.follow_moves('public.page_view', 'zz_modelpack_visitor_moves', 'zz_modelpack_visitor_moved',
  'visitor_count_page_view_move');

select modelpack.visitor_once();

drop function modelpack.visitor_once();

select sum(modelpack.visitor_rebuild(c.first_block, coalesce(c.last_block, c.first_block + 500 - 1)))
  from modelpack.chunks('public.visitor', 500) as c;

select modelpack.cover_partitions('public.visitor');

select modelpack.cover_partitions('public.page_view');

select modelpack.seal('public.visitor');

commit;
