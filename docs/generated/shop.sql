-- The shop of the README, as it stands in examples/declaration.py: two event tables, one score.
-- Written by `make docs` from shop.py; look at it, do not edit it.
-- The same comes of: modelpack apply docs/generated/shop.py --sql
--
--     from modelpack import Event, Profile, Score, age, count, decayed, last, mean, total
--
--     customer = Profile(
--         "customer",
--         key="customer_id",
--         events=[
--             Event(
--                 "purchase",
--                 at="purchased_at",
--                 features={
--                     "purchases": count(),
--                     "purchases_90d": count(window="90 days"),
--                     "spend": total("amount"),
--                     "basket": mean("amount"),
--                     "last_purchase_at": last("purchased_at"),
--                 },
--             ),
--             Event(
--                 "complaint",
--                 at="created_at",
--                 where="severity > 1",
--                 features={
--                     "complaints": count(),
--                     "complaint_heat": decayed(half_life="14 days"),
--                 },
--             ),
--         ],
--         # An input that is not named here is the profile's column of the same name, such as plan.
--         scores=[Score("churn", model="churn", inputs={"days_quiet": age("last_purchase_at")})],
--     )

begin;

select modelpack.alone();

select modelpack.take_turn('churn');

select modelpack.lock_tables(
  array_remove(array['public.complaint'::regclass,
                     'public.purchase'::regclass]::regclass[], null),
  'public.customer', 'share row exclusive');

select modelpack.check_key_columns('public.customer', array['customer_id']::text[], 'public.purchase',
  array['customer_id']::text[]);

select modelpack.check_key_columns('public.customer', array['customer_id']::text[], 'public.complaint',
  array['customer_id']::text[]);

select modelpack.attach(
  relation => 'public.customer',
  declaration => E'{
    "events": [
      {
        "at": "purchased_at",
        "features": [
          {"kind": "count", "name": "purchases"},
          {"kind": "count", "name": "purchases_90d", "window": "90 days"},
          {"column": "amount", "kind": "total", "name": "spend"},
          {"column": "amount", "kind": "mean", "name": "basket"},
          {"column": "purchased_at", "kind": "last", "name": "last_purchase_at"}
        ],
        "key": null,
        "missing": "create",
        "on_delete": "subtract",
        "table": "purchase",
        "where": null
      },
      {
        "at": "created_at",
        "features": [
          {"kind": "count", "name": "complaints"},
          {"half_life": "14 days", "kind": "decayed", "name": "complaint_heat"}
        ],
        "key": null,
        "missing": "create",
        "on_delete": "subtract",
        "table": "complaint",
        "where": "severity > 1"
      }
    ],
    "format": 1,
    "key": ["customer_id"],
    "scores": [
      {
        "inputs": {
          "days_quiet": {
            "columns": ["last_purchase_at"],
            "may_fail": false,
            "sql": "case when isfinite(p.last_purchase_at) and p.last_purchase_at < date ''200000-01-01'' then date_part(''epoch'', \\"the moment\\" - p.last_purchase_at::timestamptz) / 86400 end"
          }
        },
        "model": "churn",
        "name": "churn",
        "on_error": "stale"
      }
    ],
    "table": "customer"
  }'::jsonb,
  maintained => array['purchases', 'purchases_90d', 'spend', 'basket', 'basket_n', 'basket_sum', 'last_purchase_at',
    'complaints', 'complaint_heat', 'complaint_heat_ahead']::text[],
  wanted_columns => array['features_at', 'features_read_at', 'features_reread_at', 'purchases', 'purchases_90d',
    'spend', 'basket', 'basket_n', 'basket_sum', 'last_purchase_at', 'complaints', 'complaint_heat',
    'complaint_heat_ahead', 'churn', 'churn_version', 'churn_scored_at', 'churn_stale']::text[],
  scores => E'[
    {
      "inputs": {
        "days_quiet": {
          "columns": ["last_purchase_at"],
          "may_fail": false,
          "sql": "case when isfinite(p.last_purchase_at) and p.last_purchase_at < date ''200000-01-01'' then date_part(''epoch'', \\"the moment\\" - p.last_purchase_at::timestamptz) / 86400 end"
        }
      },
      "model": "churn",
      "name": "churn",
      "on_error": "stale",
      "stem": "customer_score_churn"
    }
  ]'::jsonb,
  stem => 'customer');

alter table public.customer add column if not exists features_at timestamptz;

alter table public.customer add column if not exists features_read_at timestamptz;

alter table public.customer add column if not exists features_reread_at timestamptz;

alter table public.customer add column if not exists purchases bigint not null default 0;

alter table public.customer add column if not exists purchases_90d bigint not null default 0;

alter table public.customer add column if not exists spend numeric not null default 0;

alter table public.customer add column if not exists basket double precision;

alter table public.customer add column if not exists basket_n bigint not null default 0;

alter table public.customer add column if not exists basket_sum numeric not null default 0;

select modelpack.add_column_like('public.customer', 'last_purchase_at', 'public.purchase', 'purchased_at');

alter table public.customer add column if not exists complaints bigint not null default 0;

alter table public.customer add column if not exists complaint_heat double precision not null default 0;

alter table public.customer add column if not exists complaint_heat_ahead timestamptz;

alter table public.customer add column if not exists churn double precision;

alter table public.customer add column if not exists churn_version integer;

alter table public.customer add column if not exists churn_scored_at timestamptz;

alter table public.customer add column if not exists churn_stale text;

comment on column public.customer.basket_n is
  'helper of the feature basket; kept by modelpack';

comment on column public.customer.basket_sum is
  'helper of the feature basket; kept by modelpack';

comment on column public.customer.complaint_heat_ahead is
  'helper of the feature complaint_heat; kept by modelpack';

comment on column public.customer.purchases is
  'count() of purchase; kept by modelpack';

comment on column public.customer.purchases_90d is
  'count(window=''90 days'') of purchase; kept by modelpack';

comment on column public.customer.spend is
  'total(column=''amount'') of purchase; kept by modelpack';

comment on column public.customer.basket is
  'mean(column=''amount'') of purchase; kept by modelpack';

comment on column public.customer.last_purchase_at is
  'last(column=''purchased_at'') of purchase; kept by modelpack';

comment on column public.customer.complaints is
  'count() of complaint where severity > 1; kept by modelpack';

comment on column public.customer.complaint_heat is
  'decayed(half_life=''14 days'') of complaint where severity > 1; kept by modelpack';

comment on column public.customer.features_at is
  'when windowed and decayed features were brought up to the moment; kept by modelpack';

comment on column public.customer.features_read_at is
  'statement that read all features of the row from the events; kept by modelpack';

comment on column public.customer.features_reread_at is
  'statement that read decayed features from the events again; kept by modelpack';

comment on column public.customer.churn is
  'score of the model churn; kept by modelpack';

comment on column public.customer.churn_version is
  'version that gave the score; kept by modelpack';

comment on column public.customer.churn_scored_at is
  'when the score was given; kept by modelpack';

comment on column public.customer.churn_stale is
  'NULL when the score is fresh, else why it is not; kept by modelpack';

select modelpack.check_meaning('public.complaint', '(e.severity > 1)', 'e', true);

select modelpack.ensure_stale_index('public.customer', array['customer_id']::text[], array['churn_stale']::text[]);

select modelpack.ensure_index('public.customer', 'public.purchase', array['customer_id']::text[], 'purchased_at');

select modelpack.ensure_index('public.customer', 'public.complaint', array['customer_id']::text[], null);

create or replace function modelpack.customer_recount(only_keys text[])
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $modelpack$
-- Counts the features of some rows of public.customer again; keys as modelpack.verify() writes them.
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
                  where t.tgrelid = 'public.purchase'::regclass
                    and t.tgfoid = 'modelpack.customer_count_purchase_insert()'::regprocedure)
     or not exists (select from pg_trigger as t
                     where t.tgrelid = 'public.complaint'::regclass
                       and t.tgfoid = 'modelpack.customer_count_complaint_insert()'::regprocedure)
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.customer_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format(
        '%s is another table than the event table that the declaration of %s means: it has no count trigger',
        concat_ws(', ',
          case when not exists (select from pg_trigger as t
                                 where t.tgrelid = 'public.purchase'::regclass
                                   and t.tgfoid = 'modelpack.customer_count_purchase_insert()'::regprocedure)
            then 'public.purchase' end,
          case when not exists (select from pg_trigger as t
                                 where t.tgrelid = 'public.complaint'::regclass
                                   and t.tgfoid = 'modelpack.customer_count_complaint_insert()'::regprocedure)
            then 'public.complaint' end),
        'public.customer'),
      detail = 'Its rows would count as events.',
      hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
  end if;
  if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
    perform modelpack.customer_seen();
  end if;
  perform
    from jsonb_populate_recordset(
           (select row(q.*)::public.customer from public.customer as q limit 1),
           (select jsonb_agg(jsonb_build_object('customer_id', u.key))
              from (select distinct unnest(only_keys)) as u (key))
         ) as k
    join public.customer as p on p.customer_id = k.customer_id
   order by p.customer_id
     for no key update of p;
  get diagnostics v_rows = row_count;
  v_moment := clock_timestamp();
  if v_rows >= 8 and modelpack.customer_batched() and modelpack.customer_shaped() then
    v_version_1 := modelpack.customer_score_churn_version();
    -- all rows in one call of each model
    with chosen as materialized (
      select f.*,
             count(*) filter (where f."is fed") over up as "the number",
             sum(f."the size") over up / 32000000 as "the chunk"
        from (
               select k.*,
                      not k."is alone" and k."churn inputs" is not null as "is fed",
                      100
                        + coalesce(pg_column_size(k."churn inputs") + coalesce(pg_column_size(k."churn texts"), 0),
                          0) as "the size"
                 from (
                        select c."the place", c."the partition", c."is alone",
                               c.purchases,
                               c.purchases_90d,
                               c.spend,
                               c.basket,
                               c.basket_n,
                               c.basket_sum,
                               c.last_purchase_at,
                               c.complaints,
                               c.complaint_heat,
                               c.complaint_heat_ahead,
                               c.features_read_at,
                               c.features_reread_at,
                               modelpack.customer_score_churn_numbers(
                                 modelpack.customer_with(c."the row", c.purchases, c.purchases_90d, c.spend, c.basket,
                                   c.basket_n, c.basket_sum, c.last_purchase_at, c.complaints, c.complaint_heat,
                                   c.complaint_heat_ahead), v_moment, v_version_1) as "churn inputs",
                               modelpack.customer_score_churn_texts(
                                 modelpack.customer_with(c."the row", c.purchases, c.purchases_90d, c.spend, c.basket,
                                   c.basket_n, c.basket_sum, c.last_purchase_at, c.complaints, c.complaint_heat,
                                   c.complaint_heat_ahead), v_moment, v_version_1) as "churn texts"
                          from (
                                 select row(p.*)::public.customer as "the row", p.ctid as "the place",
                                   p.tableoid as "the partition",
                                        coalesce(p.features_at >= v_moment, false)
                                          or coalesce(greatest(r1.complaint_heat_ahead)
                                            > coalesce(p.features_at, v_moment), false) as "is alone",
                                        r0.purchases as purchases,
                                        case when s."read afresh" then r0.purchases_90d
                                            else w0.purchases_90d end as purchases_90d,
                                        r0.spend as spend,
                                        r0.basket as basket,
                                        r0.basket_n as basket_n,
                                        r0.basket_sum as basket_sum,
                                        r0.last_purchase_at as last_purchase_at,
                                        r1.complaints as complaints,
                                        modelpack.decay(r1.complaint_heat,
                                          date_part('epoch', v_moment - s."the moment"), 1209600) as complaint_heat,
                                        r1.complaint_heat_ahead as complaint_heat_ahead,
                                        case when s."read afresh" then greatest(now(), statement_timestamp())
                                            else p.features_read_at end as features_read_at,
                                        greatest(now(), statement_timestamp()) as features_reread_at
                                   from jsonb_populate_recordset(
                                          (select row(q.*)::public.customer from public.customer as q limit 1),
                                          (select jsonb_agg(jsonb_build_object('customer_id', u.key))
                                             from (select distinct unnest(only_keys)) as u (key))
                                        ) as k
                                        join public.customer as p on p.customer_id = k.customer_id
                                   cross join lateral (
                                     select p.features_at is null
                                       or (p.features_read_at >= modelpack.customer_since()) is not true
                                       or p.features_read_at = greatest(now(), statement_timestamp()) as "read afresh",
                                       case when p.features_at is null
                                         or (p.features_read_at >= modelpack.customer_since()) is not true
                                         or p.features_read_at = greatest(now(), statement_timestamp()) then v_moment
                                         else p.features_at end as "the moment"
                                   ) as s
                                   cross join lateral (
                                     select count(*) as purchases,
                                            count(*)
                                              filter (where e.purchased_at > s."the moment" - interval '90 days'
                                                and e.purchased_at <= s."the moment") as purchases_90d,
                                            coalesce(sum(modelpack.amount(e.amount)), 0) as spend,
                                            (coalesce(sum(modelpack.amount(e.amount)), 0))::double precision
                                              / nullif(count(modelpack.amount(e.amount)), 0) as basket,
                                            count(modelpack.amount(e.amount)) as basket_n,
                                            coalesce(sum(modelpack.amount(e.amount)), 0) as basket_sum,
                                            percentile_disc(0) within
                                              group (order by e.purchased_at desc) as last_purchase_at,
                                            p.last_purchase_at is null
                                              or (
                                                bool_or(
                                                  row(
                                                    case when true then e.purchased_at
                                                      else p.last_purchase_at end)::pg_catalog.record operator(
                                                    pg_catalog.*=) row(
                                                    case when true then p.last_purchase_at
                                                      else e.purchased_at end)::pg_catalog.record
                                                  or pg_typeof(e.purchased_at) <> pg_typeof(
                                                    p.last_purchase_at))) is not false as "held last_purchase_at"
                                       from public.purchase as e
                                      where e.customer_id = p.customer_id
                                   ) as r0
                                   cross join lateral (
                                     select count(*) as complaints,
                                            coalesce(
                                              sum(
                                                coalesce(
                                                  case when isfinite(e.created_at) and e.created_at <= s."the moment"
                                                    then modelpack.decay(1::double precision,
                                                      date_part('epoch', s."the moment" - e.created_at::timestamptz),
                                                      1209600) end, 0)), 0) as complaint_heat,
                                            max(
                                              case when isfinite(e.created_at) and e.created_at > s."the moment"
                                                and e.created_at < date '200000-01-01'
                                                then e.created_at::timestamptz end) as complaint_heat_ahead,
                                            coalesce(
                                              sum(
                                                abs(
                                                  coalesce(
                                                    case when isfinite(e.created_at) and e.created_at <= s."the moment"
                                                      then modelpack.decay(1::double precision,
                                                        date_part('epoch', s."the moment" - e.created_at::timestamptz),
                                                        1209600) end, 0))), 0) as "magnitude of complaint_heat"
                                       from public.complaint as e
                                      where e.customer_id = p.customer_id and (e.severity > 1)
                                   ) as r1
                                   cross join lateral (
                                     select count(*)
                                       filter (where e.purchased_at > v_moment - interval '90 days'
                                         and e.purchased_at <= v_moment) as purchases_90d
                                       from public.purchase as e
                                      where e.customer_id = p.customer_id and not s."read afresh"
                                        and e.purchased_at > v_moment - interval '90 days'
                                        and e.purchased_at <= v_moment
                                   ) as w0
                                   where (s."read afresh"
                                       or p.purchases is distinct from r0.purchases
                                       or p.purchases_90d is distinct from r0.purchases_90d
                                       or p.spend is distinct from r0.spend
                                       or p.basket is distinct from r0.basket
                                       or p.basket_n is distinct from r0.basket_n
                                       or p.basket_sum is distinct from r0.basket_sum
                                       or (
                                         row(
                                           case when true then p.last_purchase_at
                                             else r0.last_purchase_at end)::pg_catalog.record operator(
                                           pg_catalog.<>) row(
                                           case when true then r0.last_purchase_at
                                             else p.last_purchase_at end)::pg_catalog.record
                                         or not r0."held last_purchase_at")
                                       or p.complaints is distinct from r1.complaints
                                       or (p.complaint_heat is null
                                         or abs(p.complaint_heat - r1.complaint_heat) > 1e-9
                                         * r1."magnitude of complaint_heat" + 1e-70)
                                       or coalesce(r1.complaint_heat_ahead
                                         > coalesce(p.complaint_heat_ahead, '-infinity'), false))
                                 offset 0  -- features are computed once
                               ) as c
                        offset 0  -- and packed once
                      ) as k
             ) as f
      window up as (rows unbounded preceding)
    ), called as materialized (
      select k."the chunk", k."the first",
             modelpack.customer_score_churn_many(
               v_version_1,
               (
                 select array_send(
                   array_replace(array_agg(c."churn inputs") filter (where c."churn inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."churn texts") filter (where c."churn texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "churn scores"
        from (select c."the chunk", min(c."the number") filter (where c."is fed") as "the first" from chosen as c
          group by c."the chunk" offset 0) as k
    ), written as (
      update public.customer as p
         set purchases = c.purchases,
             purchases_90d = c.purchases_90d,
             spend = c.spend,
             basket = c.basket,
             basket_n = c.basket_n,
             basket_sum = c.basket_sum,
             last_purchase_at = c.last_purchase_at,
             complaints = c.complaints,
             complaint_heat = c.complaint_heat,
             complaint_heat_ahead = c.complaint_heat_ahead,
             features_read_at = c.features_read_at,
             features_reread_at = c.features_reread_at,
             churn = case when (c."churn given" <> 'NaN') is true then c."churn given" else p.churn end,
             churn_version = case when (c."churn given" <> 'NaN') is true then v_version_1 else p.churn_version end,
             churn_scored_at = case when (c."churn given" <> 'NaN') is true then v_moment else p.churn_scored_at end,
             churn_stale = case when not (c."churn given" <> 'NaN') is true then p.churn_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.customer'::regclass
                                                  and t.tgname = 'modelpack_customer_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."churn inputs") || coalesce(array_send(c."churn texts"), ''))
                                      end,
             -- one that is left to the guard has its features at the moment, or at none where none moves
             features_at = v_moment
        from called as a
       cross join lateral (
               select c.*,
                      case when c."is fed"
                          then a."churn scores"[c."the number" - a."the first" + 1] end as "churn given"
                 from chosen as c
                where c."the chunk" = a."the chunk"
               offset 0
             ) as c
       where p.ctid = c."the place" and p.tableoid = c."the partition"
      returning modelpack.key_value(p.customer_id)::text as "the key",
                c."the chunk",
                (c."churn given" <> 'NaN') is true and p.churn_scored_at = v_moment as "is good",
                p.churn, c."churn inputs", c."churn texts"
    ), logged as (
      select modelpack.customer_score_churn_record(
               v_version_1, v_moment,
                 array_agg(row(w."the key", w.churn, w."churn inputs", w."churn texts")::modelpack.scored)
             ) as rows
        from written as w
       where w."is good"
       group by w."the chunk"
    )
    select (select count(*) from written), (select sum(l.rows) from logged as l)
      into v_written, v_logged;
    return v_written;
  end if;
  update public.customer as p
     set purchases = x.purchases,
         purchases_90d = x.purchases_90d,
         spend = x.spend,
         basket = x.basket,
         basket_n = x.basket_n,
         basket_sum = x.basket_sum,
         last_purchase_at = x.last_purchase_at,
         complaints = x.complaints,
         complaint_heat = x.complaint_heat,
         complaint_heat_ahead = x.complaint_heat_ahead,
         features_at = x."the moment",
         features_read_at
           = case when x."read afresh" then greatest(now(), statement_timestamp()) else p.features_read_at end,
         features_reread_at = greatest(now(), statement_timestamp())
    from (
           select p.customer_id,
                  r0.purchases,
                  r0.purchases_90d,
                  r0.spend,
                  r0.basket,
                  r0.basket_n,
                  r0.basket_sum,
                  r0.last_purchase_at,
                  r0."held last_purchase_at",
                  r1.complaints,
                  r1.complaint_heat,
                  r1.complaint_heat_ahead,
                  r1."magnitude of complaint_heat",
                  p."the moment",
                  p."read afresh"
             from (
                    select p.*,
                           p.features_at is null or (p.features_read_at >= modelpack.customer_since()) is not true
                             or p.features_read_at = greatest(now(), statement_timestamp()) as "read afresh",
                           case when p.features_at is null
                               or (p.features_read_at >= modelpack.customer_since()) is not true
                               or p.features_read_at = greatest(now(), statement_timestamp()) then clock_timestamp()
                               else p.features_at end as "the moment"
                      from jsonb_populate_recordset(
                             (select row(q.*)::public.customer from public.customer as q limit 1),
                             (select jsonb_agg(jsonb_build_object('customer_id', u.key))
                                from (select distinct unnest(only_keys)) as u (key))
                           ) as k
                      join public.customer as p on p.customer_id = k.customer_id
                  ) as p
            cross join lateral (
              select count(*) as purchases,
                     count(*)
                       filter (where e.purchased_at > p."the moment" - interval '90 days'
                         and e.purchased_at <= p."the moment") as purchases_90d,
                     coalesce(sum(modelpack.amount(e.amount)), 0) as spend,
                     (coalesce(sum(modelpack.amount(e.amount)), 0))::double precision
                       / nullif(count(modelpack.amount(e.amount)), 0) as basket,
                     count(modelpack.amount(e.amount)) as basket_n,
                     coalesce(sum(modelpack.amount(e.amount)), 0) as basket_sum,
                     percentile_disc(0) within group (order by e.purchased_at desc) as last_purchase_at,
                     p.last_purchase_at is null
                       or (
                         bool_or(
                           row(
                             case when true then e.purchased_at
                               else p.last_purchase_at end)::pg_catalog.record operator(pg_catalog.*=) row(
                             case when true then p.last_purchase_at else e.purchased_at end)::pg_catalog.record
                           or pg_typeof(e.purchased_at) <> pg_typeof(
                             p.last_purchase_at))) is not false as "held last_purchase_at"
                from public.purchase as e
               where e.customer_id = p.customer_id
            ) as r0
            cross join lateral (
              select count(*) as complaints,
                     coalesce(
                       sum(
                         coalesce(
                           case when isfinite(e.created_at) and e.created_at <= p."the moment"
                             then modelpack.decay(1::double precision,
                               date_part('epoch', p."the moment" - e.created_at::timestamptz), 1209600) end, 0)),
                       0) as complaint_heat,
                     max(
                       case when isfinite(e.created_at) and e.created_at > p."the moment"
                         and e.created_at < date '200000-01-01'
                         then e.created_at::timestamptz end) as complaint_heat_ahead,
                     coalesce(
                       sum(
                         abs(
                           coalesce(
                             case when isfinite(e.created_at) and e.created_at <= p."the moment"
                               then modelpack.decay(1::double precision,
                                 date_part('epoch', p."the moment" - e.created_at::timestamptz), 1209600) end, 0))),
                       0) as "magnitude of complaint_heat"
                from public.complaint as e
               where e.customer_id = p.customer_id and (e.severity > 1)
            ) as r1
         ) as x
   where p.customer_id = x.customer_id
     and (x."read afresh"
       or p.purchases is distinct from x.purchases
       or p.purchases_90d is distinct from x.purchases_90d
       or p.spend is distinct from x.spend
       or p.basket is distinct from x.basket
       or p.basket_n is distinct from x.basket_n
       or p.basket_sum is distinct from x.basket_sum
       or (
         row(case when true then p.last_purchase_at else x.last_purchase_at end)::pg_catalog.record operator(
           pg_catalog.<>) row(case when true then x.last_purchase_at else p.last_purchase_at end)::pg_catalog.record
         or not x."held last_purchase_at")
       or p.complaints is distinct from x.complaints
       or (p.complaint_heat is null
         or abs(p.complaint_heat - x.complaint_heat) > 1e-9 * x."magnitude of complaint_heat" + 1e-70)
       or coalesce(x.complaint_heat_ahead > coalesce(p.complaint_heat_ahead, '-infinity'), false));
  get diagnostics v_written = row_count;
  return v_written;
end
$modelpack$;

revoke all on function modelpack.customer_recount(text[]) from public;

comment on function modelpack.customer_recount(text[]) is
  'Counts the features of some rows of public.customer again; keys as modelpack.verify() writes them. [customer]';

create or replace function modelpack.customer_rebuild(first_block bigint, last_block bigint)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $modelpack$
-- Counts the features of public.customer again from the events and writes the rows that differ.
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
                  where t.tgrelid = 'public.purchase'::regclass
                    and t.tgfoid = 'modelpack.customer_count_purchase_insert()'::regprocedure)
     or not exists (select from pg_trigger as t
                     where t.tgrelid = 'public.complaint'::regclass
                       and t.tgfoid = 'modelpack.customer_count_complaint_insert()'::regprocedure)
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.customer_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format(
        '%s is another table than the event table that the declaration of %s means: it has no count trigger',
        concat_ws(', ',
          case when not exists (select from pg_trigger as t
                                 where t.tgrelid = 'public.purchase'::regclass
                                   and t.tgfoid = 'modelpack.customer_count_purchase_insert()'::regprocedure)
            then 'public.purchase' end,
          case when not exists (select from pg_trigger as t
                                 where t.tgrelid = 'public.complaint'::regclass
                                   and t.tgfoid = 'modelpack.customer_count_complaint_insert()'::regprocedure)
            then 'public.complaint' end),
        'public.customer'),
      detail = 'Its rows would count as events.',
      hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
  end if;
  if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
    perform modelpack.customer_seen();
  end if;
  perform from public.customer as p
   where p.ctid >= v_first and p.ctid < v_beyond
   order by p.customer_id
     for no key update;
  v_moment := clock_timestamp();
  if modelpack.customer_batched() and modelpack.customer_shaped() then
    v_version_1 := modelpack.customer_score_churn_version();
    -- all rows in one call of each model
    with chosen as materialized (
      select f.*,
             count(*) filter (where f."is fed") over up as "the number",
             sum(f."the size") over up / 32000000 as "the chunk"
        from (
               select k.*,
                      not k."is alone" and k."churn inputs" is not null as "is fed",
                      100
                        + coalesce(pg_column_size(k."churn inputs") + coalesce(pg_column_size(k."churn texts"), 0),
                          0) as "the size"
                 from (
                        select c."the place", c."the partition", c."is alone",
                               c.purchases,
                               c.purchases_90d,
                               c.spend,
                               c.basket,
                               c.basket_n,
                               c.basket_sum,
                               c.last_purchase_at,
                               c.complaints,
                               c.complaint_heat,
                               c.complaint_heat_ahead,
                               c.features_read_at,
                               c.features_reread_at,
                               modelpack.customer_score_churn_numbers(
                                 modelpack.customer_with(c."the row", c.purchases, c.purchases_90d, c.spend, c.basket,
                                   c.basket_n, c.basket_sum, c.last_purchase_at, c.complaints, c.complaint_heat,
                                   c.complaint_heat_ahead), v_moment, v_version_1) as "churn inputs",
                               modelpack.customer_score_churn_texts(
                                 modelpack.customer_with(c."the row", c.purchases, c.purchases_90d, c.spend, c.basket,
                                   c.basket_n, c.basket_sum, c.last_purchase_at, c.complaints, c.complaint_heat,
                                   c.complaint_heat_ahead), v_moment, v_version_1) as "churn texts"
                          from (
                                 select row(p.*)::public.customer as "the row", p.ctid as "the place",
                                   p.tableoid as "the partition",
                                        coalesce(p.features_at >= v_moment, false)
                                          or coalesce(greatest(r1.complaint_heat_ahead)
                                            > coalesce(p.features_at, v_moment), false) as "is alone",
                                        r0.purchases as purchases,
                                        case when s."read afresh" then r0.purchases_90d
                                            else w0.purchases_90d end as purchases_90d,
                                        r0.spend as spend,
                                        r0.basket as basket,
                                        r0.basket_n as basket_n,
                                        r0.basket_sum as basket_sum,
                                        r0.last_purchase_at as last_purchase_at,
                                        r1.complaints as complaints,
                                        modelpack.decay(r1.complaint_heat,
                                          date_part('epoch', v_moment - s."the moment"), 1209600) as complaint_heat,
                                        r1.complaint_heat_ahead as complaint_heat_ahead,
                                        case when s."read afresh" then greatest(now(), statement_timestamp())
                                            else p.features_read_at end as features_read_at,
                                        greatest(now(), statement_timestamp()) as features_reread_at
                                   from public.customer as p
                                   cross join lateral (
                                     select p.features_at is null
                                       or (
                                         p.features_read_at >= modelpack.customer_since()) is not true as "read afresh",
                                       case when p.features_at is null
                                         or (p.features_read_at >= modelpack.customer_since()) is not true then v_moment
                                         else p.features_at end as "the moment"
                                   ) as s
                                   cross join lateral (
                                     select count(*) as purchases,
                                            count(*)
                                              filter (where e.purchased_at > s."the moment" - interval '90 days'
                                                and e.purchased_at <= s."the moment") as purchases_90d,
                                            coalesce(sum(modelpack.amount(e.amount)), 0) as spend,
                                            (coalesce(sum(modelpack.amount(e.amount)), 0))::double precision
                                              / nullif(count(modelpack.amount(e.amount)), 0) as basket,
                                            count(modelpack.amount(e.amount)) as basket_n,
                                            coalesce(sum(modelpack.amount(e.amount)), 0) as basket_sum,
                                            percentile_disc(0) within
                                              group (order by e.purchased_at desc) as last_purchase_at,
                                            p.last_purchase_at is null
                                              or (
                                                bool_or(
                                                  row(
                                                    case when true then e.purchased_at
                                                      else p.last_purchase_at end)::pg_catalog.record operator(
                                                    pg_catalog.*=) row(
                                                    case when true then p.last_purchase_at
                                                      else e.purchased_at end)::pg_catalog.record
                                                  or pg_typeof(e.purchased_at) <> pg_typeof(
                                                    p.last_purchase_at))) is not false as "held last_purchase_at"
                                       from public.purchase as e
                                      where e.customer_id = p.customer_id
                                   ) as r0
                                   cross join lateral (
                                     select count(*) as complaints,
                                            coalesce(
                                              sum(
                                                coalesce(
                                                  case when isfinite(e.created_at) and e.created_at <= s."the moment"
                                                    then modelpack.decay(1::double precision,
                                                      date_part('epoch', s."the moment" - e.created_at::timestamptz),
                                                      1209600) end, 0)), 0) as complaint_heat,
                                            max(
                                              case when isfinite(e.created_at) and e.created_at > s."the moment"
                                                and e.created_at < date '200000-01-01'
                                                then e.created_at::timestamptz end) as complaint_heat_ahead,
                                            coalesce(
                                              sum(
                                                abs(
                                                  coalesce(
                                                    case when isfinite(e.created_at) and e.created_at <= s."the moment"
                                                      then modelpack.decay(1::double precision,
                                                        date_part('epoch', s."the moment" - e.created_at::timestamptz),
                                                        1209600) end, 0))), 0) as "magnitude of complaint_heat"
                                       from public.complaint as e
                                      where e.customer_id = p.customer_id and (e.severity > 1)
                                   ) as r1
                                   cross join lateral (
                                     select count(*)
                                       filter (where e.purchased_at > v_moment - interval '90 days'
                                         and e.purchased_at <= v_moment) as purchases_90d
                                       from public.purchase as e
                                      where e.customer_id = p.customer_id and not s."read afresh"
                                        and e.purchased_at > v_moment - interval '90 days'
                                        and e.purchased_at <= v_moment
                                   ) as w0
                                   where p.ctid >= v_first and p.ctid < v_beyond
                                     and (s."read afresh"
                                       or p.purchases is distinct from r0.purchases
                                       or p.purchases_90d is distinct from r0.purchases_90d
                                       or p.spend is distinct from r0.spend
                                       or p.basket is distinct from r0.basket
                                       or p.basket_n is distinct from r0.basket_n
                                       or p.basket_sum is distinct from r0.basket_sum
                                       or (
                                         row(
                                           case when true then p.last_purchase_at
                                             else r0.last_purchase_at end)::pg_catalog.record operator(
                                           pg_catalog.<>) row(
                                           case when true then r0.last_purchase_at
                                             else p.last_purchase_at end)::pg_catalog.record
                                         or not r0."held last_purchase_at")
                                       or p.complaints is distinct from r1.complaints
                                       or (p.complaint_heat is null
                                         or abs(p.complaint_heat - r1.complaint_heat) > 1e-9
                                         * r1."magnitude of complaint_heat" + 1e-70)
                                       or coalesce(r1.complaint_heat_ahead
                                         > coalesce(p.complaint_heat_ahead, '-infinity'), false))
                                 offset 0  -- features are computed once
                               ) as c
                        offset 0  -- and packed once
                      ) as k
             ) as f
      window up as (rows unbounded preceding)
    ), called as materialized (
      select k."the chunk", k."the first",
             modelpack.customer_score_churn_many(
               v_version_1,
               (
                 select array_send(
                   array_replace(array_agg(c."churn inputs") filter (where c."churn inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."churn texts") filter (where c."churn texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "churn scores"
        from (select c."the chunk", min(c."the number") filter (where c."is fed") as "the first" from chosen as c
          group by c."the chunk" offset 0) as k
    ), written as (
      update public.customer as p
         set purchases = c.purchases,
             purchases_90d = c.purchases_90d,
             spend = c.spend,
             basket = c.basket,
             basket_n = c.basket_n,
             basket_sum = c.basket_sum,
             last_purchase_at = c.last_purchase_at,
             complaints = c.complaints,
             complaint_heat = c.complaint_heat,
             complaint_heat_ahead = c.complaint_heat_ahead,
             features_read_at = c.features_read_at,
             features_reread_at = c.features_reread_at,
             churn = case when (c."churn given" <> 'NaN') is true then c."churn given" else p.churn end,
             churn_version = case when (c."churn given" <> 'NaN') is true then v_version_1 else p.churn_version end,
             churn_scored_at = case when (c."churn given" <> 'NaN') is true then v_moment else p.churn_scored_at end,
             churn_stale = case when not (c."churn given" <> 'NaN') is true then p.churn_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.customer'::regclass
                                                  and t.tgname = 'modelpack_customer_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."churn inputs") || coalesce(array_send(c."churn texts"), ''))
                                      end,
             -- one that is left to the guard has its features at the moment, or at none where none moves
             features_at = v_moment
        from called as a
       cross join lateral (
               select c.*,
                      case when c."is fed"
                          then a."churn scores"[c."the number" - a."the first" + 1] end as "churn given"
                 from chosen as c
                where c."the chunk" = a."the chunk"
               offset 0
             ) as c
       where p.ctid = c."the place" and p.tableoid = c."the partition"
      returning modelpack.key_value(p.customer_id)::text as "the key",
                c."the chunk",
                (c."churn given" <> 'NaN') is true and p.churn_scored_at = v_moment as "is good",
                p.churn, c."churn inputs", c."churn texts"
    ), logged as (
      select modelpack.customer_score_churn_record(
               v_version_1, v_moment,
                 array_agg(row(w."the key", w.churn, w."churn inputs", w."churn texts")::modelpack.scored)
             ) as rows
        from written as w
       where w."is good"
       group by w."the chunk"
    )
    select (select count(*) from written), (select sum(l.rows) from logged as l)
      into v_written, v_logged;
    return v_written;
  end if;
  update public.customer as p
     set purchases = x.purchases,
         purchases_90d = x.purchases_90d,
         spend = x.spend,
         basket = x.basket,
         basket_n = x.basket_n,
         basket_sum = x.basket_sum,
         last_purchase_at = x.last_purchase_at,
         complaints = x.complaints,
         complaint_heat = x.complaint_heat,
         complaint_heat_ahead = x.complaint_heat_ahead,
         features_at = x."the moment",
         features_read_at
           = case when x."read afresh" then greatest(now(), statement_timestamp()) else p.features_read_at end,
         features_reread_at = greatest(now(), statement_timestamp())
    from (
           select p.customer_id,
                  r0.purchases,
                  r0.purchases_90d,
                  r0.spend,
                  r0.basket,
                  r0.basket_n,
                  r0.basket_sum,
                  r0.last_purchase_at,
                  r0."held last_purchase_at",
                  r1.complaints,
                  r1.complaint_heat,
                  r1.complaint_heat_ahead,
                  r1."magnitude of complaint_heat",
                  p."the moment",
                  p."read afresh"
             from (
                    select p.*,
                           p.features_at is null
                             or (p.features_read_at >= modelpack.customer_since()) is not true as "read afresh",
                           case when p.features_at is null
                               or (p.features_read_at >= modelpack.customer_since()) is not true then clock_timestamp()
                               else p.features_at end as "the moment"
                      from public.customer as p
                     where p.ctid >= v_first and p.ctid < v_beyond
                  ) as p
            cross join lateral (
              select count(*) as purchases,
                     count(*)
                       filter (where e.purchased_at > p."the moment" - interval '90 days'
                         and e.purchased_at <= p."the moment") as purchases_90d,
                     coalesce(sum(modelpack.amount(e.amount)), 0) as spend,
                     (coalesce(sum(modelpack.amount(e.amount)), 0))::double precision
                       / nullif(count(modelpack.amount(e.amount)), 0) as basket,
                     count(modelpack.amount(e.amount)) as basket_n,
                     coalesce(sum(modelpack.amount(e.amount)), 0) as basket_sum,
                     percentile_disc(0) within group (order by e.purchased_at desc) as last_purchase_at,
                     p.last_purchase_at is null
                       or (
                         bool_or(
                           row(
                             case when true then e.purchased_at
                               else p.last_purchase_at end)::pg_catalog.record operator(pg_catalog.*=) row(
                             case when true then p.last_purchase_at else e.purchased_at end)::pg_catalog.record
                           or pg_typeof(e.purchased_at) <> pg_typeof(
                             p.last_purchase_at))) is not false as "held last_purchase_at"
                from public.purchase as e
               where e.customer_id = p.customer_id
            ) as r0
            cross join lateral (
              select count(*) as complaints,
                     coalesce(
                       sum(
                         coalesce(
                           case when isfinite(e.created_at) and e.created_at <= p."the moment"
                             then modelpack.decay(1::double precision,
                               date_part('epoch', p."the moment" - e.created_at::timestamptz), 1209600) end, 0)),
                       0) as complaint_heat,
                     max(
                       case when isfinite(e.created_at) and e.created_at > p."the moment"
                         and e.created_at < date '200000-01-01'
                         then e.created_at::timestamptz end) as complaint_heat_ahead,
                     coalesce(
                       sum(
                         abs(
                           coalesce(
                             case when isfinite(e.created_at) and e.created_at <= p."the moment"
                               then modelpack.decay(1::double precision,
                                 date_part('epoch', p."the moment" - e.created_at::timestamptz), 1209600) end, 0))),
                       0) as "magnitude of complaint_heat"
                from public.complaint as e
               where e.customer_id = p.customer_id and (e.severity > 1)
            ) as r1
         ) as x
   where p.customer_id = x.customer_id
     and (x."read afresh"
       or p.purchases is distinct from x.purchases
       or p.purchases_90d is distinct from x.purchases_90d
       or p.spend is distinct from x.spend
       or p.basket is distinct from x.basket
       or p.basket_n is distinct from x.basket_n
       or p.basket_sum is distinct from x.basket_sum
       or (
         row(case when true then p.last_purchase_at else x.last_purchase_at end)::pg_catalog.record operator(
           pg_catalog.<>) row(case when true then x.last_purchase_at else p.last_purchase_at end)::pg_catalog.record
         or not x."held last_purchase_at")
       or p.complaints is distinct from x.complaints
       or (p.complaint_heat is null
         or abs(p.complaint_heat - x.complaint_heat) > 1e-9 * x."magnitude of complaint_heat" + 1e-70)
       or coalesce(x.complaint_heat_ahead > coalesce(p.complaint_heat_ahead, '-infinity'), false));
  get diagnostics v_written = row_count;
  return v_written;
end
$modelpack$;

revoke all on function modelpack.customer_rebuild(bigint, bigint) from public;

comment on function modelpack.customer_rebuild(bigint, bigint) is
  'Counts the features of public.customer again from the events and writes the rows that differ. [customer]';

create or replace function modelpack.customer_refresh(first_block bigint, last_block bigint, older_than timestamptz)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $modelpack$
-- Brings the rows of public.customer whose windows have moved on up to the moment, and scores them.
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
                  where t.tgrelid = 'public.purchase'::regclass
                    and t.tgfoid = 'modelpack.customer_count_purchase_insert()'::regprocedure)
     or not exists (select from pg_trigger as t
                     where t.tgrelid = 'public.complaint'::regclass
                       and t.tgfoid = 'modelpack.customer_count_complaint_insert()'::regprocedure)
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.customer_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format(
        '%s is another table than the event table that the declaration of %s means: it has no count trigger',
        concat_ws(', ',
          case when not exists (select from pg_trigger as t
                                 where t.tgrelid = 'public.purchase'::regclass
                                   and t.tgfoid = 'modelpack.customer_count_purchase_insert()'::regprocedure)
            then 'public.purchase' end,
          case when not exists (select from pg_trigger as t
                                 where t.tgrelid = 'public.complaint'::regclass
                                   and t.tgfoid = 'modelpack.customer_count_complaint_insert()'::regprocedure)
            then 'public.complaint' end),
        'public.customer'),
      detail = 'Its rows would count as events.',
      hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
  end if;
  perform from public.customer as p
   where p.ctid >= v_first and p.ctid < v_beyond
   order by p.customer_id
     for no key update;
  v_moment := clock_timestamp();
  if modelpack.customer_batched() and modelpack.customer_shaped() then
    v_version_1 := modelpack.customer_score_churn_version();
    -- all rows in one call of each model
    with chosen as materialized (
      select f.*,
             count(*) filter (where f."is fed") over up as "the number",
             sum(f."the size") over up / 32000000 as "the chunk"
        from (
               select k.*,
                      not k."is alone" and k."churn inputs" is not null as "is fed",
                      100
                        + coalesce(pg_column_size(k."churn inputs") + coalesce(pg_column_size(k."churn texts"), 0),
                          0) as "the size"
                 from (
                        select c."the place", c."the partition", c."is alone",
                               c.purchases_90d,
                               c.complaint_heat,
                               modelpack.customer_score_churn_numbers(
                                 modelpack.customer_with(c."the row", c.purchases, c.purchases_90d, c.spend, c.basket,
                                   c.basket_n, c.basket_sum, c.last_purchase_at, c.complaints, c.complaint_heat,
                                   c.complaint_heat_ahead), v_moment, v_version_1) as "churn inputs",
                               modelpack.customer_score_churn_texts(
                                 modelpack.customer_with(c."the row", c.purchases, c.purchases_90d, c.spend, c.basket,
                                   c.basket_n, c.basket_sum, c.last_purchase_at, c.complaints, c.complaint_heat,
                                   c.complaint_heat_ahead), v_moment, v_version_1) as "churn texts"
                          from (
                                 select row(p.*)::public.customer as "the row", p.ctid as "the place",
                                   p.tableoid as "the partition",
                                        coalesce(p.features_at >= v_moment, false)
                                          or coalesce(greatest(p.complaint_heat_ahead)
                                            > coalesce(p.features_at, v_moment), false) as "is alone",
                                        p.purchases as purchases,
                                        w0.purchases_90d as purchases_90d,
                                        p.spend as spend,
                                        p.basket as basket,
                                        p.basket_n as basket_n,
                                        p.basket_sum as basket_sum,
                                        p.last_purchase_at as last_purchase_at,
                                        p.complaints as complaints,
                                        modelpack.decay(p.complaint_heat,
                                          date_part('epoch', v_moment - coalesce(p.features_at, v_moment)),
                                          1209600) as complaint_heat,
                                        p.complaint_heat_ahead as complaint_heat_ahead
                                   from public.customer as p
                                   cross join lateral (
                                     select count(*)
                                       filter (where e.purchased_at > v_moment - interval '90 days'
                                         and e.purchased_at <= v_moment) as purchases_90d
                                       from public.purchase as e
                                      where e.customer_id = p.customer_id
                                        and e.purchased_at > v_moment - interval '90 days'
                                        and e.purchased_at <= v_moment
                                   ) as w0
                                   where p.ctid >= v_first and p.ctid < v_beyond
                                     and not (p.features_read_at >= modelpack.customer_since()) is not true
                                     and (p.features_at < older_than
                                       or (older_than is not null and p.features_at > clock_timestamp())
                                           or p.purchases_90d is distinct from w0.purchases_90d
                                           or p.complaint_heat_ahead > p.features_at
                                             and exists (select from public.complaint as e
                                               where e.customer_id = p.customer_id and e.created_at > p.features_at
                                               and e.created_at <= v_moment and (e.severity > 1)))
                                 offset 0  -- features are computed once
                               ) as c
                        offset 0  -- and packed once
                      ) as k
             ) as f
      window up as (rows unbounded preceding)
    ), called as materialized (
      select k."the chunk", k."the first",
             modelpack.customer_score_churn_many(
               v_version_1,
               (
                 select array_send(
                   array_replace(array_agg(c."churn inputs") filter (where c."churn inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."churn texts") filter (where c."churn texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "churn scores"
        from (select c."the chunk", min(c."the number") filter (where c."is fed") as "the first" from chosen as c
          group by c."the chunk" offset 0) as k
    ), written as (
      update public.customer as p
         set purchases_90d = c.purchases_90d,
             complaint_heat = c.complaint_heat,
             churn = case when (c."churn given" <> 'NaN') is true then c."churn given" else p.churn end,
             churn_version = case when (c."churn given" <> 'NaN') is true then v_version_1 else p.churn_version end,
             churn_scored_at = case when (c."churn given" <> 'NaN') is true then v_moment else p.churn_scored_at end,
             churn_stale = case when not (c."churn given" <> 'NaN') is true then p.churn_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.customer'::regclass
                                                  and t.tgname = 'modelpack_customer_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."churn inputs") || coalesce(array_send(c."churn texts"), ''))
                                      end,
             -- one that is left to the guard has its features at the moment, or at none where none moves
             features_at = v_moment
        from called as a
       cross join lateral (
               select c.*,
                      case when c."is fed"
                          then a."churn scores"[c."the number" - a."the first" + 1] end as "churn given"
                 from chosen as c
                where c."the chunk" = a."the chunk"
               offset 0
             ) as c
       where p.ctid = c."the place" and p.tableoid = c."the partition"
      returning modelpack.key_value(p.customer_id)::text as "the key",
                c."the chunk",
                (c."churn given" <> 'NaN') is true and p.churn_scored_at = v_moment as "is good",
                p.churn, c."churn inputs", c."churn texts"
    ), logged as (
      select modelpack.customer_score_churn_record(
               v_version_1, v_moment,
                 array_agg(row(w."the key", w.churn, w."churn inputs", w."churn texts")::modelpack.scored)
             ) as rows
        from written as w
       where w."is good"
       group by w."the chunk"
    )
    select (select count(*) from written), (select sum(l.rows) from logged as l)
      into v_written, v_logged;
    return v_written;
  end if;
  update public.customer as p
     set complaint_heat
       = modelpack.decay(p.complaint_heat, date_part('epoch', v_moment - coalesce(p.features_at, v_moment)), 1209600),
         features_at = v_moment
    from (
           select p.ctid as "the place", p.tableoid as "the partition"
             from public.customer as p
             cross join lateral (
               select count(*)
                 filter (where e.purchased_at > v_moment - interval '90 days'
                   and e.purchased_at <= v_moment) as purchases_90d
                 from public.purchase as e
                where e.customer_id = p.customer_id and e.purchased_at > v_moment - interval '90 days'
                  and e.purchased_at <= v_moment
             ) as w0
             where p.ctid >= v_first and p.ctid < v_beyond
               and not (p.features_read_at >= modelpack.customer_since()) is not true
               and (p.features_at < older_than or (older_than is not null and p.features_at > clock_timestamp())
                     or p.purchases_90d is distinct from w0.purchases_90d
                     or p.complaint_heat_ahead > p.features_at
                       and exists (select from public.complaint as e where e.customer_id = p.customer_id
                         and e.created_at > p.features_at and e.created_at <= v_moment and (e.severity > 1)))
         ) as x
   where p.ctid = x."the place" and p.tableoid = x."the partition";
  get diagnostics v_written = row_count;
  return v_written;
end
$modelpack$;

revoke all on function modelpack.customer_refresh(bigint, bigint, timestamptz) from public;

comment on function modelpack.customer_refresh(bigint, bigint, timestamptz) is
  'Brings the rows of public.customer whose windows have moved on up to the moment, and scores them. [customer]';

create or replace function modelpack.customer_rescore(first_block bigint, last_block bigint, only_stale boolean,
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
-- Scores rows of public.customer again: those that are stale or scored by another version than the champion.
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
  v_version_1 := modelpack.customer_score_churn_version();
  perform from public.customer as p
   where p.ctid >= v_first and p.ctid < v_beyond
         and not (p.features_read_at >= modelpack.customer_since()) is not true
         and (p.features_at < older_than or (older_than is not null and p.features_at > clock_timestamp())
           or p.churn_stale is not null
           or (not only_stale and p.churn_version is distinct
             from coalesce(modelpack.customer_score_churn_chosen(row(p.*)::public.customer), v_version_1)))
   order by p.customer_id
     for no key update;
  if not found then
    return 0;
  end if;
  v_moment := clock_timestamp();
  if modelpack.customer_batched() and modelpack.customer_shaped() then
    if not exists (select from pg_trigger as t
                    where t.tgrelid = 'public.purchase'::regclass
                      and t.tgfoid = 'modelpack.customer_count_purchase_insert()'::regprocedure)
    then
      if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        perform modelpack.customer_seen();
      end if;
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format(
          '%s is another table than the event table that the declaration of %s means: it has no count trigger',
          'public.purchase',
          'public.customer'),
        detail = 'Its rows would count as events.',
        hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
    end if;
    v_version_1 := modelpack.customer_score_churn_version();
    -- all rows in one call of each model
    with chosen as materialized (
      select f.*,
             count(*) filter (where f."is fed") over up as "the number",
             sum(f."the size") over up / 32000000 as "the chunk"
        from (
               select k.*,
                      not k."is alone" and k."churn inputs" is not null as "is fed",
                      100
                        + coalesce(pg_column_size(k."churn inputs") + coalesce(pg_column_size(k."churn texts"), 0),
                          0) as "the size"
                 from (
                        select c."the place", c."the partition", c."is alone",
                               c.purchases_90d,
                               c.complaint_heat,
                               modelpack.customer_score_churn_numbers(
                                 modelpack.customer_with(c."the row", c.purchases, c.purchases_90d, c.spend, c.basket,
                                   c.basket_n, c.basket_sum, c.last_purchase_at, c.complaints, c.complaint_heat,
                                   c.complaint_heat_ahead), v_moment, v_version_1) as "churn inputs",
                               modelpack.customer_score_churn_texts(
                                 modelpack.customer_with(c."the row", c.purchases, c.purchases_90d, c.spend, c.basket,
                                   c.basket_n, c.basket_sum, c.last_purchase_at, c.complaints, c.complaint_heat,
                                   c.complaint_heat_ahead), v_moment, v_version_1) as "churn texts"
                          from (
                                 select row(p.*)::public.customer as "the row", p.ctid as "the place",
                                   p.tableoid as "the partition",
                                        coalesce(p.features_at >= v_moment, false)
                                          or coalesce(greatest(p.complaint_heat_ahead)
                                            > coalesce(p.features_at, v_moment), false) as "is alone",
                                        p.purchases as purchases,
                                        w0.purchases_90d as purchases_90d,
                                        p.spend as spend,
                                        p.basket as basket,
                                        p.basket_n as basket_n,
                                        p.basket_sum as basket_sum,
                                        p.last_purchase_at as last_purchase_at,
                                        p.complaints as complaints,
                                        modelpack.decay(p.complaint_heat,
                                          date_part('epoch', v_moment - coalesce(p.features_at, v_moment)),
                                          1209600) as complaint_heat,
                                        p.complaint_heat_ahead as complaint_heat_ahead
                                   from public.customer as p
                                   cross join lateral (
                                     select count(*)
                                       filter (where e.purchased_at > v_moment - interval '90 days'
                                         and e.purchased_at <= v_moment) as purchases_90d
                                       from public.purchase as e
                                      where e.customer_id = p.customer_id
                                        and e.purchased_at > v_moment - interval '90 days'
                                        and e.purchased_at <= v_moment
                                   ) as w0
                                   where p.ctid >= v_first and p.ctid < v_beyond
                                         and not (p.features_read_at >= modelpack.customer_since()) is not true
                                         and (p.features_at < older_than
                                           or (older_than is not null and p.features_at > clock_timestamp())
                                           or p.churn_stale is not null
                                           or (not only_stale and p.churn_version is distinct
                                             from coalesce(
                                               modelpack.customer_score_churn_chosen(row(p.*)::public.customer),
                                               v_version_1)))
                                 offset 0  -- features are computed once
                               ) as c
                        offset 0  -- and packed once
                      ) as k
             ) as f
      window up as (rows unbounded preceding)
    ), called as materialized (
      select k."the chunk", k."the first",
             modelpack.customer_score_churn_many(
               v_version_1,
               (
                 select array_send(
                   array_replace(array_agg(c."churn inputs") filter (where c."churn inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."churn texts") filter (where c."churn texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "churn scores"
        from (select c."the chunk", min(c."the number") filter (where c."is fed") as "the first" from chosen as c
          group by c."the chunk" offset 0) as k
    ), written as (
      update public.customer as p
         set purchases_90d = c.purchases_90d,
             complaint_heat = c.complaint_heat,
             churn = case when (c."churn given" <> 'NaN') is true then c."churn given" else p.churn end,
             churn_version = case when (c."churn given" <> 'NaN') is true then v_version_1 else p.churn_version end,
             churn_scored_at = case when (c."churn given" <> 'NaN') is true then v_moment else p.churn_scored_at end,
             churn_stale = case when not (c."churn given" <> 'NaN') is true then p.churn_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.customer'::regclass
                                                  and t.tgname = 'modelpack_customer_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."churn inputs") || coalesce(array_send(c."churn texts"), ''))
                                      end,
             -- one that is left to the guard has its features at the moment, or at none where none moves
             features_at = v_moment
        from called as a
       cross join lateral (
               select c.*,
                      case when c."is fed"
                          then a."churn scores"[c."the number" - a."the first" + 1] end as "churn given"
                 from chosen as c
                where c."the chunk" = a."the chunk"
               offset 0
             ) as c
       where p.ctid = c."the place" and p.tableoid = c."the partition"
      returning modelpack.key_value(p.customer_id)::text as "the key",
                c."the chunk",
                (c."churn given" <> 'NaN') is true and p.churn_scored_at = v_moment as "is good",
                p.churn, c."churn inputs", c."churn texts"
    ), logged as (
      select modelpack.customer_score_churn_record(
               v_version_1, v_moment,
                 array_agg(row(w."the key", w.churn, w."churn inputs", w."churn texts")::modelpack.scored)
             ) as rows
        from written as w
       where w."is good"
       group by w."the chunk"
    )
    select (select count(*) from written), (select sum(l.rows) from logged as l)
      into v_written, v_logged;
    return v_written;
  end if;
  update public.customer as p
     set churn_stale = 'waiting for rescore'
   where p.ctid >= v_first and p.ctid < v_beyond
         and not (p.features_read_at >= modelpack.customer_since()) is not true
         and (p.features_at < older_than or (older_than is not null and p.features_at > clock_timestamp())
           or p.churn_stale is not null
           or (not only_stale and p.churn_version is distinct
             from coalesce(modelpack.customer_score_churn_chosen(row(p.*)::public.customer), v_version_1)));
  get diagnostics v_written = row_count;
  return v_written;
end
$modelpack$;

revoke all on function modelpack.customer_rescore(bigint, bigint, boolean, timestamptz) from public;

comment on function modelpack.customer_rescore(bigint, bigint, boolean, timestamptz) is
  'Scores rows of public.customer again: those that are stale or scored by another version than the champion. '
  '[customer]';

create or replace function modelpack.customer_fill(step integer, first_block bigint, last_block bigint, most integer)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $modelpack$
-- Counts some rows of public.customer that were not counted yet, or makes some that its events lack.
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
                  where t.tgrelid = 'public.purchase'::regclass
                    and t.tgfoid = 'modelpack.customer_count_purchase_insert()'::regprocedure)
     or not exists (select from pg_trigger as t
                     where t.tgrelid = 'public.complaint'::regclass
                       and t.tgfoid = 'modelpack.customer_count_complaint_insert()'::regprocedure)
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.customer_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format(
        '%s is another table than the event table that the declaration of %s means: it has no count trigger',
        concat_ws(', ',
          case when not exists (select from pg_trigger as t
                                 where t.tgrelid = 'public.purchase'::regclass
                                   and t.tgfoid = 'modelpack.customer_count_purchase_insert()'::regprocedure)
            then 'public.purchase' end,
          case when not exists (select from pg_trigger as t
                                 where t.tgrelid = 'public.complaint'::regclass
                                   and t.tgfoid = 'modelpack.customer_count_complaint_insert()'::regprocedure)
            then 'public.complaint' end),
        'public.customer'),
      detail = 'Its rows would count as events.',
      hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
  end if;
  if step = -1 then
    perform from public.customer as p where (p.features_read_at >= modelpack.customer_since()) is not true limit 1;
    return found::integer;
  end if;
  if step = 1 then
    with chosen as (
      select d.customer_id
        from (
               select distinct e.customer_id
                 from public.purchase as e
                where e.ctid >= v_first and e.ctid < v_beyond and e.customer_id is not null
             ) as d
       where not exists (select from public.customer as q where q.customer_id = d.customer_id)
       order by d.customer_id
       limit most
    ), made as (
      insert into public.customer (customer_id) overriding system value
      select c.customer_id from chosen as c
      on conflict (customer_id) do nothing
    )
    select count(*) into v_made from chosen;
    return v_made;
  end if;
  if step = 2 then
    with chosen as (
      select d.customer_id
        from (
               select distinct e.customer_id
                 from public.complaint as e
                where e.ctid >= v_first and e.ctid < v_beyond and e.customer_id is not null and (e.severity > 1)
             ) as d
       where not exists (select from public.customer as q where q.customer_id = d.customer_id)
       order by d.customer_id
       limit most
    ), made as (
      insert into public.customer (customer_id) overriding system value
      select c.customer_id from chosen as c
      on conflict (customer_id) do nothing
    )
    select count(*) into v_made from chosen;
    return v_made;
  end if;
  -- who holds a row may do so for long: it is passed over, so that nobody waits for us meanwhile
  select array_agg(x.key) into v_keys
    from (
           select modelpack.key_value(p.customer_id)::text as key
             from public.customer as p
            where p.ctid >= v_first and p.ctid < v_beyond
              and (p.features_read_at >= modelpack.customer_since()) is not true
            limit most
              for no key update skip locked
         ) as x;
  if v_keys is null then
    perform from public.customer as p where p.ctid >= v_first and p.ctid < v_beyond
      and (p.features_read_at >= modelpack.customer_since()) is not true limit 1;
    return -found::integer;
  end if;
  perform modelpack.customer_recount(v_keys);
  return cardinality(v_keys);
end
$modelpack$;

revoke all on function modelpack.customer_fill(integer, bigint, bigint, integer) from public;

comment on function modelpack.customer_fill(integer, bigint, bigint, integer) is
  'Counts some rows of public.customer that were not counted yet, or makes some that its events lack. [customer]';

create or replace function modelpack.customer_verify(first_block bigint, last_block bigint, only_keys text[])
returns table (entity_key text, feature text, stored text, expected text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Features of public.customer that differ from the same aggregate over the events.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
declare
  v_first constant tid := format('(%s,0)', greatest(first_block, 0))::tid;
  v_beyond constant tid := format('(%s,0)', coalesce(last_block + 1, 4294967295))::tid;
begin
  return query
  select modelpack.key_value(p.customer_id)::text, f.feature, f.stored, f.expected
    from (
           select q.*, coalesce(q.features_at, clock_timestamp()) as "the moment"
             from public.customer as q
            where only_keys is null and q.ctid >= v_first and q.ctid < v_beyond
           union all
           select q.*, coalesce(q.features_at, clock_timestamp()) as "the moment"
             from jsonb_populate_recordset(
                    (select row(q.*)::public.customer from public.customer as q limit 1),
                    (select jsonb_agg(jsonb_build_object('customer_id', u.key))
                       from (select distinct unnest(only_keys)) as u (key))
                  ) as k
             join public.customer as q on q.customer_id = k.customer_id
            where only_keys is not null
         ) as p
   cross join lateral (
     select count(*) as purchases,
            count(*)
              filter (where e.purchased_at > p."the moment" - interval '90 days'
                and e.purchased_at <= p."the moment") as purchases_90d,
            coalesce(sum(modelpack.amount(e.amount)), 0) as spend,
            (coalesce(sum(modelpack.amount(e.amount)), 0))::double precision
              / nullif(count(modelpack.amount(e.amount)), 0) as basket,
            count(modelpack.amount(e.amount)) as basket_n,
            coalesce(sum(modelpack.amount(e.amount)), 0) as basket_sum,
            percentile_disc(0) within group (order by e.purchased_at desc) as last_purchase_at,
            p.last_purchase_at is null
              or (
                bool_or(
                  row(case when true then e.purchased_at else p.last_purchase_at end)::pg_catalog.record operator(
                    pg_catalog.*=) row(
                    case when true then p.last_purchase_at else e.purchased_at end)::pg_catalog.record
                  or pg_typeof(e.purchased_at) <> pg_typeof(
                    p.last_purchase_at))) is not false as "held last_purchase_at"
       from public.purchase as e
      where e.customer_id = p.customer_id
   ) as r0
   cross join lateral (
     select count(*) as complaints,
            coalesce(
              sum(
                coalesce(
                  case when isfinite(e.created_at) and e.created_at <= p."the moment"
                    then modelpack.decay(1::double precision,
                      date_part('epoch', p."the moment" - e.created_at::timestamptz), 1209600) end, 0)),
              0) as complaint_heat,
            max(
              case when isfinite(e.created_at) and e.created_at > p."the moment" and e.created_at < date '200000-01-01'
                then e.created_at::timestamptz end) as complaint_heat_ahead,
            coalesce(
              sum(
                abs(
                  coalesce(
                    case when isfinite(e.created_at) and e.created_at <= p."the moment"
                      then modelpack.decay(1::double precision,
                        date_part('epoch', p."the moment" - e.created_at::timestamptz), 1209600) end, 0))),
              0) as "magnitude of complaint_heat"
       from public.complaint as e
      where e.customer_id = p.customer_id and (e.severity > 1)
   ) as r1
   cross join lateral (
     values ('purchases', p.purchases::text, r0.purchases::text, p.purchases is distinct from r0.purchases),
            ('purchases_90d', p.purchases_90d::text, r0.purchases_90d::text, p.purchases_90d is distinct
              from r0.purchases_90d),
            ('spend', p.spend::text, r0.spend::text, p.spend is distinct from r0.spend),
            ('basket', p.basket::text, r0.basket::text, p.basket is distinct from r0.basket),
            ('basket_n', p.basket_n::text, r0.basket_n::text, p.basket_n is distinct from r0.basket_n),
            ('basket_sum', p.basket_sum::text, r0.basket_sum::text, p.basket_sum is distinct from r0.basket_sum),
            ('last_purchase_at', p.last_purchase_at::text, r0.last_purchase_at::text,
              (
                row(case when true then p.last_purchase_at else r0.last_purchase_at end)::pg_catalog.record operator(
                  pg_catalog.<>) row(
                  case when true then r0.last_purchase_at else p.last_purchase_at end)::pg_catalog.record
                or not r0."held last_purchase_at")),
            ('complaints', p.complaints::text, r1.complaints::text, p.complaints is distinct from r1.complaints),
            ('complaint_heat', p.complaint_heat::text, r1.complaint_heat::text,
              (p.complaint_heat is null
                or abs(p.complaint_heat - r1.complaint_heat) > 1e-9 * r1."magnitude of complaint_heat" + 1e-70)),
            ('complaint_heat_ahead', p.complaint_heat_ahead::text, r1.complaint_heat_ahead::text,
              coalesce(r1.complaint_heat_ahead > coalesce(p.complaint_heat_ahead, '-infinity'), false))
   ) as f (feature, stored, expected, differs)
   where f.differs;
end
$modelpack$;

revoke all on function modelpack.customer_verify(bigint, bigint, text[]) from public;

comment on function modelpack.customer_verify(bigint, bigint, text[]) is
  'Features of public.customer that differ from the same aggregate over the events. [customer]';

create or replace function modelpack.customer_stale(chunk_blocks bigint)
returns setof bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Chunks of blocks of public.customer that hold stale rows.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
begin
  return query
  select distinct (p.ctid::text::point)[0]::bigint / chunk_blocks
    from public.customer as p where p.churn_stale is not null;
end
$modelpack$;

revoke all on function modelpack.customer_stale(bigint) from public;

comment on function modelpack.customer_stale(bigint) is
  'Chunks of blocks of public.customer that hold stale rows. [customer]';

create or replace function modelpack.customer_reasons()
returns table (score text, reason text, rows bigint)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- How many rows of public.customer have no fresh score, by score and reason.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
begin
  return query
  select 'churn', p.churn_stale, count(*) from public.customer as p where p.churn_stale is not null group by 2;
end
$modelpack$;

revoke all on function modelpack.customer_reasons() from public;

comment on function modelpack.customer_reasons() is
  'How many rows of public.customer have no fresh score, by score and reason. [customer]';

create or replace function modelpack.customer_examine()
returns table (what text, subject text, rows bigint, example text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- What is wrong with rows of public.customer, for modelpack.doctor(): how many, and one of them.
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
             select from public.customer as p
               where (p.features_read_at >= modelpack.customer_since()) is not true limit 10000
           ) as x
  ) as f where f.rows > 0;
  return query
  select * from (
    select 'stale', 'churn', count(*) as rows, min(x.reason)
      from (
             select p.churn_stale as reason from public.customer as p where p.churn_stale is not null
               and not (p.features_read_at >= modelpack.customer_since()) is not true limit 10000
           ) as x
  ) as f where f.rows > 0;
  return query
  select * from (
    select 'behind', 'churn', count(*) as rows, null
      from (
             select from public.customer as p
              where p.churn_stale is null and not (p.features_read_at >= modelpack.customer_since()) is not true
                and modelpack.customer_score_churn_version() is not null
                and p.churn_version is distinct
                  from coalesce(modelpack.customer_score_churn_chosen(row(p.*)::public.customer),
                    modelpack.customer_score_churn_version()) limit 10000
           ) as x
  ) as f where f.rows > 0;
  return query
  select * from (
    select 'ahead', '', count(*) as rows, null
      from (
             select from public.customer as p where p.features_at > clock_timestamp() + interval '1 minute' limit 10000
           ) as x
  ) as f where f.rows > 0;
  v_share := case when pg_relation_size('public.purchase'::regclass) < 1000000 then 100
      else greatest(0.01, 100.0 * 1000000 / pg_relation_size('public.purchase'::regclass)) end;
  select array_agg(distinct x.key) into v_keys
    from (select modelpack.key_value(e.customer_id)::text as key from public.purchase as e tablesample system (v_share)
      where e.customer_id is not null
             and not exists (select from public.customer as p where p.customer_id = e.customer_id
               and (p.features_read_at >= modelpack.customer_since()) is not true) limit 200) as x;
  return query
  select * from (
    select 'differ', 'purchase', count(distinct x.entity_key) as rows, string_agg(distinct x.feature, ', ')
      from (
             select * from modelpack.customer_verify(0, null, coalesce(v_keys, '{}'))
           ) as x
  ) as f where f.rows > 0;
  return query
  select * from (
    select 'missing', 'purchase', count(*) as rows, null
      from (
             select distinct x.customer_id
               from (select e.* from public.purchase as e tablesample system (v_share)
                 where e.customer_id is not null limit 200) as x
              where not exists (select from public.customer as q where q.customer_id = x.customer_id)
           ) as x
  ) as f where f.rows > 0;
  v_share := case when pg_relation_size('public.complaint'::regclass) < 1000000 then 100
      else greatest(0.01, 100.0 * 1000000 / pg_relation_size('public.complaint'::regclass)) end;
  select array_agg(distinct x.key) into v_keys
    from (select modelpack.key_value(e.customer_id)::text as key from public.complaint as e tablesample system (v_share)
      where e.customer_id is not null
             and not exists (select from public.customer as p where p.customer_id = e.customer_id
               and (p.features_read_at >= modelpack.customer_since()) is not true) limit 200) as x;
  return query
  select * from (
    select 'differ', 'complaint', count(distinct x.entity_key) as rows, string_agg(distinct x.feature, ', ')
      from (
             select * from modelpack.customer_verify(0, null, coalesce(v_keys, '{}'))
           ) as x
  ) as f where f.rows > 0;
  return query
  select * from (
    select 'missing', 'complaint', count(*) as rows, null
      from (
             select distinct x.customer_id
               from (select e.* from public.complaint as e tablesample system (v_share) where e.customer_id is not null
                 and (e.severity > 1) limit 200) as x
              where not exists (select from public.customer as q where q.customer_id = x.customer_id)
           ) as x
  ) as f where f.rows > 0;
end
$modelpack$;

revoke all on function modelpack.customer_examine() from public;

comment on function modelpack.customer_examine() is
  'What is wrong with rows of public.customer, for modelpack.doctor(): how many, and one of them. [customer]';

create or replace function modelpack.customer_guard()
returns trigger
language plpgsql security invoker
as $modelpack$
-- GUARD of public.customer: scores what modelpack's own functions write, and refuses an UPDATE of features or scores by
-- anybody else but a member of modelpack_owner.
#variable_conflict use_variable
declare
  v_ours boolean;
  v_moment timestamptz;
  v_version integer;
begin
  -- our own functions are known by the name of their role; it must be one that may grant this function, since another
  -- role may have got the name
  if pg_catalog.current_setting('search_path') operator(pg_catalog.=) 'pg_catalog, pg_temp'
     and current_user operator(pg_catalog.=) tg_argv[0] then
    v_ours := pg_catalog.has_function_privilege('modelpack.customer_guard()'::pg_catalog.regprocedure,
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
         new.basket,
         new.basket_n,
         new.basket_sum,
         new.churn,
         new.churn_scored_at,
         new.churn_stale,
         new.churn_version,
         new.complaint_heat,
         new.complaint_heat_ahead,
         new.complaints,
         new.features_at,
         new.features_read_at,
         new.features_reread_at,
         new.last_purchase_at,
         new.purchases,
         new.purchases_90d,
         new.spend
       )::pg_catalog.record operator(pg_catalog.*=) row(
         old.basket,
         old.basket_n,
         old.basket_sum,
         old.churn,
         old.churn_scored_at,
         old.churn_stale,
         old.churn_version,
         old.complaint_heat,
         old.complaint_heat_ahead,
         old.complaints,
         old.features_at,
         old.features_read_at,
         old.features_reread_at,
         old.last_purchase_at,
         old.purchases,
         old.purchases_90d,
         old.spend
       )::pg_catalog.record then
      return new;
    end if;
    if pg_catalog.pg_has_role(current_user, 'modelpack_owner', 'member') then  -- a superuser or the DBA, who means it
      if tg_nargs operator(pg_catalog.<>) 2 then
        new := modelpack.customer_scored(new, old, 'by hand');
      end if;
      return new;
    end if;
    raise exception using
      errcode = 'insufficient_privilege',
      message
        = pg_catalog.format('an UPDATE by %I changes columns of %s that modelpack keeps: %s', current_user,
          'public.customer',
        pg_catalog.array_to_string(array[
          case when not row(new.basket)::pg_catalog.record operator(pg_catalog.*=) row(old.basket)::pg_catalog.record
              then 'basket' end,
          case
              when not row(new.basket_n)::pg_catalog.record operator(pg_catalog.*=) row(old.basket_n)::pg_catalog.record
              then 'basket_n' end,
          case
              when not row(new.basket_sum)::pg_catalog.record operator(pg_catalog.*=) row(
                old.basket_sum)::pg_catalog.record then 'basket_sum' end,
          case when not row(new.churn)::pg_catalog.record operator(pg_catalog.*=) row(old.churn)::pg_catalog.record
              then 'churn' end,
          case
              when not row(new.churn_scored_at)::pg_catalog.record operator(pg_catalog.*=) row(
                old.churn_scored_at)::pg_catalog.record then 'churn_scored_at' end,
          case
              when not row(new.churn_stale)::pg_catalog.record operator(pg_catalog.*=) row(
                old.churn_stale)::pg_catalog.record then 'churn_stale' end,
          case
              when not row(new.churn_version)::pg_catalog.record operator(pg_catalog.*=) row(
                old.churn_version)::pg_catalog.record then 'churn_version' end,
          case
              when not row(new.complaint_heat)::pg_catalog.record operator(pg_catalog.*=) row(
                old.complaint_heat)::pg_catalog.record then 'complaint_heat' end,
          case
              when not row(new.complaint_heat_ahead)::pg_catalog.record operator(pg_catalog.*=) row(
                old.complaint_heat_ahead)::pg_catalog.record then 'complaint_heat_ahead' end,
          case
              when not row(new.complaints)::pg_catalog.record operator(pg_catalog.*=) row(
                old.complaints)::pg_catalog.record then 'complaints' end,
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
              when not row(new.last_purchase_at)::pg_catalog.record operator(pg_catalog.*=) row(
                old.last_purchase_at)::pg_catalog.record then 'last_purchase_at' end,
          case
              when not row(new.purchases)::pg_catalog.record operator(pg_catalog.*=) row(
                old.purchases)::pg_catalog.record then 'purchases' end,
          case
              when not row(new.purchases_90d)::pg_catalog.record operator(pg_catalog.*=) row(
                old.purchases_90d)::pg_catalog.record then 'purchases_90d' end,
          case when not row(new.spend)::pg_catalog.record operator(pg_catalog.*=) row(old.spend)::pg_catalog.record
              then 'spend' end
        ], ', ')),
      detail = 'Features follow from events and scores from features; a value written by hand would be wrong at once.',
      hint = 'Leave these columns out of the UPDATE (in an ORM: mark them read-only).';
  end if;
  -- the score trigger looks at every UPDATE; or the row was scored with many others, in one call
  if tg_nargs = 2 or new.churn_scored_at = new.features_at and new.churn_scored_at is distinct from old.churn_scored_at
    then
    return new;
  elsif new.features_at = old.features_at then
    -- nothing that a score depends on has changed
    if row(
         new.customer_id,
         new.purchases,
         new.purchases_90d,
         new.spend,
         new.basket,
         new.basket_n,
         new.basket_sum,
         new.last_purchase_at,
         new.complaints,
         new.complaint_heat,
         new.complaint_heat_ahead,
         new.churn,
         new.churn_version,
         new.churn_scored_at,
         new.churn_stale
       )::pg_catalog.record operator(pg_catalog.*=) row(
         old.customer_id,
         old.purchases,
         old.purchases_90d,
         old.spend,
         old.basket,
         old.basket_n,
         old.basket_sum,
         old.last_purchase_at,
         old.complaints,
         old.complaint_heat,
         old.complaint_heat_ahead,
         old.churn,
         old.churn_version,
         old.churn_scored_at,
         old.churn_stale
       )::pg_catalog.record
    then
      return new;
    end if;
  end if;
  v_moment := pg_catalog.clock_timestamp();
  -- decayed features lose weight up to the moment
  new.complaint_heat := modelpack.decay(new.complaint_heat,
    date_part('epoch', v_moment - coalesce(new.features_at, v_moment)), 1209600);
  if new.complaint_heat_ahead > least(old.features_at, new.features_at)
    or v_moment < greatest(old.features_at, new.features_at) then
    if not exists (select from pg_trigger as t
                    where t.tgrelid = 'public.complaint'::regclass
                      and t.tgfoid = 'modelpack.customer_count_complaint_insert()'::regprocedure)
    then
      if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        perform modelpack.customer_seen();
      end if;
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format(
          '%s is another table than the event table that the declaration of %s means: it has no count trigger',
          'public.complaint',
          'public.customer'),
        detail = 'Its rows would count as events.',
        hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
    end if;
    select coalesce(
      sum(
        coalesce(
          case when isfinite(e.created_at) and e.created_at <= v_moment
            then modelpack.decay(1::double precision, date_part('epoch', v_moment - e.created_at::timestamptz), 1209600)
          end, 0)), 0),
           max(
             case when isfinite(e.created_at) and e.created_at > v_moment and e.created_at < date '200000-01-01'
               then e.created_at::timestamptz end)
      into new.complaint_heat,
           new.complaint_heat_ahead
      from public.complaint as e
     where e.customer_id = new.customer_id and (e.severity > 1);
    new.features_reread_at := greatest(now(), statement_timestamp());
  end if;
  -- windows, read under the row's lock
  if not exists (select from pg_trigger as t
                  where t.tgrelid = 'public.purchase'::regclass
                    and t.tgfoid = 'modelpack.customer_count_purchase_insert()'::regprocedure)
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.customer_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format(
        '%s is another table than the event table that the declaration of %s means: it has no count trigger',
        'public.purchase',
        'public.customer'),
      detail = 'Its rows would count as events.',
      hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
  end if;
  select count(*) filter (where e.purchased_at > v_moment - interval '90 days' and e.purchased_at <= v_moment)
    into new.purchases_90d
    from public.purchase as e
   where e.customer_id = new.customer_id and e.purchased_at > v_moment - interval '90 days'
     and e.purchased_at <= v_moment;
  new.features_at := v_moment;
  -- score churn
  v_version := coalesce(modelpack.customer_score_churn_chosen(new), modelpack.customer_score_churn_version());
  new.churn := modelpack.customer_score_churn_predict(
    v_version,
    modelpack.customer_score_churn_numbers(new, v_moment, v_version),
    modelpack.customer_score_churn_texts(new, v_moment, v_version),
    modelpack.key_value(new.customer_id)::text, v_moment, true);
  new.churn_version := v_version;
  new.churn_scored_at := v_moment;
  if new.churn is null or new.churn_stale is not null then
    new.churn_stale := case when new.churn is null then modelpack.customer_score_churn_reason(v_version, null) end;
    if new.churn is null then
      -- the last score stands
      new.churn := old.churn;
      new.churn_version := old.churn_version;
      new.churn_scored_at := old.churn_scored_at;
    end if;
  end if;
  return new;
end
$modelpack$;

revoke all on function modelpack.customer_guard() from public;

comment on function modelpack.customer_guard() is
  'GUARD of public.customer: scores what modelpack''s own functions write, and refuses an UPDATE of features or '
  'scores by anybody else but a member of modelpack_owner. [customer]';

create or replace function modelpack.customer_count_purchase_insert()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
set enable_seqscan = off
as $modelpack$
-- COUNT of public.customer: keeps purchases, purchases_90d, spend, basket, last_purchase_at when rows of
-- public.purchase are inserted. Generated by modelpack from the declaration.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_seqscan: off, since a session keeps a plan for whatever number of rows comes: one by an index is good for a
-- row and for many.
#variable_conflict use_variable
declare
  v_moment timestamptz := clock_timestamp();
  v_statement timestamptz;
  v_read text[];
  v_rows bigint;
  v_written bigint;
  v_logged bigint;
  v_version_1 integer;
  v_made text[];
  v_settings text[];
begin
  if tg_relid <> 'public.purchase'::regclass then  -- a partition of it, or one on its way
    if not exists (select from pg_partition_ancestors(tg_relid) as a where a.relid = 'public.purchase'::regclass)
       and (select c.relpersistence from pg_class as c where c.oid = tg_relid) <> 't'
    then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s has the triggers of the event table %s, which is another relation now',
                         tg_relid::regclass, 'public.purchase'),
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
      amount_amount numeric;
      d_spend numeric;
      d_basket_n bigint;
    begin
      select * into e from new_rows;
      amount_amount := modelpack.amount(e.amount);
      d_spend := coalesce(amount_amount, 0);
      d_basket_n := ((amount_amount) is not null)::integer;
      update public.customer as p
         set purchases = p.purchases + 1,
             spend = p.spend + d_spend,
             basket = ((p.basket_sum + d_spend))::double precision / nullif((p.basket_n + d_basket_n), 0),
             basket_n = p.basket_n + d_basket_n,
             basket_sum = p.basket_sum + d_spend,
             last_purchase_at = greatest(p.last_purchase_at, e.purchased_at),
             complaint_heat
               = modelpack.decay(p.complaint_heat, date_part('epoch', v_moment - coalesce(p.features_at, v_moment)),
                 1209600),
             features_at = v_moment
       where p.customer_id = e.customer_id
         and ((p.features_read_at >= modelpack.customer_since()) is not true
           or p.features_read_at = greatest(now(), statement_timestamp())
           or p.features_reread_at = greatest(now(), statement_timestamp())) is not true
      returning p.features_at = v_moment into v_unscored;
      if not v_unscored then
        return new;  -- NULL in a trigger for each statement
      elsif v_unscored then
        if (select count(*) from pg_trigger as t
             where t.tgrelid = 'public.customer'::regclass
               and t.tgname in ('modelpack_customer_guard', 'zz_modelpack_customer_score')) < 2
        then
          if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
            perform modelpack.customer_seen();
          end if;
          raise exception using
            errcode = 'object_not_in_prerequisite_state',
            message = 'public.customer is another table than the profile that was declared: it has no score trigger',
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
       where t.tgrelid = 'public.customer'::regclass
         and t.tgname in ('modelpack_customer_guard', 'zz_modelpack_customer_score')) < 2
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.customer_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'public.customer is another table than the profile that was declared: it has no score trigger',
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
       select d.customer_id
         from (
                select distinct e.customer_id
                  from new_rows as e
                 where e.customer_id is not null
              ) as d
        where not exists (select from public.customer as q where q.customer_id = d.customer_id)
     ) then
    -- keys without a profile get one before any is locked; the score trigger reads its features from the events
    with made as (
      insert into public.customer as p (customer_id) overriding system value
      select d.customer_id
        from (
               select distinct e.customer_id
                 from new_rows as e
                where e.customer_id is not null
             ) as d
       where not exists (select from public.customer as q where q.customer_id = d.customer_id)
       order by d.customer_id
      on conflict (customer_id) do nothing
      returning modelpack.key_value(p.customer_id)::text as key, p.features_read_at is not null as read
    )
    -- not where triggers do not fire, in a replica: it is counted below
    select array_agg(made.key) filter (where made.read) into v_made from made;
  end if;
  -- rows are locked in the order of their keys: two statements never wait for each other in a circle
  select array_agg(x.key) filter (where x.read), count(*) filter (where x.read is not true)
    into v_read, v_rows
    from (
           select modelpack.key_value(p.customer_id)::text as key,
                  (p.features_read_at >= modelpack.customer_since()) is not true or p.features_read_at = v_statement
                    or p.features_reread_at = v_statement as read
             from (
                    select distinct e.customer_id
                      from new_rows as e
                     where e.customer_id is not null
                  ) as d
             join public.customer as p on p.customer_id = d.customer_id
            order by p.customer_id
              for no key update of p
         ) as x;
  v_moment := clock_timestamp();
  if v_rows >= 8 and modelpack.customer_batched() and modelpack.customer_shaped() then
    if not exists (select from pg_trigger as t
                    where t.tgrelid = 'public.purchase'::regclass
                      and t.tgfoid = 'modelpack.customer_count_purchase_insert()'::regprocedure)
    then
      if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        perform modelpack.customer_seen();
      end if;
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format(
          '%s is another table than the event table that the declaration of %s means: it has no count trigger',
          'public.purchase',
          'public.customer'),
        detail = 'Its rows would count as events.',
        hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
    end if;
    v_version_1 := modelpack.customer_score_churn_version();
    -- all rows in one call of each model
    with chosen as materialized (
      select f.*,
             count(*) filter (where f."is fed") over up as "the number",
             sum(f."the size") over up / 32000000 as "the chunk"
        from (
               select k.*,
                      not k."is alone" and k."churn inputs" is not null as "is fed",
                      100
                        + coalesce(pg_column_size(k."churn inputs") + coalesce(pg_column_size(k."churn texts"), 0),
                          0) as "the size"
                 from (
                        select c."the place", c."the partition", c."is alone",
                               c.purchases,
                               c.purchases_90d,
                               c.spend,
                               c.basket,
                               c.basket_n,
                               c.basket_sum,
                               c.last_purchase_at,
                               c.complaint_heat,
                               modelpack.customer_score_churn_numbers(
                                 modelpack.customer_with(c."the row", c.purchases, c.purchases_90d, c.spend, c.basket,
                                   c.basket_n, c.basket_sum, c.last_purchase_at, c.complaints, c.complaint_heat,
                                   c.complaint_heat_ahead), v_moment, v_version_1) as "churn inputs",
                               modelpack.customer_score_churn_texts(
                                 modelpack.customer_with(c."the row", c.purchases, c.purchases_90d, c.spend, c.basket,
                                   c.basket_n, c.basket_sum, c.last_purchase_at, c.complaints, c.complaint_heat,
                                   c.complaint_heat_ahead), v_moment, v_version_1) as "churn texts"
                          from (
                                 select row(p.*)::public.customer as "the row", p.ctid as "the place",
                                   p.tableoid as "the partition",
                                        coalesce(p.features_at >= v_moment, false)
                                          or coalesce(greatest(p.complaint_heat_ahead)
                                            > coalesce(p.features_at, v_moment), false) as "is alone",
                                        p.purchases + d.purchases as purchases,
                                        w0.purchases_90d as purchases_90d,
                                        p.spend + d.spend as spend,
                                        ((p.basket_sum + d.spend))::double precision
                                          / nullif((p.basket_n + d.basket_n), 0) as basket,
                                        p.basket_n + d.basket_n as basket_n,
                                        p.basket_sum + d.spend as basket_sum,
                                        greatest(p.last_purchase_at, d.last_purchase_at) as last_purchase_at,
                                        p.complaints as complaints,
                                        modelpack.decay(p.complaint_heat,
                                          date_part('epoch', v_moment - coalesce(p.features_at, v_moment)),
                                          1209600) as complaint_heat,
                                        p.complaint_heat_ahead as complaint_heat_ahead
                                   from (
                                          select c.customer_id,
                                                 sum(c.purchases)::bigint as purchases,
                                                 sum(c.spend)::numeric as spend,
                                                 sum(c.basket_n)::bigint as basket_n,
                                                 percentile_disc(0) within
                                                   group (order by c.last_purchase_at desc) as last_purchase_at
                                            from (
                                                   select e.customer_id,
                                                          1 as purchases,
                                                          coalesce(modelpack.amount(e.amount), 0) as spend,
                                                          (
                                                            (
                                                              modelpack.amount(
                                                                e.amount)) is not null)::integer as basket_n,
                                                          e.purchased_at as last_purchase_at
                                                     from new_rows as e
                                                    where e.customer_id is not null
                                                 ) as c
                                           group by c.customer_id
                                        ) as d
                                   join public.customer as p on p.customer_id = d.customer_id
                                   cross join lateral (
                                     select count(*)
                                       filter (where e.purchased_at > v_moment - interval '90 days'
                                         and e.purchased_at <= v_moment) as purchases_90d
                                       from public.purchase as e
                                      where e.customer_id = p.customer_id
                                        and e.purchased_at > v_moment - interval '90 days'
                                        and e.purchased_at <= v_moment
                                   ) as w0
                                   where ((p.features_read_at >= modelpack.customer_since()) is not true
                                     or p.features_read_at = v_statement
                                     or p.features_reread_at = v_statement) is not true
                                 offset 0  -- features are computed once
                               ) as c
                        offset 0  -- and packed once
                      ) as k
             ) as f
      window up as (rows unbounded preceding)
    ), called as materialized (
      select k."the chunk", k."the first",
             modelpack.customer_score_churn_many(
               v_version_1,
               (
                 select array_send(
                   array_replace(array_agg(c."churn inputs") filter (where c."churn inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."churn texts") filter (where c."churn texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "churn scores"
        from (select c."the chunk", min(c."the number") filter (where c."is fed") as "the first" from chosen as c
          group by c."the chunk" offset 0) as k
    ), written as (
      update public.customer as p
         set purchases = c.purchases,
             purchases_90d = c.purchases_90d,
             spend = c.spend,
             basket = c.basket,
             basket_n = c.basket_n,
             basket_sum = c.basket_sum,
             last_purchase_at = c.last_purchase_at,
             complaint_heat = c.complaint_heat,
             churn = case when (c."churn given" <> 'NaN') is true then c."churn given" else p.churn end,
             churn_version = case when (c."churn given" <> 'NaN') is true then v_version_1 else p.churn_version end,
             churn_scored_at = case when (c."churn given" <> 'NaN') is true then v_moment else p.churn_scored_at end,
             churn_stale = case when not (c."churn given" <> 'NaN') is true then p.churn_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.customer'::regclass
                                                  and t.tgname = 'modelpack_customer_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."churn inputs") || coalesce(array_send(c."churn texts"), ''))
                                      end,
             -- one that is left to the guard has its features at the moment, or at none where none moves
             features_at = v_moment
        from called as a
       cross join lateral (
               select c.*,
                      case when c."is fed"
                          then a."churn scores"[c."the number" - a."the first" + 1] end as "churn given"
                 from chosen as c
                where c."the chunk" = a."the chunk"
               offset 0
             ) as c
       where p.ctid = c."the place" and p.tableoid = c."the partition"
      returning modelpack.key_value(p.customer_id)::text as "the key",
                c."the chunk",
                (c."churn given" <> 'NaN') is true and p.churn_scored_at = v_moment as "is good",
                p.churn, c."churn inputs", c."churn texts"
    ), logged as (
      select modelpack.customer_score_churn_record(
               v_version_1, v_moment,
                 array_agg(row(w."the key", w.churn, w."churn inputs", w."churn texts")::modelpack.scored)
             ) as rows
        from written as w
       where w."is good"
       group by w."the chunk"
    )
    select (select count(*) from written), (select sum(l.rows) from logged as l)
      into v_written, v_logged;
  else
    update public.customer as p
       set purchases = p.purchases + d.purchases,
           spend = p.spend + d.spend,
           basket = ((p.basket_sum + d.spend))::double precision / nullif((p.basket_n + d.basket_n), 0),
           basket_n = p.basket_n + d.basket_n,
           basket_sum = p.basket_sum + d.spend,
           last_purchase_at = greatest(p.last_purchase_at, d.last_purchase_at),
           complaint_heat
             = modelpack.decay(p.complaint_heat, date_part('epoch', v_moment - coalesce(p.features_at, v_moment)),
               1209600),
           features_at = v_moment
      from (
             select c.customer_id,
                    sum(c.purchases)::bigint as purchases,
                    sum(c.spend)::numeric as spend,
                    sum(c.basket_n)::bigint as basket_n,
                    percentile_disc(0) within group (order by c.last_purchase_at desc) as last_purchase_at
               from (
                      select e.customer_id,
                             1 as purchases,
                             coalesce(modelpack.amount(e.amount), 0) as spend,
                             ((modelpack.amount(e.amount)) is not null)::integer as basket_n,
                             e.purchased_at as last_purchase_at
                        from new_rows as e
                       where e.customer_id is not null
                    ) as c
              group by c.customer_id
           ) as d
     where p.customer_id = d.customer_id
       and ((p.features_read_at >= modelpack.customer_since()) is not true or p.features_read_at = v_statement
         or p.features_reread_at = v_statement) is not true;
  end if;
  -- profiles that this very statement has read from the events know of its changes; others, that were never counted,
  -- are counted again
  if v_read is not null then
    if v_made is not null then
      select array_agg(x.key) into v_read
        from (select unnest(v_read) as key except select unnest(v_made)) as x;
    end if;
    perform modelpack.customer_recount(v_read);
  end if;
  perform set_config('enable_hashjoin', v_settings[1], true),
          set_config('enable_mergejoin', v_settings[2], true),
          set_config('jit', v_settings[3], true);
  return null;
end
$modelpack$;

revoke all on function modelpack.customer_count_purchase_insert() from public;

comment on function modelpack.customer_count_purchase_insert() is
  'COUNT of public.customer: keeps purchases, purchases_90d, spend, basket, last_purchase_at when rows of '
  'public.purchase are inserted. Generated by modelpack from the declaration. [customer]';

create or replace function modelpack.customer_count_purchase_update()
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
-- COUNT of public.customer: keeps purchases, purchases_90d, spend, basket, last_purchase_at when rows of
-- public.purchase are updated. Generated by modelpack from the declaration.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_seqscan, enable_hashjoin, enable_mergejoin, jit: off, since a session keeps a plan for whatever number of rows
-- comes: one by an index is good for a row and for many.
#variable_conflict use_variable
declare
  v_moment timestamptz := clock_timestamp();
  v_statement constant timestamptz := greatest(now(), statement_timestamp());
  v_read text[];
  v_rows bigint;
  v_written bigint;
  v_logged bigint;
  v_version_1 integer;
  v_made text[];
begin
  if tg_relid <> 'public.purchase'::regclass then  -- a partition of it, or one on its way
    if not exists (select from pg_partition_ancestors(tg_relid) as a where a.relid = 'public.purchase'::regclass)
       and (select c.relpersistence from pg_class as c where c.oid = tg_relid) <> 't'
    then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s has the triggers of the event table %s, which is another relation now',
                         tg_relid::regclass, 'public.purchase'),
        detail = 'Its rows would count as events of that.',
        hint
          = 'Rename it back; or modelpack apply DECLARATION, which moves the triggers to the table that is declared.';
    end if;
  end if;
  if current_setting('modelpack.moved_edf9a2f0923decfc', true) <> '' then
    if not exists (select from old_rows as o
        where md5(to_jsonb(o)::text) = current_setting('modelpack.moved_edf9a2f0923decfc', true)) then
      raise exception using
        errcode = 'feature_not_supported',
        message = 'MERGE has moved rows of public.purchase to another partition, and PostgreSQL tells no trigger which',
        detail = 'The features of public.customer could not follow.',
        hint = 'Move them by UPDATE, or by DELETE and INSERT.';
    end if;
    perform set_config('modelpack.moved_edf9a2f0923decfc', '', true);
  end if;
  if not exists (select from new_rows) then
    return null;
  end if;
  if (select count(*) from pg_trigger as t
       where t.tgrelid = 'public.customer'::regclass
         and t.tgname in ('modelpack_customer_guard', 'zz_modelpack_customer_score')) < 2
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.customer_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'public.customer is another table than the profile that was declared: it has no score trigger',
      hint = 'select * from modelpack.doctor() says where the profile is now, and what to run.';
  end if;
  if exists (
       select d.customer_id
         from (
                select distinct e.customer_id
                  from old_rows as e
                 where e.customer_id is not null
              ) as d
        where not exists (select from public.customer as q where q.customer_id = d.customer_id)
     ) then
    -- keys without a profile: whoever makes one of them a profile waits for us, or we for them
    perform modelpack.customer_meet(array(
      select hash_record_extended(row(u.customer_id), 0)::text
        from (
               select d.customer_id
                 from (
                        select distinct e.customer_id
                          from (select * from old_rows union all select * from new_rows) as e
                         where e.customer_id is not null
                      ) as d
                where not exists (select from public.customer as q where q.customer_id = d.customer_id)
             ) as u
       order by u.customer_id
    ));
  end if;
  -- keys without a profile get one before any is locked; the score trigger reads its features from the events
  with made as (
    insert into public.customer as p (customer_id) overriding system value
    select d.customer_id
      from (
             select distinct e.customer_id
               from new_rows as e
              where e.customer_id is not null
           ) as d
     where not exists (select from public.customer as q where q.customer_id = d.customer_id)
     order by d.customer_id
    on conflict (customer_id) do nothing
    returning modelpack.key_value(p.customer_id)::text as key, p.features_read_at is not null as read
  )
  -- not where triggers do not fire, in a replica: it is counted below
  select array_agg(made.key) filter (where made.read) into v_made from made;
  -- rows are locked in the order of their keys: two statements never wait for each other in a circle
  with came as (
    select e.customer_id,
           1 as purchases,
           coalesce(modelpack.amount(e.amount), 0) as spend,
           ((modelpack.amount(e.amount)) is not null)::integer as basket_n,
           e.purchased_at as last_purchase_at,
           row(e.purchased_at)::text as "the image"
      from new_rows as e
     where e.customer_id is not null
  ),
  went as (
    select e.customer_id,
           1 as purchases,
           coalesce(modelpack.amount(e.amount), 0) as spend,
           ((modelpack.amount(e.amount)) is not null)::integer as basket_n,
           e.purchased_at as last_purchase_at,
           row(e.purchased_at)::text as "the image"
      from old_rows as e
     where e.customer_id is not null
  ),
  changed as (
    select 1 as "the sign", x.* from (select * from came except all select * from went) as x
    union all
    select -1 as "the sign", x.* from (select * from went except all select * from came) as x
  )
  select array_agg(x.key) filter (where x.read), count(*) filter (where x.read is not true)
    into v_read, v_rows
    from (
           select modelpack.key_value(p.customer_id)::text as key,
                  (p.features_read_at >= modelpack.customer_since()) is not true or p.features_read_at = v_statement
                    or p.features_reread_at = v_statement as read
             from (
                    select distinct c.customer_id
                      from changed as c
                  ) as d
             join public.customer as p on p.customer_id = d.customer_id
            order by p.customer_id
              for no key update of p
         ) as x;
  v_moment := clock_timestamp();
  if v_rows >= 8 and modelpack.customer_batched() and modelpack.customer_shaped() then
    if not exists (select from pg_trigger as t
                    where t.tgrelid = 'public.purchase'::regclass
                      and t.tgfoid = 'modelpack.customer_count_purchase_insert()'::regprocedure)
    then
      if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        perform modelpack.customer_seen();
      end if;
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format(
          '%s is another table than the event table that the declaration of %s means: it has no count trigger',
          'public.purchase',
          'public.customer'),
        detail = 'Its rows would count as events.',
        hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
    end if;
    v_version_1 := modelpack.customer_score_churn_version();
    -- all rows in one call of each model
    with came as (
      select e.customer_id,
             1 as purchases,
             coalesce(modelpack.amount(e.amount), 0) as spend,
             ((modelpack.amount(e.amount)) is not null)::integer as basket_n,
             e.purchased_at as last_purchase_at,
             row(e.purchased_at)::text as "the image"
        from new_rows as e
       where e.customer_id is not null
    ),
    went as (
      select e.customer_id,
             1 as purchases,
             coalesce(modelpack.amount(e.amount), 0) as spend,
             ((modelpack.amount(e.amount)) is not null)::integer as basket_n,
             e.purchased_at as last_purchase_at,
             row(e.purchased_at)::text as "the image"
        from old_rows as e
       where e.customer_id is not null
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
                      not k."is alone" and k."churn inputs" is not null as "is fed",
                      100
                        + coalesce(pg_column_size(k."churn inputs") + coalesce(pg_column_size(k."churn texts"), 0),
                          0) as "the size"
                 from (
                        select c."the place", c."the partition", c."is alone",
                               c.purchases,
                               c.purchases_90d,
                               c.spend,
                               c.basket,
                               c.basket_n,
                               c.basket_sum,
                               c.last_purchase_at,
                               c.complaint_heat,
                               modelpack.customer_score_churn_numbers(
                                 modelpack.customer_with(c."the row", c.purchases, c.purchases_90d, c.spend, c.basket,
                                   c.basket_n, c.basket_sum, c.last_purchase_at, c.complaints, c.complaint_heat,
                                   c.complaint_heat_ahead), v_moment, v_version_1) as "churn inputs",
                               modelpack.customer_score_churn_texts(
                                 modelpack.customer_with(c."the row", c.purchases, c.purchases_90d, c.spend, c.basket,
                                   c.basket_n, c.basket_sum, c.last_purchase_at, c.complaints, c.complaint_heat,
                                   c.complaint_heat_ahead), v_moment, v_version_1) as "churn texts"
                          from (
                                 select row(p.*)::public.customer as "the row", p.ctid as "the place",
                                   p.tableoid as "the partition",
                                        coalesce(p.features_at >= v_moment, false)
                                          or coalesce(greatest(p.complaint_heat_ahead)
                                            > coalesce(p.features_at, v_moment), false) as "is alone",
                                        p.purchases + d.purchases as purchases,
                                        w0.purchases_90d as purchases_90d,
                                        p.spend + d.spend as spend,
                                        ((p.basket_sum + d.spend))::double precision
                                          / nullif((p.basket_n + d.basket_n), 0) as basket,
                                        p.basket_n + d.basket_n as basket_n,
                                        p.basket_sum + d.spend as basket_sum,
                                        r.last_purchase_at as last_purchase_at,
                                        p.complaints as complaints,
                                        modelpack.decay(p.complaint_heat,
                                          date_part('epoch', v_moment - coalesce(p.features_at, v_moment)),
                                          1209600) as complaint_heat,
                                        p.complaint_heat_ahead as complaint_heat_ahead
                                   from (
                                          select c.customer_id,
                                                 sum(c."the sign" * c.purchases)::bigint as purchases,
                                                 sum(c."the sign" * c.spend)::numeric as spend,
                                                 sum(c."the sign" * c.basket_n)::bigint as basket_n
                                            from changed as c
                                           group by c.customer_id
                                        ) as d
                                   join public.customer as p on p.customer_id = d.customer_id
                                   cross join lateral (
                                     select percentile_disc(0) within
                                       group (order by e.purchased_at desc) as last_purchase_at
                                       from public.purchase as e
                                      where e.customer_id = d.customer_id
                                   ) as r
                                   cross join lateral (
                                     select count(*)
                                       filter (where e.purchased_at > v_moment - interval '90 days'
                                         and e.purchased_at <= v_moment) as purchases_90d
                                       from public.purchase as e
                                      where e.customer_id = p.customer_id
                                        and e.purchased_at > v_moment - interval '90 days'
                                        and e.purchased_at <= v_moment
                                   ) as w0
                                   where ((p.features_read_at >= modelpack.customer_since()) is not true
                                     or p.features_read_at = v_statement
                                     or p.features_reread_at = v_statement) is not true
                                 offset 0  -- features are computed once
                               ) as c
                        offset 0  -- and packed once
                      ) as k
             ) as f
      window up as (rows unbounded preceding)
    ), called as materialized (
      select k."the chunk", k."the first",
             modelpack.customer_score_churn_many(
               v_version_1,
               (
                 select array_send(
                   array_replace(array_agg(c."churn inputs") filter (where c."churn inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."churn texts") filter (where c."churn texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "churn scores"
        from (select c."the chunk", min(c."the number") filter (where c."is fed") as "the first" from chosen as c
          group by c."the chunk" offset 0) as k
    ), written as (
      update public.customer as p
         set purchases = c.purchases,
             purchases_90d = c.purchases_90d,
             spend = c.spend,
             basket = c.basket,
             basket_n = c.basket_n,
             basket_sum = c.basket_sum,
             last_purchase_at = c.last_purchase_at,
             complaint_heat = c.complaint_heat,
             churn = case when (c."churn given" <> 'NaN') is true then c."churn given" else p.churn end,
             churn_version = case when (c."churn given" <> 'NaN') is true then v_version_1 else p.churn_version end,
             churn_scored_at = case when (c."churn given" <> 'NaN') is true then v_moment else p.churn_scored_at end,
             churn_stale = case when not (c."churn given" <> 'NaN') is true then p.churn_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.customer'::regclass
                                                  and t.tgname = 'modelpack_customer_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."churn inputs") || coalesce(array_send(c."churn texts"), ''))
                                      end,
             -- one that is left to the guard has its features at the moment, or at none where none moves
             features_at = v_moment
        from called as a
       cross join lateral (
               select c.*,
                      case when c."is fed"
                          then a."churn scores"[c."the number" - a."the first" + 1] end as "churn given"
                 from chosen as c
                where c."the chunk" = a."the chunk"
               offset 0
             ) as c
       where p.ctid = c."the place" and p.tableoid = c."the partition"
      returning modelpack.key_value(p.customer_id)::text as "the key",
                c."the chunk",
                (c."churn given" <> 'NaN') is true and p.churn_scored_at = v_moment as "is good",
                p.churn, c."churn inputs", c."churn texts"
    ), logged as (
      select modelpack.customer_score_churn_record(
               v_version_1, v_moment,
                 array_agg(row(w."the key", w.churn, w."churn inputs", w."churn texts")::modelpack.scored)
             ) as rows
        from written as w
       where w."is good"
       group by w."the chunk"
    )
    select (select count(*) from written), (select sum(l.rows) from logged as l)
      into v_written, v_logged;
  else
    with came as (
      select e.customer_id,
             1 as purchases,
             coalesce(modelpack.amount(e.amount), 0) as spend,
             ((modelpack.amount(e.amount)) is not null)::integer as basket_n,
             e.purchased_at as last_purchase_at,
             row(e.purchased_at)::text as "the image"
        from new_rows as e
       where e.customer_id is not null
    ),
    went as (
      select e.customer_id,
             1 as purchases,
             coalesce(modelpack.amount(e.amount), 0) as spend,
             ((modelpack.amount(e.amount)) is not null)::integer as basket_n,
             e.purchased_at as last_purchase_at,
             row(e.purchased_at)::text as "the image"
        from old_rows as e
       where e.customer_id is not null
    ),
    changed as (
      select 1 as "the sign", x.* from (select * from came except all select * from went) as x
      union all
      select -1 as "the sign", x.* from (select * from went except all select * from came) as x
    )
    update public.customer as p
       set purchases = p.purchases + d.purchases,
           spend = p.spend + d.spend,
           basket = ((p.basket_sum + d.spend))::double precision / nullif((p.basket_n + d.basket_n), 0),
           basket_n = p.basket_n + d.basket_n,
           basket_sum = p.basket_sum + d.spend,
           last_purchase_at = r.last_purchase_at,
           complaint_heat
             = modelpack.decay(p.complaint_heat, date_part('epoch', v_moment - coalesce(p.features_at, v_moment)),
               1209600),
           features_at = v_moment
      from (
             select c.customer_id,
                    sum(c."the sign" * c.purchases)::bigint as purchases,
                    sum(c."the sign" * c.spend)::numeric as spend,
                    sum(c."the sign" * c.basket_n)::bigint as basket_n
               from changed as c
              group by c.customer_id
           ) as d
           cross join lateral (
             select percentile_disc(0) within group (order by e.purchased_at desc) as last_purchase_at
               from public.purchase as e
              where e.customer_id = d.customer_id
           ) as r
     where p.customer_id = d.customer_id
       and ((p.features_read_at >= modelpack.customer_since()) is not true or p.features_read_at = v_statement
         or p.features_reread_at = v_statement) is not true;
  end if;
  -- profiles that this very statement has read from the events know of its changes; others, that were never counted,
  -- are counted again
  if v_read is not null then
    if v_made is not null then
      select array_agg(x.key) into v_read
        from (select unnest(v_read) as key except select unnest(v_made)) as x;
    end if;
    perform modelpack.customer_recount(v_read);
  end if;
  return null;
end
$modelpack$;

revoke all on function modelpack.customer_count_purchase_update() from public;

comment on function modelpack.customer_count_purchase_update() is
  'COUNT of public.customer: keeps purchases, purchases_90d, spend, basket, last_purchase_at when rows of '
  'public.purchase are updated. Generated by modelpack from the declaration. [customer]';

create or replace function modelpack.customer_count_purchase_delete()
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
-- COUNT of public.customer: keeps purchases, purchases_90d, spend, basket, last_purchase_at when rows of
-- public.purchase are deleted. Generated by modelpack from the declaration.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_seqscan, enable_hashjoin, enable_mergejoin, jit: off, since a session keeps a plan for whatever number of rows
-- comes: one by an index is good for a row and for many.
#variable_conflict use_variable
declare
  v_moment timestamptz := clock_timestamp();
  v_statement constant timestamptz := greatest(now(), statement_timestamp());
  v_read text[];
  v_rows bigint;
  v_written bigint;
  v_logged bigint;
  v_version_1 integer;
begin
  if tg_relid <> 'public.purchase'::regclass then  -- a partition of it, or one on its way
    if not exists (select from pg_partition_ancestors(tg_relid) as a where a.relid = 'public.purchase'::regclass)
       and (select c.relpersistence from pg_class as c where c.oid = tg_relid) <> 't'
    then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s has the triggers of the event table %s, which is another relation now',
                         tg_relid::regclass, 'public.purchase'),
        detail = 'Its rows would count as events of that.',
        hint
          = 'Rename it back; or modelpack apply DECLARATION, which moves the triggers to the table that is declared.';
    end if;
  end if;
  if not exists (select from old_rows) then
    return null;
  end if;
  if (select count(*) from pg_trigger as t
       where t.tgrelid = 'public.customer'::regclass
         and t.tgname in ('modelpack_customer_guard', 'zz_modelpack_customer_score')) < 2
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.customer_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'public.customer is another table than the profile that was declared: it has no score trigger',
      hint = 'select * from modelpack.doctor() says where the profile is now, and what to run.';
  end if;
  if exists (
       select d.customer_id
         from (
                select distinct e.customer_id
                  from old_rows as e
                 where e.customer_id is not null
              ) as d
        where not exists (select from public.customer as q where q.customer_id = d.customer_id)
     ) then
    -- keys without a profile: whoever makes one of them a profile waits for us, or we for them
    perform modelpack.customer_meet(array(
      select hash_record_extended(row(u.customer_id), 0)::text
        from (
               select d.customer_id
                 from (
                        select distinct e.customer_id
                          from old_rows as e
                         where e.customer_id is not null
                      ) as d
                where not exists (select from public.customer as q where q.customer_id = d.customer_id)
             ) as u
       order by u.customer_id
    ));
  end if;
  -- rows are locked in the order of their keys: two statements never wait for each other in a circle
  select array_agg(x.key) filter (where x.read), count(*) filter (where x.read is not true)
    into v_read, v_rows
    from (
           select modelpack.key_value(p.customer_id)::text as key,
                  (p.features_read_at >= modelpack.customer_since()) is not true or p.features_read_at = v_statement
                    or p.features_reread_at = v_statement as read
             from (
                    select distinct e.customer_id
                      from old_rows as e
                     where e.customer_id is not null
                  ) as d
             join public.customer as p on p.customer_id = d.customer_id
            order by p.customer_id
              for no key update of p
         ) as x;
  v_moment := clock_timestamp();
  if v_rows >= 8 and modelpack.customer_batched() and modelpack.customer_shaped() then
    if not exists (select from pg_trigger as t
                    where t.tgrelid = 'public.purchase'::regclass
                      and t.tgfoid = 'modelpack.customer_count_purchase_insert()'::regprocedure)
    then
      if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        perform modelpack.customer_seen();
      end if;
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format(
          '%s is another table than the event table that the declaration of %s means: it has no count trigger',
          'public.purchase',
          'public.customer'),
        detail = 'Its rows would count as events.',
        hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
    end if;
    v_version_1 := modelpack.customer_score_churn_version();
    -- all rows in one call of each model
    with chosen as materialized (
      select f.*,
             count(*) filter (where f."is fed") over up as "the number",
             sum(f."the size") over up / 32000000 as "the chunk"
        from (
               select k.*,
                      not k."is alone" and k."churn inputs" is not null as "is fed",
                      100
                        + coalesce(pg_column_size(k."churn inputs") + coalesce(pg_column_size(k."churn texts"), 0),
                          0) as "the size"
                 from (
                        select c."the place", c."the partition", c."is alone",
                               c.purchases,
                               c.purchases_90d,
                               c.spend,
                               c.basket,
                               c.basket_n,
                               c.basket_sum,
                               c.last_purchase_at,
                               c.complaint_heat,
                               modelpack.customer_score_churn_numbers(
                                 modelpack.customer_with(c."the row", c.purchases, c.purchases_90d, c.spend, c.basket,
                                   c.basket_n, c.basket_sum, c.last_purchase_at, c.complaints, c.complaint_heat,
                                   c.complaint_heat_ahead), v_moment, v_version_1) as "churn inputs",
                               modelpack.customer_score_churn_texts(
                                 modelpack.customer_with(c."the row", c.purchases, c.purchases_90d, c.spend, c.basket,
                                   c.basket_n, c.basket_sum, c.last_purchase_at, c.complaints, c.complaint_heat,
                                   c.complaint_heat_ahead), v_moment, v_version_1) as "churn texts"
                          from (
                                 select row(p.*)::public.customer as "the row", p.ctid as "the place",
                                   p.tableoid as "the partition",
                                        coalesce(p.features_at >= v_moment, false)
                                          or coalesce(greatest(p.complaint_heat_ahead)
                                            > coalesce(p.features_at, v_moment), false) as "is alone",
                                        p.purchases + d.purchases as purchases,
                                        w0.purchases_90d as purchases_90d,
                                        p.spend + d.spend as spend,
                                        ((p.basket_sum + d.spend))::double precision
                                          / nullif((p.basket_n + d.basket_n), 0) as basket,
                                        p.basket_n + d.basket_n as basket_n,
                                        p.basket_sum + d.spend as basket_sum,
                                        r.last_purchase_at as last_purchase_at,
                                        p.complaints as complaints,
                                        modelpack.decay(p.complaint_heat,
                                          date_part('epoch', v_moment - coalesce(p.features_at, v_moment)),
                                          1209600) as complaint_heat,
                                        p.complaint_heat_ahead as complaint_heat_ahead
                                   from (
                                          select c.customer_id,
                                                 sum(c."the sign" * c.purchases)::bigint as purchases,
                                                 sum(c."the sign" * c.spend)::numeric as spend,
                                                 sum(c."the sign" * c.basket_n)::bigint as basket_n
                                            from (
                                                   select -1 as "the sign",
                                                          e.customer_id,
                                                          1 as purchases,
                                                          coalesce(modelpack.amount(e.amount), 0) as spend,
                                                          (
                                                            (
                                                              modelpack.amount(
                                                                e.amount)) is not null)::integer as basket_n,
                                                          e.purchased_at as last_purchase_at
                                                     from old_rows as e
                                                    where e.customer_id is not null
                                                 ) as c
                                           group by c.customer_id
                                        ) as d
                                   join public.customer as p on p.customer_id = d.customer_id
                                   cross join lateral (
                                     select percentile_disc(0) within
                                       group (order by e.purchased_at desc) as last_purchase_at
                                       from public.purchase as e
                                      where e.customer_id = d.customer_id
                                   ) as r
                                   cross join lateral (
                                     select count(*)
                                       filter (where e.purchased_at > v_moment - interval '90 days'
                                         and e.purchased_at <= v_moment) as purchases_90d
                                       from public.purchase as e
                                      where e.customer_id = p.customer_id
                                        and e.purchased_at > v_moment - interval '90 days'
                                        and e.purchased_at <= v_moment
                                   ) as w0
                                   where ((p.features_read_at >= modelpack.customer_since()) is not true
                                     or p.features_read_at = v_statement
                                     or p.features_reread_at = v_statement) is not true
                                 offset 0  -- features are computed once
                               ) as c
                        offset 0  -- and packed once
                      ) as k
             ) as f
      window up as (rows unbounded preceding)
    ), called as materialized (
      select k."the chunk", k."the first",
             modelpack.customer_score_churn_many(
               v_version_1,
               (
                 select array_send(
                   array_replace(array_agg(c."churn inputs") filter (where c."churn inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."churn texts") filter (where c."churn texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "churn scores"
        from (select c."the chunk", min(c."the number") filter (where c."is fed") as "the first" from chosen as c
          group by c."the chunk" offset 0) as k
    ), written as (
      update public.customer as p
         set purchases = c.purchases,
             purchases_90d = c.purchases_90d,
             spend = c.spend,
             basket = c.basket,
             basket_n = c.basket_n,
             basket_sum = c.basket_sum,
             last_purchase_at = c.last_purchase_at,
             complaint_heat = c.complaint_heat,
             churn = case when (c."churn given" <> 'NaN') is true then c."churn given" else p.churn end,
             churn_version = case when (c."churn given" <> 'NaN') is true then v_version_1 else p.churn_version end,
             churn_scored_at = case when (c."churn given" <> 'NaN') is true then v_moment else p.churn_scored_at end,
             churn_stale = case when not (c."churn given" <> 'NaN') is true then p.churn_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.customer'::regclass
                                                  and t.tgname = 'modelpack_customer_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."churn inputs") || coalesce(array_send(c."churn texts"), ''))
                                      end,
             -- one that is left to the guard has its features at the moment, or at none where none moves
             features_at = v_moment
        from called as a
       cross join lateral (
               select c.*,
                      case when c."is fed"
                          then a."churn scores"[c."the number" - a."the first" + 1] end as "churn given"
                 from chosen as c
                where c."the chunk" = a."the chunk"
               offset 0
             ) as c
       where p.ctid = c."the place" and p.tableoid = c."the partition"
      returning modelpack.key_value(p.customer_id)::text as "the key",
                c."the chunk",
                (c."churn given" <> 'NaN') is true and p.churn_scored_at = v_moment as "is good",
                p.churn, c."churn inputs", c."churn texts"
    ), logged as (
      select modelpack.customer_score_churn_record(
               v_version_1, v_moment,
                 array_agg(row(w."the key", w.churn, w."churn inputs", w."churn texts")::modelpack.scored)
             ) as rows
        from written as w
       where w."is good"
       group by w."the chunk"
    )
    select (select count(*) from written), (select sum(l.rows) from logged as l)
      into v_written, v_logged;
  else
    update public.customer as p
       set purchases = p.purchases + d.purchases,
           spend = p.spend + d.spend,
           basket = ((p.basket_sum + d.spend))::double precision / nullif((p.basket_n + d.basket_n), 0),
           basket_n = p.basket_n + d.basket_n,
           basket_sum = p.basket_sum + d.spend,
           last_purchase_at = r.last_purchase_at,
           complaint_heat
             = modelpack.decay(p.complaint_heat, date_part('epoch', v_moment - coalesce(p.features_at, v_moment)),
               1209600),
           features_at = v_moment
      from (
             select c.customer_id,
                    sum(c."the sign" * c.purchases)::bigint as purchases,
                    sum(c."the sign" * c.spend)::numeric as spend,
                    sum(c."the sign" * c.basket_n)::bigint as basket_n
               from (
                      select -1 as "the sign",
                             e.customer_id,
                             1 as purchases,
                             coalesce(modelpack.amount(e.amount), 0) as spend,
                             ((modelpack.amount(e.amount)) is not null)::integer as basket_n,
                             e.purchased_at as last_purchase_at
                        from old_rows as e
                       where e.customer_id is not null
                    ) as c
              group by c.customer_id
           ) as d
           cross join lateral (
             select percentile_disc(0) within group (order by e.purchased_at desc) as last_purchase_at
               from public.purchase as e
              where e.customer_id = d.customer_id
           ) as r
     where p.customer_id = d.customer_id
       and ((p.features_read_at >= modelpack.customer_since()) is not true or p.features_read_at = v_statement
         or p.features_reread_at = v_statement) is not true;
  end if;
  -- profiles that this very statement has read from the events know of its changes; others, that were never counted,
  -- are counted again
  if v_read is not null then
    perform modelpack.customer_recount(v_read);
  end if;
  return null;
end
$modelpack$;

revoke all on function modelpack.customer_count_purchase_delete() from public;

comment on function modelpack.customer_count_purchase_delete() is
  'COUNT of public.customer: keeps purchases, purchases_90d, spend, basket, last_purchase_at when rows of '
  'public.purchase are deleted. Generated by modelpack from the declaration. [customer]';

create or replace function modelpack.customer_count_purchase_truncate()
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
-- COUNT of public.customer: keeps purchases, purchases_90d, spend, basket, last_purchase_at when rows of
-- public.purchase are truncated. Generated by modelpack from the declaration.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_seqscan, enable_hashjoin, enable_mergejoin, jit: off, since a session keeps a plan for whatever number of rows
-- comes: one by an index is good for a row and for many.
#variable_conflict use_variable
begin
  if tg_relid <> 'public.purchase'::regclass then  -- a partition of it, or one on its way
    if not exists (select from pg_partition_ancestors(tg_relid) as a where a.relid = 'public.purchase'::regclass)
       and (select c.relpersistence from pg_class as c where c.oid = tg_relid) <> 't'
    then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s has the triggers of the event table %s, which is another relation now',
                         tg_relid::regclass, 'public.purchase'),
        detail = 'Its rows would count as events of that.',
        hint
          = 'Rename it back; or modelpack apply DECLARATION, which moves the triggers to the table that is declared.';
    end if;
  end if;
  perform modelpack.customer_rebuild(0, null);
  return null;
end
$modelpack$;

revoke all on function modelpack.customer_count_purchase_truncate() from public;

comment on function modelpack.customer_count_purchase_truncate() is
  'COUNT of public.customer: keeps purchases, purchases_90d, spend, basket, last_purchase_at when rows of '
  'public.purchase are truncated. Generated by modelpack from the declaration. [customer]';

create or replace function modelpack.customer_count_complaint_insert()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
set enable_seqscan = off
as $modelpack$
-- COUNT of public.customer: keeps complaints, complaint_heat when rows of public.complaint are inserted. Generated by
-- modelpack from the declaration.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_seqscan: off, since a session keeps a plan for whatever number of rows comes: one by an index is good for a
-- row and for many.
#variable_conflict use_variable
declare
  v_moment timestamptz := clock_timestamp();
  v_statement timestamptz;
  v_read text[];
  v_rows bigint;
  v_written bigint;
  v_logged bigint;
  v_version_1 integer;
  v_made text[];
  v_settings text[];
begin
  if tg_relid <> 'public.complaint'::regclass then  -- a partition of it, or one on its way
    if not exists (select from pg_partition_ancestors(tg_relid) as a where a.relid = 'public.complaint'::regclass)
       and (select c.relpersistence from pg_class as c where c.oid = tg_relid) <> 't'
    then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s has the triggers of the event table %s, which is another relation now',
                         tg_relid::regclass, 'public.complaint'),
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
      d_complaint_heat double precision;
      d_complaint_heat_ahead timestamptz;
    begin
      select * into e from new_rows;
      if ((e.severity > 1)) is not true then
        return null;
      end if;
      d_complaint_heat := coalesce(
        case when isfinite(e.created_at) and e.created_at <= v_moment
          then modelpack.decay(1::double precision, date_part('epoch', v_moment - e.created_at::timestamptz), 1209600)
        end, 0);
      d_complaint_heat_ahead := case when isfinite(e.created_at) and e.created_at > v_moment
          and e.created_at < date '200000-01-01' then e.created_at::timestamptz end;
      update public.customer as p
         set complaints = p.complaints + 1,
             complaint_heat
               = modelpack.decay(p.complaint_heat, date_part('epoch', v_moment - coalesce(p.features_at, v_moment)),
                 1209600) + d_complaint_heat,
             complaint_heat_ahead = greatest(p.complaint_heat_ahead, d_complaint_heat_ahead),
             features_at = v_moment
       where p.customer_id = e.customer_id
         and ((p.features_read_at >= modelpack.customer_since()) is not true
           or p.features_read_at = greatest(now(), statement_timestamp())
           or p.features_reread_at = greatest(now(), statement_timestamp())) is not true
      returning p.features_at = v_moment into v_unscored;
      if not v_unscored then
        return new;  -- NULL in a trigger for each statement
      elsif v_unscored then
        if (select count(*) from pg_trigger as t
             where t.tgrelid = 'public.customer'::regclass
               and t.tgname in ('modelpack_customer_guard', 'zz_modelpack_customer_score')) < 2
        then
          if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
            perform modelpack.customer_seen();
          end if;
          raise exception using
            errcode = 'object_not_in_prerequisite_state',
            message = 'public.customer is another table than the profile that was declared: it has no score trigger',
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
       where t.tgrelid = 'public.customer'::regclass
         and t.tgname in ('modelpack_customer_guard', 'zz_modelpack_customer_score')) < 2
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.customer_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'public.customer is another table than the profile that was declared: it has no score trigger',
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
       select d.customer_id
         from (
                select distinct e.customer_id
                  from new_rows as e
                 where e.customer_id is not null and (e.severity > 1)
              ) as d
        where not exists (select from public.customer as q where q.customer_id = d.customer_id)
     ) then
    -- keys without a profile get one before any is locked; the score trigger reads its features from the events
    with made as (
      insert into public.customer as p (customer_id) overriding system value
      select d.customer_id
        from (
               select distinct e.customer_id
                 from new_rows as e
                where e.customer_id is not null and (e.severity > 1)
             ) as d
       where not exists (select from public.customer as q where q.customer_id = d.customer_id)
       order by d.customer_id
      on conflict (customer_id) do nothing
      returning modelpack.key_value(p.customer_id)::text as key, p.features_read_at is not null as read
    )
    -- not where triggers do not fire, in a replica: it is counted below
    select array_agg(made.key) filter (where made.read) into v_made from made;
  end if;
  -- rows are locked in the order of their keys: two statements never wait for each other in a circle
  select array_agg(x.key) filter (where x.read), count(*) filter (where x.read is not true)
    into v_read, v_rows
    from (
           select modelpack.key_value(p.customer_id)::text as key,
                  (p.features_read_at >= modelpack.customer_since()) is not true or p.features_read_at = v_statement
                    or p.features_reread_at = v_statement as read
             from (
                    select distinct e.customer_id
                      from new_rows as e
                     where e.customer_id is not null and (e.severity > 1)
                  ) as d
             join public.customer as p on p.customer_id = d.customer_id
            order by p.customer_id
              for no key update of p
         ) as x;
  v_moment := clock_timestamp();
  if v_rows >= 8 and modelpack.customer_batched() and modelpack.customer_shaped() then
    if not exists (select from pg_trigger as t
                    where t.tgrelid = 'public.purchase'::regclass
                      and t.tgfoid = 'modelpack.customer_count_purchase_insert()'::regprocedure)
    then
      if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        perform modelpack.customer_seen();
      end if;
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format(
          '%s is another table than the event table that the declaration of %s means: it has no count trigger',
          'public.purchase',
          'public.customer'),
        detail = 'Its rows would count as events.',
        hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
    end if;
    v_version_1 := modelpack.customer_score_churn_version();
    -- all rows in one call of each model
    with chosen as materialized (
      select f.*,
             count(*) filter (where f."is fed") over up as "the number",
             sum(f."the size") over up / 32000000 as "the chunk"
        from (
               select k.*,
                      not k."is alone" and k."churn inputs" is not null as "is fed",
                      100
                        + coalesce(pg_column_size(k."churn inputs") + coalesce(pg_column_size(k."churn texts"), 0),
                          0) as "the size"
                 from (
                        select c."the place", c."the partition", c."is alone",
                               c.purchases_90d,
                               c.complaints,
                               c.complaint_heat,
                               c.complaint_heat_ahead,
                               modelpack.customer_score_churn_numbers(
                                 modelpack.customer_with(c."the row", c.purchases, c.purchases_90d, c.spend, c.basket,
                                   c.basket_n, c.basket_sum, c.last_purchase_at, c.complaints, c.complaint_heat,
                                   c.complaint_heat_ahead), v_moment, v_version_1) as "churn inputs",
                               modelpack.customer_score_churn_texts(
                                 modelpack.customer_with(c."the row", c.purchases, c.purchases_90d, c.spend, c.basket,
                                   c.basket_n, c.basket_sum, c.last_purchase_at, c.complaints, c.complaint_heat,
                                   c.complaint_heat_ahead), v_moment, v_version_1) as "churn texts"
                          from (
                                 select row(p.*)::public.customer as "the row", p.ctid as "the place",
                                   p.tableoid as "the partition",
                                        coalesce(p.features_at >= v_moment, false)
                                          or coalesce(greatest(greatest(p.complaint_heat_ahead, d.complaint_heat_ahead))
                                            > coalesce(p.features_at, v_moment), false) as "is alone",
                                        p.purchases as purchases,
                                        w0.purchases_90d as purchases_90d,
                                        p.spend as spend,
                                        p.basket as basket,
                                        p.basket_n as basket_n,
                                        p.basket_sum as basket_sum,
                                        p.last_purchase_at as last_purchase_at,
                                        p.complaints + d.complaints as complaints,
                                        modelpack.decay(p.complaint_heat,
                                            date_part('epoch', v_moment - coalesce(p.features_at, v_moment)), 1209600)
                                          + d.complaint_heat as complaint_heat,
                                        greatest(p.complaint_heat_ahead, d.complaint_heat_ahead) as complaint_heat_ahead
                                   from (
                                          select c.customer_id,
                                                 sum(c.complaints)::bigint as complaints,
                                                 sum(c.complaint_heat) as complaint_heat,
                                                 max(c.complaint_heat_ahead) as complaint_heat_ahead
                                            from (
                                                   select e.customer_id,
                                                          1 as complaints,
                                                          coalesce(
                                                            case when isfinite(e.created_at)
                                                              and e.created_at <= v_moment
                                                              then modelpack.decay(1::double precision,
                                                                date_part('epoch',
                                                                  v_moment - e.created_at::timestamptz), 1209600) end,
                                                            0) as complaint_heat,
                                                          case when isfinite(e.created_at) and e.created_at > v_moment
                                                              and e.created_at < date '200000-01-01'
                                                              then e.created_at::timestamptz end as complaint_heat_ahead
                                                     from new_rows as e
                                                    where e.customer_id is not null and (e.severity > 1)
                                                 ) as c
                                           group by c.customer_id
                                        ) as d
                                   join public.customer as p on p.customer_id = d.customer_id
                                   cross join lateral (
                                     select count(*)
                                       filter (where e.purchased_at > v_moment - interval '90 days'
                                         and e.purchased_at <= v_moment) as purchases_90d
                                       from public.purchase as e
                                      where e.customer_id = p.customer_id
                                        and e.purchased_at > v_moment - interval '90 days'
                                        and e.purchased_at <= v_moment
                                   ) as w0
                                   where ((p.features_read_at >= modelpack.customer_since()) is not true
                                     or p.features_read_at = v_statement
                                     or p.features_reread_at = v_statement) is not true
                                 offset 0  -- features are computed once
                               ) as c
                        offset 0  -- and packed once
                      ) as k
             ) as f
      window up as (rows unbounded preceding)
    ), called as materialized (
      select k."the chunk", k."the first",
             modelpack.customer_score_churn_many(
               v_version_1,
               (
                 select array_send(
                   array_replace(array_agg(c."churn inputs") filter (where c."churn inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."churn texts") filter (where c."churn texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "churn scores"
        from (select c."the chunk", min(c."the number") filter (where c."is fed") as "the first" from chosen as c
          group by c."the chunk" offset 0) as k
    ), written as (
      update public.customer as p
         set purchases_90d = c.purchases_90d,
             complaints = c.complaints,
             complaint_heat = c.complaint_heat,
             complaint_heat_ahead = c.complaint_heat_ahead,
             churn = case when (c."churn given" <> 'NaN') is true then c."churn given" else p.churn end,
             churn_version = case when (c."churn given" <> 'NaN') is true then v_version_1 else p.churn_version end,
             churn_scored_at = case when (c."churn given" <> 'NaN') is true then v_moment else p.churn_scored_at end,
             churn_stale = case when not (c."churn given" <> 'NaN') is true then p.churn_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.customer'::regclass
                                                  and t.tgname = 'modelpack_customer_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."churn inputs") || coalesce(array_send(c."churn texts"), ''))
                                      end,
             -- one that is left to the guard has its features at the moment, or at none where none moves
             features_at = v_moment
        from called as a
       cross join lateral (
               select c.*,
                      case when c."is fed"
                          then a."churn scores"[c."the number" - a."the first" + 1] end as "churn given"
                 from chosen as c
                where c."the chunk" = a."the chunk"
               offset 0
             ) as c
       where p.ctid = c."the place" and p.tableoid = c."the partition"
      returning modelpack.key_value(p.customer_id)::text as "the key",
                c."the chunk",
                (c."churn given" <> 'NaN') is true and p.churn_scored_at = v_moment as "is good",
                p.churn, c."churn inputs", c."churn texts"
    ), logged as (
      select modelpack.customer_score_churn_record(
               v_version_1, v_moment,
                 array_agg(row(w."the key", w.churn, w."churn inputs", w."churn texts")::modelpack.scored)
             ) as rows
        from written as w
       where w."is good"
       group by w."the chunk"
    )
    select (select count(*) from written), (select sum(l.rows) from logged as l)
      into v_written, v_logged;
  else
    update public.customer as p
       set complaints = p.complaints + d.complaints,
           complaint_heat
             = modelpack.decay(p.complaint_heat, date_part('epoch', v_moment - coalesce(p.features_at, v_moment)),
               1209600) + d.complaint_heat,
           complaint_heat_ahead = greatest(p.complaint_heat_ahead, d.complaint_heat_ahead),
           features_at = v_moment
      from (
             select c.customer_id,
                    sum(c.complaints)::bigint as complaints,
                    sum(c.complaint_heat) as complaint_heat,
                    max(c.complaint_heat_ahead) as complaint_heat_ahead
               from (
                      select e.customer_id,
                             1 as complaints,
                             coalesce(
                               case when isfinite(e.created_at) and e.created_at <= v_moment
                                 then modelpack.decay(1::double precision,
                                   date_part('epoch', v_moment - e.created_at::timestamptz), 1209600) end,
                               0) as complaint_heat,
                             case when isfinite(e.created_at) and e.created_at > v_moment
                                 and e.created_at < date '200000-01-01'
                                 then e.created_at::timestamptz end as complaint_heat_ahead
                        from new_rows as e
                       where e.customer_id is not null and (e.severity > 1)
                    ) as c
              group by c.customer_id
           ) as d
     where p.customer_id = d.customer_id
       and ((p.features_read_at >= modelpack.customer_since()) is not true or p.features_read_at = v_statement
         or p.features_reread_at = v_statement) is not true;
  end if;
  -- profiles that this very statement has read from the events know of its changes; others, that were never counted,
  -- are counted again
  if v_read is not null then
    if v_made is not null then
      select array_agg(x.key) into v_read
        from (select unnest(v_read) as key except select unnest(v_made)) as x;
    end if;
    perform modelpack.customer_recount(v_read);
  end if;
  perform set_config('enable_hashjoin', v_settings[1], true),
          set_config('enable_mergejoin', v_settings[2], true),
          set_config('jit', v_settings[3], true);
  return null;
end
$modelpack$;

revoke all on function modelpack.customer_count_complaint_insert() from public;

comment on function modelpack.customer_count_complaint_insert() is
  'COUNT of public.customer: keeps complaints, complaint_heat when rows of public.complaint are inserted. Generated '
  'by modelpack from the declaration. [customer]';

create or replace function modelpack.customer_count_complaint_update()
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
-- COUNT of public.customer: keeps complaints, complaint_heat when rows of public.complaint are updated. Generated by
-- modelpack from the declaration.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_seqscan, enable_hashjoin, enable_mergejoin, jit: off, since a session keeps a plan for whatever number of rows
-- comes: one by an index is good for a row and for many.
#variable_conflict use_variable
declare
  v_moment timestamptz := clock_timestamp();
  v_statement constant timestamptz := greatest(now(), statement_timestamp());
  v_read text[];
  v_rows bigint;
  v_written bigint;
  v_logged bigint;
  v_version_1 integer;
  v_made text[];
begin
  if tg_relid <> 'public.complaint'::regclass then  -- a partition of it, or one on its way
    if not exists (select from pg_partition_ancestors(tg_relid) as a where a.relid = 'public.complaint'::regclass)
       and (select c.relpersistence from pg_class as c where c.oid = tg_relid) <> 't'
    then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s has the triggers of the event table %s, which is another relation now',
                         tg_relid::regclass, 'public.complaint'),
        detail = 'Its rows would count as events of that.',
        hint
          = 'Rename it back; or modelpack apply DECLARATION, which moves the triggers to the table that is declared.';
    end if;
  end if;
  if current_setting('modelpack.moved_cc9f5570d826fa65', true) <> '' then
    if not exists (select from old_rows as o
        where md5(to_jsonb(o)::text) = current_setting('modelpack.moved_cc9f5570d826fa65', true)) then
      raise exception using
        errcode = 'feature_not_supported',
        message
          = 'MERGE has moved rows of public.complaint to another partition, and PostgreSQL tells no trigger which',
        detail = 'The features of public.customer could not follow.',
        hint = 'Move them by UPDATE, or by DELETE and INSERT.';
    end if;
    perform set_config('modelpack.moved_cc9f5570d826fa65', '', true);
  end if;
  if not exists (select from new_rows) then
    return null;
  end if;
  if (select count(*) from pg_trigger as t
       where t.tgrelid = 'public.customer'::regclass
         and t.tgname in ('modelpack_customer_guard', 'zz_modelpack_customer_score')) < 2
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.customer_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'public.customer is another table than the profile that was declared: it has no score trigger',
      hint = 'select * from modelpack.doctor() says where the profile is now, and what to run.';
  end if;
  if exists (
       select d.customer_id
         from (
                select distinct e.customer_id
                  from old_rows as e
                 where e.customer_id is not null and (e.severity > 1)
              ) as d
        where not exists (select from public.customer as q where q.customer_id = d.customer_id)
     ) then
    -- keys without a profile: whoever makes one of them a profile waits for us, or we for them
    perform modelpack.customer_meet(array(
      select hash_record_extended(row(u.customer_id), 0)::text
        from (
               select d.customer_id
                 from (
                        select distinct e.customer_id
                          from (select * from old_rows union all select * from new_rows) as e
                         where e.customer_id is not null and (e.severity > 1)
                      ) as d
                where not exists (select from public.customer as q where q.customer_id = d.customer_id)
             ) as u
       order by u.customer_id
    ));
  end if;
  -- keys without a profile get one before any is locked; the score trigger reads its features from the events
  with made as (
    insert into public.customer as p (customer_id) overriding system value
    select d.customer_id
      from (
             select distinct e.customer_id
               from new_rows as e
              where e.customer_id is not null and (e.severity > 1)
           ) as d
     where not exists (select from public.customer as q where q.customer_id = d.customer_id)
     order by d.customer_id
    on conflict (customer_id) do nothing
    returning modelpack.key_value(p.customer_id)::text as key, p.features_read_at is not null as read
  )
  -- not where triggers do not fire, in a replica: it is counted below
  select array_agg(made.key) filter (where made.read) into v_made from made;
  -- rows are locked in the order of their keys: two statements never wait for each other in a circle
  with came as (
    select e.customer_id,
           1 as complaints,
           coalesce(
             case when isfinite(e.created_at) and e.created_at <= v_moment
               then modelpack.decay(1::double precision, date_part('epoch', v_moment - e.created_at::timestamptz),
                 1209600) end, 0) as complaint_heat,
           case when isfinite(e.created_at) and e.created_at > v_moment and e.created_at < date '200000-01-01'
               then e.created_at::timestamptz end as complaint_heat_ahead,
           row(
             case when isfinite(e.created_at) and e.created_at > v_moment and e.created_at < date '200000-01-01'
               then e.created_at::timestamptz end)::text as "the image"
      from new_rows as e
     where e.customer_id is not null and (e.severity > 1)
  ),
  went as (
    select e.customer_id,
           1 as complaints,
           coalesce(
             case when isfinite(e.created_at) and e.created_at <= v_moment
               then modelpack.decay(1::double precision, date_part('epoch', v_moment - e.created_at::timestamptz),
                 1209600) end, 0) as complaint_heat,
           case when isfinite(e.created_at) and e.created_at > v_moment and e.created_at < date '200000-01-01'
               then e.created_at::timestamptz end as complaint_heat_ahead,
           row(
             case when isfinite(e.created_at) and e.created_at > v_moment and e.created_at < date '200000-01-01'
               then e.created_at::timestamptz end)::text as "the image"
      from old_rows as e
     where e.customer_id is not null and (e.severity > 1)
  ),
  changed as (
    select 1 as "the sign", x.* from (select * from came except all select * from went) as x
    union all
    select -1 as "the sign", x.* from (select * from went except all select * from came) as x
  )
  select array_agg(x.key) filter (where x.read), count(*) filter (where x.read is not true)
    into v_read, v_rows
    from (
           select modelpack.key_value(p.customer_id)::text as key,
                  (p.features_read_at >= modelpack.customer_since()) is not true or p.features_read_at = v_statement
                    or p.features_reread_at = v_statement as read
             from (
                    select distinct c.customer_id
                      from changed as c
                  ) as d
             join public.customer as p on p.customer_id = d.customer_id
            order by p.customer_id
              for no key update of p
         ) as x;
  v_moment := clock_timestamp();
  if v_rows >= 8 and modelpack.customer_batched() and modelpack.customer_shaped() then
    if not exists (select from pg_trigger as t
                    where t.tgrelid = 'public.purchase'::regclass
                      and t.tgfoid = 'modelpack.customer_count_purchase_insert()'::regprocedure)
    then
      if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        perform modelpack.customer_seen();
      end if;
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format(
          '%s is another table than the event table that the declaration of %s means: it has no count trigger',
          'public.purchase',
          'public.customer'),
        detail = 'Its rows would count as events.',
        hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
    end if;
    v_version_1 := modelpack.customer_score_churn_version();
    -- all rows in one call of each model
    with came as (
      select e.customer_id,
             1 as complaints,
             coalesce(
               case when isfinite(e.created_at) and e.created_at <= v_moment
                 then modelpack.decay(1::double precision, date_part('epoch', v_moment - e.created_at::timestamptz),
                   1209600) end, 0) as complaint_heat,
             case when isfinite(e.created_at) and e.created_at > v_moment and e.created_at < date '200000-01-01'
                 then e.created_at::timestamptz end as complaint_heat_ahead,
             row(
               case when isfinite(e.created_at) and e.created_at > v_moment and e.created_at < date '200000-01-01'
                 then e.created_at::timestamptz end)::text as "the image"
        from new_rows as e
       where e.customer_id is not null and (e.severity > 1)
    ),
    went as (
      select e.customer_id,
             1 as complaints,
             coalesce(
               case when isfinite(e.created_at) and e.created_at <= v_moment
                 then modelpack.decay(1::double precision, date_part('epoch', v_moment - e.created_at::timestamptz),
                   1209600) end, 0) as complaint_heat,
             case when isfinite(e.created_at) and e.created_at > v_moment and e.created_at < date '200000-01-01'
                 then e.created_at::timestamptz end as complaint_heat_ahead,
             row(
               case when isfinite(e.created_at) and e.created_at > v_moment and e.created_at < date '200000-01-01'
                 then e.created_at::timestamptz end)::text as "the image"
        from old_rows as e
       where e.customer_id is not null and (e.severity > 1)
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
                      not k."is alone" and k."churn inputs" is not null as "is fed",
                      100
                        + coalesce(pg_column_size(k."churn inputs") + coalesce(pg_column_size(k."churn texts"), 0),
                          0) as "the size"
                 from (
                        select c."the place", c."the partition", c."is alone",
                               c.purchases_90d,
                               c.complaints,
                               c.complaint_heat,
                               c.complaint_heat_ahead,
                               c.features_reread_at,
                               modelpack.customer_score_churn_numbers(
                                 modelpack.customer_with(c."the row", c.purchases, c.purchases_90d, c.spend, c.basket,
                                   c.basket_n, c.basket_sum, c.last_purchase_at, c.complaints, c.complaint_heat,
                                   c.complaint_heat_ahead), v_moment, v_version_1) as "churn inputs",
                               modelpack.customer_score_churn_texts(
                                 modelpack.customer_with(c."the row", c.purchases, c.purchases_90d, c.spend, c.basket,
                                   c.basket_n, c.basket_sum, c.last_purchase_at, c.complaints, c.complaint_heat,
                                   c.complaint_heat_ahead), v_moment, v_version_1) as "churn texts"
                          from (
                                 select row(p.*)::public.customer as "the row", p.ctid as "the place",
                                   p.tableoid as "the partition",
                                        coalesce(p.features_at >= v_moment, false) as "is alone",
                                        p.purchases as purchases,
                                        w0.purchases_90d as purchases_90d,
                                        p.spend as spend,
                                        p.basket as basket,
                                        p.basket_n as basket_n,
                                        p.basket_sum as basket_sum,
                                        p.last_purchase_at as last_purchase_at,
                                        p.complaints + d.complaints as complaints,
                                        r.complaint_heat as complaint_heat,
                                        r.complaint_heat_ahead as complaint_heat_ahead,
                                        v_statement as features_reread_at
                                   from (
                                          select c.customer_id,
                                                 sum(c."the sign" * c.complaints)::bigint as complaints
                                            from changed as c
                                           group by c.customer_id
                                        ) as d
                                   join public.customer as p on p.customer_id = d.customer_id
                                   cross join lateral (
                                     select coalesce(
                                       sum(
                                         coalesce(
                                           case when isfinite(e.created_at) and e.created_at <= v_moment
                                             then modelpack.decay(1::double precision,
                                               date_part('epoch', v_moment - e.created_at::timestamptz), 1209600) end,
                                           0)), 0) as complaint_heat,
                                            max(
                                              case when isfinite(e.created_at) and e.created_at > v_moment
                                                and e.created_at < date '200000-01-01'
                                                then e.created_at::timestamptz end) as complaint_heat_ahead
                                       from public.complaint as e
                                      where e.customer_id = d.customer_id and (e.severity > 1)
                                   ) as r
                                   cross join lateral (
                                     select count(*)
                                       filter (where e.purchased_at > v_moment - interval '90 days'
                                         and e.purchased_at <= v_moment) as purchases_90d
                                       from public.purchase as e
                                      where e.customer_id = p.customer_id
                                        and e.purchased_at > v_moment - interval '90 days'
                                        and e.purchased_at <= v_moment
                                   ) as w0
                                   where ((p.features_read_at >= modelpack.customer_since()) is not true
                                     or p.features_read_at = v_statement
                                     or p.features_reread_at = v_statement) is not true
                                 offset 0  -- features are computed once
                               ) as c
                        offset 0  -- and packed once
                      ) as k
             ) as f
      window up as (rows unbounded preceding)
    ), called as materialized (
      select k."the chunk", k."the first",
             modelpack.customer_score_churn_many(
               v_version_1,
               (
                 select array_send(
                   array_replace(array_agg(c."churn inputs") filter (where c."churn inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."churn texts") filter (where c."churn texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "churn scores"
        from (select c."the chunk", min(c."the number") filter (where c."is fed") as "the first" from chosen as c
          group by c."the chunk" offset 0) as k
    ), written as (
      update public.customer as p
         set purchases_90d = c.purchases_90d,
             complaints = c.complaints,
             complaint_heat = c.complaint_heat,
             complaint_heat_ahead = c.complaint_heat_ahead,
             features_reread_at = c.features_reread_at,
             churn = case when (c."churn given" <> 'NaN') is true then c."churn given" else p.churn end,
             churn_version = case when (c."churn given" <> 'NaN') is true then v_version_1 else p.churn_version end,
             churn_scored_at = case when (c."churn given" <> 'NaN') is true then v_moment else p.churn_scored_at end,
             churn_stale = case when not (c."churn given" <> 'NaN') is true then p.churn_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.customer'::regclass
                                                  and t.tgname = 'modelpack_customer_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."churn inputs") || coalesce(array_send(c."churn texts"), ''))
                                      end,
             -- one that is left to the guard has its features at the moment, or at none where none moves
             features_at = v_moment
        from called as a
       cross join lateral (
               select c.*,
                      case when c."is fed"
                          then a."churn scores"[c."the number" - a."the first" + 1] end as "churn given"
                 from chosen as c
                where c."the chunk" = a."the chunk"
               offset 0
             ) as c
       where p.ctid = c."the place" and p.tableoid = c."the partition"
      returning modelpack.key_value(p.customer_id)::text as "the key",
                c."the chunk",
                (c."churn given" <> 'NaN') is true and p.churn_scored_at = v_moment as "is good",
                p.churn, c."churn inputs", c."churn texts"
    ), logged as (
      select modelpack.customer_score_churn_record(
               v_version_1, v_moment,
                 array_agg(row(w."the key", w.churn, w."churn inputs", w."churn texts")::modelpack.scored)
             ) as rows
        from written as w
       where w."is good"
       group by w."the chunk"
    )
    select (select count(*) from written), (select sum(l.rows) from logged as l)
      into v_written, v_logged;
  else
    with came as (
      select e.customer_id,
             1 as complaints,
             coalesce(
               case when isfinite(e.created_at) and e.created_at <= v_moment
                 then modelpack.decay(1::double precision, date_part('epoch', v_moment - e.created_at::timestamptz),
                   1209600) end, 0) as complaint_heat,
             case when isfinite(e.created_at) and e.created_at > v_moment and e.created_at < date '200000-01-01'
                 then e.created_at::timestamptz end as complaint_heat_ahead,
             row(
               case when isfinite(e.created_at) and e.created_at > v_moment and e.created_at < date '200000-01-01'
                 then e.created_at::timestamptz end)::text as "the image"
        from new_rows as e
       where e.customer_id is not null and (e.severity > 1)
    ),
    went as (
      select e.customer_id,
             1 as complaints,
             coalesce(
               case when isfinite(e.created_at) and e.created_at <= v_moment
                 then modelpack.decay(1::double precision, date_part('epoch', v_moment - e.created_at::timestamptz),
                   1209600) end, 0) as complaint_heat,
             case when isfinite(e.created_at) and e.created_at > v_moment and e.created_at < date '200000-01-01'
                 then e.created_at::timestamptz end as complaint_heat_ahead,
             row(
               case when isfinite(e.created_at) and e.created_at > v_moment and e.created_at < date '200000-01-01'
                 then e.created_at::timestamptz end)::text as "the image"
        from old_rows as e
       where e.customer_id is not null and (e.severity > 1)
    ),
    changed as (
      select 1 as "the sign", x.* from (select * from came except all select * from went) as x
      union all
      select -1 as "the sign", x.* from (select * from went except all select * from came) as x
    )
    update public.customer as p
       set complaints = p.complaints + d.complaints,
           complaint_heat = r.complaint_heat,
           complaint_heat_ahead = r.complaint_heat_ahead,
           features_at = v_moment,
           features_reread_at = v_statement
      from (
             select c.customer_id,
                    sum(c."the sign" * c.complaints)::bigint as complaints
               from changed as c
              group by c.customer_id
           ) as d
           cross join lateral (
             select coalesce(
               sum(
                 coalesce(
                   case when isfinite(e.created_at) and e.created_at <= v_moment
                     then modelpack.decay(1::double precision, date_part('epoch', v_moment - e.created_at::timestamptz),
                       1209600) end, 0)), 0) as complaint_heat,
                    max(
                      case when isfinite(e.created_at) and e.created_at > v_moment
                        and e.created_at < date '200000-01-01'
                        then e.created_at::timestamptz end) as complaint_heat_ahead
               from public.complaint as e
              where e.customer_id = d.customer_id and (e.severity > 1)
           ) as r
     where p.customer_id = d.customer_id
       and ((p.features_read_at >= modelpack.customer_since()) is not true or p.features_read_at = v_statement
         or p.features_reread_at = v_statement) is not true;
  end if;
  -- profiles that this very statement has read from the events know of its changes; others, that were never counted,
  -- are counted again
  if v_read is not null then
    if v_made is not null then
      select array_agg(x.key) into v_read
        from (select unnest(v_read) as key except select unnest(v_made)) as x;
    end if;
    perform modelpack.customer_recount(v_read);
  end if;
  return null;
end
$modelpack$;

revoke all on function modelpack.customer_count_complaint_update() from public;

comment on function modelpack.customer_count_complaint_update() is
  'COUNT of public.customer: keeps complaints, complaint_heat when rows of public.complaint are updated. Generated '
  'by modelpack from the declaration. [customer]';

create or replace function modelpack.customer_count_complaint_delete()
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
-- COUNT of public.customer: keeps complaints, complaint_heat when rows of public.complaint are deleted. Generated by
-- modelpack from the declaration.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_seqscan, enable_hashjoin, enable_mergejoin, jit: off, since a session keeps a plan for whatever number of rows
-- comes: one by an index is good for a row and for many.
#variable_conflict use_variable
declare
  v_moment timestamptz := clock_timestamp();
  v_statement constant timestamptz := greatest(now(), statement_timestamp());
  v_read text[];
  v_rows bigint;
  v_written bigint;
  v_logged bigint;
  v_version_1 integer;
begin
  if tg_relid <> 'public.complaint'::regclass then  -- a partition of it, or one on its way
    if not exists (select from pg_partition_ancestors(tg_relid) as a where a.relid = 'public.complaint'::regclass)
       and (select c.relpersistence from pg_class as c where c.oid = tg_relid) <> 't'
    then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s has the triggers of the event table %s, which is another relation now',
                         tg_relid::regclass, 'public.complaint'),
        detail = 'Its rows would count as events of that.',
        hint
          = 'Rename it back; or modelpack apply DECLARATION, which moves the triggers to the table that is declared.';
    end if;
  end if;
  if not exists (select from old_rows) then
    return null;
  end if;
  if (select count(*) from pg_trigger as t
       where t.tgrelid = 'public.customer'::regclass
         and t.tgname in ('modelpack_customer_guard', 'zz_modelpack_customer_score')) < 2
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.customer_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'public.customer is another table than the profile that was declared: it has no score trigger',
      hint = 'select * from modelpack.doctor() says where the profile is now, and what to run.';
  end if;
  if exists (
       select d.customer_id
         from (
                select distinct e.customer_id
                  from old_rows as e
                 where e.customer_id is not null and (e.severity > 1)
              ) as d
        where not exists (select from public.customer as q where q.customer_id = d.customer_id)
     ) then
    -- keys without a profile: whoever makes one of them a profile waits for us, or we for them
    perform modelpack.customer_meet(array(
      select hash_record_extended(row(u.customer_id), 0)::text
        from (
               select d.customer_id
                 from (
                        select distinct e.customer_id
                          from old_rows as e
                         where e.customer_id is not null and (e.severity > 1)
                      ) as d
                where not exists (select from public.customer as q where q.customer_id = d.customer_id)
             ) as u
       order by u.customer_id
    ));
  end if;
  -- rows are locked in the order of their keys: two statements never wait for each other in a circle
  select array_agg(x.key) filter (where x.read), count(*) filter (where x.read is not true)
    into v_read, v_rows
    from (
           select modelpack.key_value(p.customer_id)::text as key,
                  (p.features_read_at >= modelpack.customer_since()) is not true or p.features_read_at = v_statement
                    or p.features_reread_at = v_statement as read
             from (
                    select distinct e.customer_id
                      from old_rows as e
                     where e.customer_id is not null and (e.severity > 1)
                  ) as d
             join public.customer as p on p.customer_id = d.customer_id
            order by p.customer_id
              for no key update of p
         ) as x;
  v_moment := clock_timestamp();
  if v_rows >= 8 and modelpack.customer_batched() and modelpack.customer_shaped() then
    if not exists (select from pg_trigger as t
                    where t.tgrelid = 'public.purchase'::regclass
                      and t.tgfoid = 'modelpack.customer_count_purchase_insert()'::regprocedure)
    then
      if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        perform modelpack.customer_seen();
      end if;
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format(
          '%s is another table than the event table that the declaration of %s means: it has no count trigger',
          'public.purchase',
          'public.customer'),
        detail = 'Its rows would count as events.',
        hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
    end if;
    v_version_1 := modelpack.customer_score_churn_version();
    -- all rows in one call of each model
    with chosen as materialized (
      select f.*,
             count(*) filter (where f."is fed") over up as "the number",
             sum(f."the size") over up / 32000000 as "the chunk"
        from (
               select k.*,
                      not k."is alone" and k."churn inputs" is not null as "is fed",
                      100
                        + coalesce(pg_column_size(k."churn inputs") + coalesce(pg_column_size(k."churn texts"), 0),
                          0) as "the size"
                 from (
                        select c."the place", c."the partition", c."is alone",
                               c.purchases_90d,
                               c.complaints,
                               c.complaint_heat,
                               c.complaint_heat_ahead,
                               c.features_reread_at,
                               modelpack.customer_score_churn_numbers(
                                 modelpack.customer_with(c."the row", c.purchases, c.purchases_90d, c.spend, c.basket,
                                   c.basket_n, c.basket_sum, c.last_purchase_at, c.complaints, c.complaint_heat,
                                   c.complaint_heat_ahead), v_moment, v_version_1) as "churn inputs",
                               modelpack.customer_score_churn_texts(
                                 modelpack.customer_with(c."the row", c.purchases, c.purchases_90d, c.spend, c.basket,
                                   c.basket_n, c.basket_sum, c.last_purchase_at, c.complaints, c.complaint_heat,
                                   c.complaint_heat_ahead), v_moment, v_version_1) as "churn texts"
                          from (
                                 select row(p.*)::public.customer as "the row", p.ctid as "the place",
                                   p.tableoid as "the partition",
                                        coalesce(p.features_at >= v_moment, false) as "is alone",
                                        p.purchases as purchases,
                                        w0.purchases_90d as purchases_90d,
                                        p.spend as spend,
                                        p.basket as basket,
                                        p.basket_n as basket_n,
                                        p.basket_sum as basket_sum,
                                        p.last_purchase_at as last_purchase_at,
                                        p.complaints + d.complaints as complaints,
                                        r.complaint_heat as complaint_heat,
                                        r.complaint_heat_ahead as complaint_heat_ahead,
                                        v_statement as features_reread_at
                                   from (
                                          select c.customer_id,
                                                 sum(c."the sign" * c.complaints)::bigint as complaints
                                            from (
                                                   select -1 as "the sign",
                                                          e.customer_id,
                                                          1 as complaints,
                                                          coalesce(
                                                            case when isfinite(e.created_at)
                                                              and e.created_at <= v_moment
                                                              then modelpack.decay(1::double precision,
                                                                date_part('epoch',
                                                                  v_moment - e.created_at::timestamptz), 1209600) end,
                                                            0) as complaint_heat,
                                                          case when isfinite(e.created_at) and e.created_at > v_moment
                                                              and e.created_at < date '200000-01-01'
                                                              then e.created_at::timestamptz end as complaint_heat_ahead
                                                     from old_rows as e
                                                    where e.customer_id is not null and (e.severity > 1)
                                                 ) as c
                                           group by c.customer_id
                                        ) as d
                                   join public.customer as p on p.customer_id = d.customer_id
                                   cross join lateral (
                                     select coalesce(
                                       sum(
                                         coalesce(
                                           case when isfinite(e.created_at) and e.created_at <= v_moment
                                             then modelpack.decay(1::double precision,
                                               date_part('epoch', v_moment - e.created_at::timestamptz), 1209600) end,
                                           0)), 0) as complaint_heat,
                                            max(
                                              case when isfinite(e.created_at) and e.created_at > v_moment
                                                and e.created_at < date '200000-01-01'
                                                then e.created_at::timestamptz end) as complaint_heat_ahead
                                       from public.complaint as e
                                      where e.customer_id = d.customer_id and (e.severity > 1)
                                   ) as r
                                   cross join lateral (
                                     select count(*)
                                       filter (where e.purchased_at > v_moment - interval '90 days'
                                         and e.purchased_at <= v_moment) as purchases_90d
                                       from public.purchase as e
                                      where e.customer_id = p.customer_id
                                        and e.purchased_at > v_moment - interval '90 days'
                                        and e.purchased_at <= v_moment
                                   ) as w0
                                   where ((p.features_read_at >= modelpack.customer_since()) is not true
                                     or p.features_read_at = v_statement
                                     or p.features_reread_at = v_statement) is not true
                                 offset 0  -- features are computed once
                               ) as c
                        offset 0  -- and packed once
                      ) as k
             ) as f
      window up as (rows unbounded preceding)
    ), called as materialized (
      select k."the chunk", k."the first",
             modelpack.customer_score_churn_many(
               v_version_1,
               (
                 select array_send(
                   array_replace(array_agg(c."churn inputs") filter (where c."churn inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."churn texts") filter (where c."churn texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "churn scores"
        from (select c."the chunk", min(c."the number") filter (where c."is fed") as "the first" from chosen as c
          group by c."the chunk" offset 0) as k
    ), written as (
      update public.customer as p
         set purchases_90d = c.purchases_90d,
             complaints = c.complaints,
             complaint_heat = c.complaint_heat,
             complaint_heat_ahead = c.complaint_heat_ahead,
             features_reread_at = c.features_reread_at,
             churn = case when (c."churn given" <> 'NaN') is true then c."churn given" else p.churn end,
             churn_version = case when (c."churn given" <> 'NaN') is true then v_version_1 else p.churn_version end,
             churn_scored_at = case when (c."churn given" <> 'NaN') is true then v_moment else p.churn_scored_at end,
             churn_stale = case when not (c."churn given" <> 'NaN') is true then p.churn_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.customer'::regclass
                                                  and t.tgname = 'modelpack_customer_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."churn inputs") || coalesce(array_send(c."churn texts"), ''))
                                      end,
             -- one that is left to the guard has its features at the moment, or at none where none moves
             features_at = v_moment
        from called as a
       cross join lateral (
               select c.*,
                      case when c."is fed"
                          then a."churn scores"[c."the number" - a."the first" + 1] end as "churn given"
                 from chosen as c
                where c."the chunk" = a."the chunk"
               offset 0
             ) as c
       where p.ctid = c."the place" and p.tableoid = c."the partition"
      returning modelpack.key_value(p.customer_id)::text as "the key",
                c."the chunk",
                (c."churn given" <> 'NaN') is true and p.churn_scored_at = v_moment as "is good",
                p.churn, c."churn inputs", c."churn texts"
    ), logged as (
      select modelpack.customer_score_churn_record(
               v_version_1, v_moment,
                 array_agg(row(w."the key", w.churn, w."churn inputs", w."churn texts")::modelpack.scored)
             ) as rows
        from written as w
       where w."is good"
       group by w."the chunk"
    )
    select (select count(*) from written), (select sum(l.rows) from logged as l)
      into v_written, v_logged;
  else
    update public.customer as p
       set complaints = p.complaints + d.complaints,
           complaint_heat = r.complaint_heat,
           complaint_heat_ahead = r.complaint_heat_ahead,
           features_at = v_moment,
           features_reread_at = v_statement
      from (
             select c.customer_id,
                    sum(c."the sign" * c.complaints)::bigint as complaints
               from (
                      select -1 as "the sign",
                             e.customer_id,
                             1 as complaints,
                             coalesce(
                               case when isfinite(e.created_at) and e.created_at <= v_moment
                                 then modelpack.decay(1::double precision,
                                   date_part('epoch', v_moment - e.created_at::timestamptz), 1209600) end,
                               0) as complaint_heat,
                             case when isfinite(e.created_at) and e.created_at > v_moment
                                 and e.created_at < date '200000-01-01'
                                 then e.created_at::timestamptz end as complaint_heat_ahead
                        from old_rows as e
                       where e.customer_id is not null and (e.severity > 1)
                    ) as c
              group by c.customer_id
           ) as d
           cross join lateral (
             select coalesce(
               sum(
                 coalesce(
                   case when isfinite(e.created_at) and e.created_at <= v_moment
                     then modelpack.decay(1::double precision, date_part('epoch', v_moment - e.created_at::timestamptz),
                       1209600) end, 0)), 0) as complaint_heat,
                    max(
                      case when isfinite(e.created_at) and e.created_at > v_moment
                        and e.created_at < date '200000-01-01'
                        then e.created_at::timestamptz end) as complaint_heat_ahead
               from public.complaint as e
              where e.customer_id = d.customer_id and (e.severity > 1)
           ) as r
     where p.customer_id = d.customer_id
       and ((p.features_read_at >= modelpack.customer_since()) is not true or p.features_read_at = v_statement
         or p.features_reread_at = v_statement) is not true;
  end if;
  -- profiles that this very statement has read from the events know of its changes; others, that were never counted,
  -- are counted again
  if v_read is not null then
    perform modelpack.customer_recount(v_read);
  end if;
  return null;
end
$modelpack$;

revoke all on function modelpack.customer_count_complaint_delete() from public;

comment on function modelpack.customer_count_complaint_delete() is
  'COUNT of public.customer: keeps complaints, complaint_heat when rows of public.complaint are deleted. Generated '
  'by modelpack from the declaration. [customer]';

create or replace function modelpack.customer_count_complaint_truncate()
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
-- COUNT of public.customer: keeps complaints, complaint_heat when rows of public.complaint are truncated. Generated by
-- modelpack from the declaration.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_seqscan, enable_hashjoin, enable_mergejoin, jit: off, since a session keeps a plan for whatever number of rows
-- comes: one by an index is good for a row and for many.
#variable_conflict use_variable
begin
  if tg_relid <> 'public.complaint'::regclass then  -- a partition of it, or one on its way
    if not exists (select from pg_partition_ancestors(tg_relid) as a where a.relid = 'public.complaint'::regclass)
       and (select c.relpersistence from pg_class as c where c.oid = tg_relid) <> 't'
    then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s has the triggers of the event table %s, which is another relation now',
                         tg_relid::regclass, 'public.complaint'),
        detail = 'Its rows would count as events of that.',
        hint
          = 'Rename it back; or modelpack apply DECLARATION, which moves the triggers to the table that is declared.';
    end if;
  end if;
  perform modelpack.customer_rebuild(0, null);
  return null;
end
$modelpack$;

revoke all on function modelpack.customer_count_complaint_truncate() from public;

comment on function modelpack.customer_count_complaint_truncate() is
  'COUNT of public.customer: keeps complaints, complaint_heat when rows of public.complaint are truncated. '
  'Generated by modelpack from the declaration. [customer]';

create or replace function modelpack.customer_count_purchase_move()
returns trigger
language plpgsql security invoker
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Notes rows of public.purchase that a statement moves to another partition.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
begin
  if tg_op = 'UPDATE' then
    perform set_config('modelpack.moving_edf9a2f0923decfc', md5(to_jsonb(old)::text), true);
    return new;
  end if;
  if current_setting('modelpack.moving_edf9a2f0923decfc', true) <> '' then
    if current_setting('modelpack.moving_edf9a2f0923decfc', true) = md5(to_jsonb(old)::text) then
      perform set_config('modelpack.moved_edf9a2f0923decfc', md5(to_jsonb(old)::text), true);
    end if;
    perform set_config('modelpack.moving_edf9a2f0923decfc', '', true);
  end if;
  return old;
end
$modelpack$;

revoke all on function modelpack.customer_count_purchase_move() from public;

comment on function modelpack.customer_count_purchase_move() is
  'Notes rows of public.purchase that a statement moves to another partition. [customer]';

create or replace function modelpack.customer_count_complaint_move()
returns trigger
language plpgsql security invoker
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Notes rows of public.complaint that a statement moves to another partition.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
begin
  if tg_op = 'UPDATE' then
    perform set_config('modelpack.moving_cc9f5570d826fa65', md5(to_jsonb(old)::text), true);
    return new;
  end if;
  if current_setting('modelpack.moving_cc9f5570d826fa65', true) <> '' then
    if current_setting('modelpack.moving_cc9f5570d826fa65', true) = md5(to_jsonb(old)::text) then
      perform set_config('modelpack.moved_cc9f5570d826fa65', md5(to_jsonb(old)::text), true);
    end if;
    perform set_config('modelpack.moving_cc9f5570d826fa65', '', true);
  end if;
  return old;
end
$modelpack$;

revoke all on function modelpack.customer_count_complaint_move() from public;

comment on function modelpack.customer_count_complaint_move() is
  'Notes rows of public.complaint that a statement moves to another partition. [customer]';

create or replace function modelpack.customer_scored(p anyelement, q anyelement, written text)
returns anyelement
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- A row of public.customer with its features brought up to the moment and its scores; logs them. Generated by modelpack
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
    if new.customer_id <> old.customer_id or not modelpack.customer_same(new, old) then
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
  if written in ('anew', 'under another key') or (new.features_read_at >= modelpack.customer_since()) is not true then
    -- a new key, or one that was not counted yet: every feature from the events that are there already
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.customer_seen();
    end if;
    new.churn := null;
    new.churn_version := null;
    new.churn_scored_at := null;
    new.churn_stale := null;
    if not exists (select from pg_trigger as t
                    where t.tgrelid = 'public.complaint'::regclass
                      and t.tgfoid = 'modelpack.customer_count_complaint_insert()'::regprocedure)
    then
      if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        perform modelpack.customer_seen();
      end if;
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format(
          '%s is another table than the event table that the declaration of %s means: it has no count trigger',
          'public.complaint',
          'public.customer'),
        detail = 'Its rows would count as events.',
        hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
    end if;
    if not exists (select from pg_trigger as t
                    where t.tgrelid = 'public.purchase'::regclass
                      and t.tgfoid = 'modelpack.customer_count_purchase_insert()'::regprocedure)
    then
      if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        perform modelpack.customer_seen();
      end if;
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format(
          '%s is another table than the event table that the declaration of %s means: it has no count trigger',
          'public.purchase',
          'public.customer'),
        detail = 'Its rows would count as events.',
        hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
    end if;
    -- events of others with this key, which may go just now: whoever takes them waits for us, or we for them
    if written in ('anew', 'under another key') and (
      exists (select from public.purchase as e where e.customer_id = new.customer_id
        and e.xmin <> pg_current_xact_id()::xid)
      or exists (select from public.complaint as e where e.customer_id = new.customer_id
        and e.xmin <> pg_current_xact_id()::xid)
    ) then
      perform modelpack.customer_meet(array(
        select hash_record_extended(row(new.customer_id), 0)::text
      ));
    end if;
    select count(*),
           coalesce(sum(modelpack.amount(e.amount)), 0),
           (coalesce(sum(modelpack.amount(e.amount)), 0))::double precision
             / nullif(count(modelpack.amount(e.amount)), 0),
           count(modelpack.amount(e.amount)),
           coalesce(sum(modelpack.amount(e.amount)), 0),
           percentile_disc(0) within group (order by e.purchased_at desc)
      into new.purchases,
           new.spend,
           new.basket,
           new.basket_n,
           new.basket_sum,
           new.last_purchase_at
      from public.purchase as e
     where e.customer_id = new.customer_id;
    select count(*),
           coalesce(
             sum(
               coalesce(
                 case when isfinite(e.created_at) and e.created_at <= v_moment
                   then modelpack.decay(1::double precision, date_part('epoch', v_moment - e.created_at::timestamptz),
                     1209600) end, 0)), 0),
           max(
             case when isfinite(e.created_at) and e.created_at > v_moment and e.created_at < date '200000-01-01'
               then e.created_at::timestamptz end)
      into new.complaints,
           new.complaint_heat,
           new.complaint_heat_ahead
      from public.complaint as e
     where e.customer_id = new.customer_id and (e.severity > 1);
    new.features_read_at := greatest(now(), statement_timestamp());
  else
    -- decayed features lose weight up to the moment
    new.complaint_heat := modelpack.decay(new.complaint_heat,
      date_part('epoch', v_moment - coalesce(new.features_at, v_moment)), 1209600);
    if new.complaint_heat_ahead > least(old.features_at, new.features_at)
      or v_moment < greatest(old.features_at, new.features_at) then
      if not exists (select from pg_trigger as t
                      where t.tgrelid = 'public.complaint'::regclass
                        and t.tgfoid = 'modelpack.customer_count_complaint_insert()'::regprocedure)
      then
        if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
          perform modelpack.customer_seen();
        end if;
        raise exception using
          errcode = 'object_not_in_prerequisite_state',
          message = format(
            '%s is another table than the event table that the declaration of %s means: it has no count trigger',
            'public.complaint',
            'public.customer'),
          detail = 'Its rows would count as events.',
          hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
      end if;
      select coalesce(
        sum(
          coalesce(
            case when isfinite(e.created_at) and e.created_at <= v_moment
              then modelpack.decay(1::double precision, date_part('epoch', v_moment - e.created_at::timestamptz),
                1209600) end, 0)), 0),
             max(
               case when isfinite(e.created_at) and e.created_at > v_moment and e.created_at < date '200000-01-01'
                 then e.created_at::timestamptz end)
        into new.complaint_heat,
             new.complaint_heat_ahead
        from public.complaint as e
       where e.customer_id = new.customer_id and (e.severity > 1);
      new.features_reread_at := greatest(now(), statement_timestamp());
    end if;
  end if;
  -- windows, read under the row's lock
  if not exists (select from pg_trigger as t
                  where t.tgrelid = 'public.purchase'::regclass
                    and t.tgfoid = 'modelpack.customer_count_purchase_insert()'::regprocedure)
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.customer_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format(
        '%s is another table than the event table that the declaration of %s means: it has no count trigger',
        'public.purchase',
        'public.customer'),
      detail = 'Its rows would count as events.',
      hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
  end if;
  select count(*) filter (where e.purchased_at > v_moment - interval '90 days' and e.purchased_at <= v_moment)
    into new.purchases_90d
    from public.purchase as e
   where e.customer_id = new.customer_id and e.purchased_at > v_moment - interval '90 days'
     and e.purchased_at <= v_moment;
  new.features_at := v_moment;
  v_was := new;
  -- score churn
  v_version := coalesce(modelpack.customer_score_churn_chosen(new), modelpack.customer_score_churn_version());
  new.churn := modelpack.customer_score_churn_predict(
    v_version,
    modelpack.customer_score_churn_numbers(new, v_moment, v_version),
    modelpack.customer_score_churn_texts(new, v_moment, v_version),
    modelpack.key_value(new.customer_id)::text, v_moment, written <> 'anew');
  new.churn_version := v_version;
  new.churn_scored_at := v_moment;
  if new.churn is null or new.churn_stale is not null then
    new.churn_stale := case when new.churn is null then modelpack.customer_score_churn_reason(v_version, null) end;
    if new.churn is null then
      -- the last score stands
      new.churn := v_was.churn;
      new.churn_version := v_was.churn_version;
      new.churn_scored_at := v_was.churn_scored_at;
    end if;
  end if;
  if v_settings is not null then
    perform set_config('TimeZone', v_settings[1], true),
            set_config('extra_float_digits', v_settings[2], true);
  end if;
  return new;
end
$modelpack$;

revoke all on function modelpack.customer_scored(anyelement, anyelement, text) from public;

comment on function modelpack.customer_scored(anyelement, anyelement, text) is
  'A row of public.customer with its features brought up to the moment and its scores; logs them. Generated by '
  'modelpack from the declaration. [customer]';

create or replace function modelpack.customer_score()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- SCORE of public.customer: scores a row that is new, has another key or another static input, before it is written.
-- Generated by modelpack from the declaration.
#variable_conflict use_variable
declare
  v_moves boolean;
begin
  if tg_op = 'UPDATE' and new.customer_id = old.customer_id then
    if tg_nargs = 0 then
      -- features and scores are the guard's to look at
      if modelpack.customer_same(new, old) then
        return new;
      end if;
    elsif new.features_at = old.features_at then
      -- nothing that a score depends on has changed
      if row(
           new.customer_id,
           new.purchases,
           new.purchases_90d,
           new.spend,
           new.basket,
           new.basket_n,
           new.basket_sum,
           new.last_purchase_at,
           new.complaints,
           new.complaint_heat,
           new.complaint_heat_ahead,
           new.churn,
           new.churn_version,
           new.churn_scored_at,
           new.churn_stale
         )::pg_catalog.record operator(pg_catalog.*=) row(
           old.customer_id,
           old.purchases,
           old.purchases_90d,
           old.spend,
           old.basket,
           old.basket_n,
           old.basket_sum,
           old.last_purchase_at,
           old.complaints,
           old.complaint_heat,
           old.complaint_heat_ahead,
           old.churn,
           old.churn_version,
           old.churn_scored_at,
           old.churn_stale
         )::pg_catalog.record
         and modelpack.customer_same(new, old)
      then
        return new;
      end if;
    elsif new.churn_scored_at = new.features_at and new.churn_scored_at is distinct from old.churn_scored_at
          and new.churn_stale
            = md5(
              array_send(modelpack.customer_score_churn_numbers(new, new.features_at, new.churn_version)) || coalesce(
                array_send(modelpack.customer_score_churn_texts(new, new.features_at, new.churn_version)), '')) then
      -- with many others, in one call, and what was scored is what is stored
      new.churn_stale := null;
      return new;
    end if;
  end if;
  if tg_op = 'UPDATE' and (new.customer_id <> old.customer_id) then
    if tg_relid <> 'public.customer'::regclass then
      -- to another partition it goes as an INSERT, which scores and logs it
      execute format('select not (%s) from (select ($1).*) as r', pg_get_partition_constraintdef(tg_relid))
         into v_moves using new;
      if v_moves then
        return new;
      end if;
    end if;
  end if;
  new := modelpack.customer_scored(new, old,
    case when tg_op = 'INSERT' then 'anew' when new.customer_id <> old.customer_id then 'under another key'
      else 'with another input' end);
  return new;
end
$modelpack$;

revoke all on function modelpack.customer_score() from public;

comment on function modelpack.customer_score() is
  'SCORE of public.customer: scores a row that is new, has another key or another static input, before it is '
  'written. Generated by modelpack from the declaration. [customer]';

create or replace function modelpack.customer_log()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- LOG of public.customer: the first score of a new row, in modelpack.prediction. Generated by modelpack from the
-- declaration.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
declare
  v_logged bigint;
begin
  if new.churn_scored_at is not null then
    v_logged := modelpack.customer_score_churn_record(new.churn_version, new.churn_scored_at, array[
      row(modelpack.key_value(new.customer_id)::text,
          new.churn,
          modelpack.customer_score_churn_numbers(new, new.churn_scored_at, new.churn_version),
          modelpack.customer_score_churn_texts(new, new.churn_scored_at, new.churn_version))::modelpack.scored
    ]);
  end if;
  return null;
end
$modelpack$;

revoke all on function modelpack.customer_log() from public;

comment on function modelpack.customer_log() is
  'LOG of public.customer: the first score of a new row, in modelpack.prediction. Generated by modelpack from the '
  'declaration. [customer]';

create or replace function modelpack.customer_types()
returns table (score text, input text, type regtype)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- The types of the declared inputs of public.customer.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
begin
  return query
  select 'churn', 'days_quiet', pg_typeof(e.value)
    from (values (true)) as t
    left join (
           select case when isfinite(p.last_purchase_at) and p.last_purchase_at < date '200000-01-01'
               then date_part('epoch', "the moment" - p.last_purchase_at::timestamptz) / 86400 end as value
             from public.customer as p, (values (now())) as m ("the moment") where false
         ) as e on true;
  return;
end
$modelpack$;

revoke all on function modelpack.customer_types() from public;

comment on function modelpack.customer_types() is
  'The types of the declared inputs of public.customer. [customer]';

create or replace function modelpack.customer_sample(score text, version integer, percent double precision)
returns setof text[]
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Texts that a version is fed from a sample of public.customer.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
declare
  v_place tid;
  v_part oid;
begin
  if score = 'churn' then
    return query select modelpack.customer_score_churn_texts(p, now(), version)
      from public.customer as p tablesample system (percent);
  end if;
  return;
end
$modelpack$;

revoke all on function modelpack.customer_sample(text, integer, double precision) from public;

comment on function modelpack.customer_sample(text, integer, double precision) is
  'Texts that a version is fed from a sample of public.customer. [customer]';

create or replace function modelpack.customer_once()
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Makes missing rows of public.customer and counts new features, once.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
begin
  insert into public.customer (customer_id) overriding system value
  select distinct e.customer_id
    from public.purchase as e
   where e.customer_id is not null
     and not exists (select from public.customer as q where q.customer_id = e.customer_id)
   order by e.customer_id;
  insert into public.customer (customer_id) overriding system value
  select distinct e.customer_id
    from public.complaint as e
   where e.customer_id is not null and (e.severity > 1)
     and not exists (select from public.customer as q where q.customer_id = e.customer_id)
   order by e.customer_id;
end
$modelpack$;

revoke all on function modelpack.customer_once() from public;

comment on function modelpack.customer_once() is
  'Makes missing rows of public.customer and counts new features, once. [customer]';

create trigger modelpack_customer_guard before update of basket, basket_n, basket_sum, churn, churn_scored_at,
  churn_stale, churn_version, complaint_heat, complaint_heat_ahead, complaints, features_at, features_read_at,
  features_reread_at, last_purchase_at, purchases, purchases_90d, spend on public.customer
  for each row execute function modelpack.customer_guard();

create trigger zz_modelpack_customer_score before insert or update of customer_id on public.customer
  for each row execute function modelpack.customer_score();

create trigger modelpack_customer_log after insert on public.customer
  for each row execute function modelpack.customer_log();

select modelpack.run_as('public.customer');

select modelpack.bind('public.customer');

create or replace trigger modelpack_customer_insert after insert on public.purchase
  referencing new table as new_rows
  for each statement execute function modelpack.customer_count_purchase_insert();

create or replace trigger modelpack_customer_update after update on public.purchase
  referencing old table as old_rows new table as new_rows
  for each statement execute function modelpack.customer_count_purchase_update();

create or replace trigger modelpack_customer_delete after delete on public.purchase
  referencing old table as old_rows
  for each statement execute function modelpack.customer_count_purchase_delete();

create or replace trigger modelpack_customer_truncate after truncate on public.purchase
  for each statement execute function modelpack.customer_count_purchase_truncate();

select modelpack.follow_moves('public.purchase', 'zz_modelpack_customer_moves', 'zz_modelpack_customer_moved',
  'customer_count_purchase_move');

create or replace trigger modelpack_customer_insert after insert on public.complaint
  referencing new table as new_rows
  for each statement execute function modelpack.customer_count_complaint_insert();

create or replace trigger modelpack_customer_update after update on public.complaint
  referencing old table as old_rows new table as new_rows
  for each statement execute function modelpack.customer_count_complaint_update();

create or replace trigger modelpack_customer_delete after delete on public.complaint
  referencing old table as old_rows
  for each statement execute function modelpack.customer_count_complaint_delete();

create or replace trigger modelpack_customer_truncate after truncate on public.complaint
  for each statement execute function modelpack.customer_count_complaint_truncate();

select modelpack.follow_moves('public.complaint', 'zz_modelpack_customer_moves', 'zz_modelpack_customer_moved',
  'customer_count_complaint_move');

select modelpack.customer_once();

drop function modelpack.customer_once();

select sum(modelpack.customer_rebuild(c.first_block, coalesce(c.last_block, c.first_block + 500 - 1)))
  from modelpack.chunks('public.customer', 500) as c;

select modelpack.cover_partitions('public.customer');

select modelpack.cover_partitions('public.purchase');

select modelpack.cover_partitions('public.complaint');

select modelpack.seal('public.customer');

commit;
