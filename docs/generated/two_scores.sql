-- Two scores of one profile. No feature moves with the clock, so many rows are scored in one call of each model.
-- Written by `make docs` from two_scores.py; look at it, do not edit it.
-- The same comes of: modelpack apply docs/generated/two_scores.py --sql
--
--     from modelpack import Event, Profile, Score, count, expression, ratio, total
--
--     account = Profile(
--         "account",
--         key="account_id",
--         events=[
--             Event("transfer", features={"transfers": count(), "sent": total("amount")}),
--         ],
--         scores=[
--             Score("fraud", on_error="null", inputs={"mean_transfer": ratio("sent", "transfers")}),
--             Score("value", model="account_value", inputs={"sent_thousands": expression("sent / 1000")}),
--         ],
--     )

begin;

select modelpack.alone();

select modelpack.take_turn('account_value');

select modelpack.take_turn('fraud');

select modelpack.lock_tables(
  array_remove(array['public.transfer'::regclass]::regclass[], null),
  'public.account', 'share row exclusive');

select modelpack.check_key_columns('public.account', array['account_id']::text[], 'public.transfer',
  array['account_id']::text[]);

select modelpack.attach(
  relation => 'public.account',
  declaration => '{
    "events": [
      {
        "at": null,
        "features": [{"kind": "count", "name": "transfers"}, {"column": "amount", "kind": "total", "name": "sent"}],
        "key": null,
        "missing": "create",
        "on_delete": "subtract",
        "table": "transfer",
        "where": null
      }
    ],
    "format": 1,
    "key": ["account_id"],
    "scores": [
      {
        "inputs": {
          "mean_transfer": {
            "columns": ["sent", "transfers"],
            "may_fail": false,
            "sql": "p.sent::double precision / nullif(p.transfers::double precision, 0)"
          }
        },
        "model": "fraud",
        "name": "fraud",
        "on_error": "null"
      },
      {
        "inputs": {"sent_thousands": {"columns": ["sent"], "may_fail": true, "sql": "(p.sent / 1000)"}},
        "model": "account_value",
        "name": "value",
        "on_error": "stale"
      }
    ],
    "table": "account"
  }'::jsonb,
  maintained => array['transfers', 'sent']::text[],
  wanted_columns => array['features_at', 'features_read_at', 'transfers', 'sent', 'fraud', 'fraud_version',
    'fraud_scored_at', 'fraud_stale', 'value', 'value_version', 'value_scored_at', 'value_stale']::text[],
  scores => '[
    {
      "inputs": {
        "mean_transfer": {
          "columns": ["sent", "transfers"],
          "may_fail": false,
          "sql": "p.sent::double precision / nullif(p.transfers::double precision, 0)"
        }
      },
      "model": "fraud",
      "name": "fraud",
      "on_error": "null",
      "stem": "account_score_fraud"
    },
    {
      "inputs": {"sent_thousands": {"columns": ["sent"], "may_fail": true, "sql": "(p.sent / 1000)"}},
      "model": "account_value",
      "name": "value",
      "on_error": "stale",
      "stem": "account_score_value"
    }
  ]'::jsonb,
  stem => 'account');

alter table public.account add column if not exists features_at timestamptz;

alter table public.account add column if not exists features_read_at timestamptz;

alter table public.account add column if not exists transfers bigint not null default 0;

alter table public.account add column if not exists sent numeric not null default 0;

alter table public.account add column if not exists fraud double precision;

alter table public.account add column if not exists fraud_version integer;

alter table public.account add column if not exists fraud_scored_at timestamptz;

alter table public.account add column if not exists fraud_stale text;

alter table public.account add column if not exists value double precision;

alter table public.account add column if not exists value_version integer;

alter table public.account add column if not exists value_scored_at timestamptz;

alter table public.account add column if not exists value_stale text;

comment on column public.account.transfers is
  'count() of transfer; kept by modelpack';

comment on column public.account.sent is
  'total(column=''amount'') of transfer; kept by modelpack';

comment on column public.account.features_at is
  'when windowed and decayed features were brought up to the moment; kept by modelpack';

comment on column public.account.features_read_at is
  'statement that read all features of the row from the events; kept by modelpack';

comment on column public.account.fraud is
  'score of the model fraud; kept by modelpack';

comment on column public.account.fraud_version is
  'version that gave the score; kept by modelpack';

comment on column public.account.fraud_scored_at is
  'when the score was given; kept by modelpack';

comment on column public.account.fraud_stale is
  'NULL when the score is fresh, else why it is not; kept by modelpack';

comment on column public.account.value is
  'score of the model account_value; kept by modelpack';

comment on column public.account.value_version is
  'version that gave the score; kept by modelpack';

comment on column public.account.value_scored_at is
  'when the score was given; kept by modelpack';

comment on column public.account.value_stale is
  'NULL when the score is fresh, else why it is not; kept by modelpack';

select modelpack.check_meaning('public.account', '(p.sent / 1000)', 'p', false);

select modelpack.ensure_stale_index('public.account', array['account_id']::text[],
  array['fraud_stale', 'value_stale']::text[]);

select modelpack.ensure_index('public.account', 'public.transfer', array['account_id']::text[], null);

create or replace function modelpack.account_recount(only_keys text[])
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $modelpack$
-- Counts the features of some rows of public.account again; keys as modelpack.verify() writes them.
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
  v_version_2 integer;
begin
  if not exists (select from pg_trigger as t
                  where t.tgrelid = 'public.transfer'::regclass
                    and t.tgfoid = 'modelpack.account_count_transfer_insert()'::regprocedure)
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.account_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format(
        '%s is another table than the event table that the declaration of %s means: it has no count trigger',
        'public.transfer',
        'public.account'),
      detail = 'Its rows would count as events.',
      hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
  end if;
  if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
    perform modelpack.account_seen();
  end if;
  perform
    from jsonb_populate_recordset(
           (select row(q.*)::public.account from public.account as q limit 1),
           (select jsonb_agg(jsonb_build_object('account_id', u.key))
              from (select distinct unnest(only_keys)) as u (key))
         ) as k
    join public.account as p on p.account_id = k.account_id
   order by p.account_id
     for no key update of p;
  get diagnostics v_rows = row_count;
  v_moment := clock_timestamp();
  if v_rows >= 8 and modelpack.account_batched() and modelpack.account_shaped() then
    v_version_1 := modelpack.account_score_fraud_version();
    v_version_2 := modelpack.account_score_value_version();
    -- all rows in one call of each model
    with chosen as materialized (
      select f.*,
             count(*) filter (where f."is fed") over up as "the number",
             sum(f."the size") over up / 32000000 as "the chunk"
        from (
               select k.*,
                      not k."is alone" and k."fraud inputs" is not null and k."value inputs" is not null as "is fed",
                      100
                        + coalesce(pg_column_size(k."fraud inputs") + coalesce(pg_column_size(k."fraud texts"), 0)
                          + pg_column_size(k."value inputs") + coalesce(pg_column_size(k."value texts"), 0),
                          0) as "the size"
                 from (
                        select c."the place", c."the partition", c."is alone",
                               c.transfers,
                               c.sent,
                               c.features_read_at,
                               modelpack.account_score_fraud_numbers(
                                 modelpack.account_with(c."the row", c.transfers, c.sent), v_moment,
                                 v_version_1) as "fraud inputs",
                               modelpack.account_score_fraud_texts(
                                 modelpack.account_with(c."the row", c.transfers, c.sent), v_moment,
                                 v_version_1) as "fraud texts",
                               (x1.packed).inputs as "value inputs",
                               (x1.packed).text_inputs as "value texts"
                          from (
                                 select row(p.*)::public.account as "the row", p.ctid as "the place",
                                   p.tableoid as "the partition",
                                        coalesce(p.features_at >= v_moment, false) as "is alone",
                                        r0.transfers as transfers,
                                        r0.sent as sent,
                                        case when s."read afresh" then greatest(now(), statement_timestamp())
                                            else p.features_read_at end as features_read_at
                                   from jsonb_populate_recordset(
                                          (select row(q.*)::public.account from public.account as q limit 1),
                                          (select jsonb_agg(jsonb_build_object('account_id', u.key))
                                             from (select distinct unnest(only_keys)) as u (key))
                                        ) as k
                                        join public.account as p on p.account_id = k.account_id
                                   cross join lateral (
                                     select p.features_at is null
                                       or (p.features_read_at >= modelpack.account_since()) is not true
                                       or p.features_read_at = greatest(now(), statement_timestamp()) as "read afresh",
                                       case when p.features_at is null
                                         or (p.features_read_at >= modelpack.account_since()) is not true
                                         or p.features_read_at = greatest(now(), statement_timestamp()) then v_moment
                                         else p.features_at end as "the moment"
                                   ) as s
                                   cross join lateral (
                                     select count(*) as transfers,
                                            coalesce(sum(modelpack.amount(e.amount)), 0) as sent
                                       from public.transfer as e
                                      where e.account_id = p.account_id
                                   ) as r0
                                   where (s."read afresh"
                                       or p.transfers is distinct from r0.transfers
                                       or p.sent is distinct from r0.sent)
                                 offset 0  -- features are computed once
                               ) as c
                          cross
                            join lateral (
                              select modelpack.account_score_value_packed(
                                modelpack.account_with(c."the row", c.transfers, c.sent), v_moment,
                                v_version_2) as packed offset 0) as x0
                        offset 0  -- and packed once
                      ) as k
             ) as f
      window up as (rows unbounded preceding)
    ), called as materialized (
      select k."the chunk", k."the first",
             modelpack.account_score_fraud_many(
               v_version_1,
               (
                 select array_send(
                   array_replace(array_agg(c."fraud inputs") filter (where c."fraud inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."fraud texts") filter (where c."fraud texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "fraud scores",
             modelpack.account_score_value_many(
               v_version_2,
               (
                 select array_send(
                   array_replace(array_agg(c."value inputs") filter (where c."value inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."value texts") filter (where c."value texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "value scores"
        from (select c."the chunk", min(c."the number") filter (where c."is fed") as "the first" from chosen as c
          group by c."the chunk" offset 0) as k
    ), written as (
      update public.account as p
         set transfers = c.transfers,
             sent = c.sent,
             features_read_at = c.features_read_at,
             fraud
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then c."fraud given"
                 else p.fraud end,
             fraud_version
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_version_1
                 else p.fraud_version end,
             fraud_scored_at
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_moment
                 else p.fraud_scored_at end,
             fraud_stale
               = case when not (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then p.fraud_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.account'::regclass
                                                  and t.tgname = 'modelpack_account_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."fraud inputs") || coalesce(array_send(c."fraud texts"), ''))
                                      end,
             value
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then c."value given"
                 else p.value end,
             value_version
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_version_2
                 else p.value_version end,
             value_scored_at
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_moment
                 else p.value_scored_at end,
             value_stale
               = case when not (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then p.value_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.account'::regclass
                                                  and t.tgname = 'modelpack_account_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."value inputs") || coalesce(array_send(c."value texts"), ''))
                                      end,
             -- one that is left to the guard has its features at the moment, or at none where none moves
             features_at = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_moment end
        from called as a
       cross join lateral (
               select c.*,
                      case when c."is fed"
                          then a."fraud scores"[c."the number" - a."the first" + 1] end as "fraud given",
                      case when c."is fed"
                          then a."value scores"[c."the number" - a."the first" + 1] end as "value given"
                 from chosen as c
                where c."the chunk" = a."the chunk"
               offset 0
             ) as c
       where p.ctid = c."the place" and p.tableoid = c."the partition"
      returning modelpack.key_value(p.account_id)::text as "the key",
                c."the chunk",
                (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true and p.fraud_scored_at = v_moment
                  and p.value_scored_at = v_moment as "is good",
                p.fraud, c."fraud inputs", c."fraud texts",
                p.value, c."value inputs", c."value texts"
    ), logged as (
      select modelpack.account_score_fraud_record(
               v_version_1, v_moment,
                 array_agg(row(w."the key", w.fraud, w."fraud inputs", w."fraud texts")::modelpack.scored)
             )
             + modelpack.account_score_value_record(
                 v_version_2, v_moment,
                   array_agg(row(w."the key", w.value, w."value inputs", w."value texts")::modelpack.scored)
               ) as rows
        from written as w
       where w."is good"
       group by w."the chunk"
    )
    select (select count(*) from written), (select sum(l.rows) from logged as l)
      into v_written, v_logged;
    return v_written;
  end if;
  update public.account as p
     set transfers = x.transfers,
         sent = x.sent,
         features_at = x."the moment",
         features_read_at
           = case when x."read afresh" then greatest(now(), statement_timestamp()) else p.features_read_at end
    from (
           select p.account_id,
                  r0.transfers,
                  r0.sent,
                  p."the moment",
                  p."read afresh"
             from (
                    select p.*,
                           p.features_at is null or (p.features_read_at >= modelpack.account_since()) is not true
                             or p.features_read_at = greatest(now(), statement_timestamp()) as "read afresh",
                           case when p.features_at is null
                               or (p.features_read_at >= modelpack.account_since()) is not true
                               or p.features_read_at = greatest(now(), statement_timestamp()) then clock_timestamp()
                               else p.features_at end as "the moment"
                      from jsonb_populate_recordset(
                             (select row(q.*)::public.account from public.account as q limit 1),
                             (select jsonb_agg(jsonb_build_object('account_id', u.key))
                                from (select distinct unnest(only_keys)) as u (key))
                           ) as k
                      join public.account as p on p.account_id = k.account_id
                  ) as p
            cross join lateral (
              select count(*) as transfers,
                     coalesce(sum(modelpack.amount(e.amount)), 0) as sent
                from public.transfer as e
               where e.account_id = p.account_id
            ) as r0
         ) as x
   where p.account_id = x.account_id
     and (x."read afresh"
       or p.transfers is distinct from x.transfers
       or p.sent is distinct from x.sent);
  get diagnostics v_written = row_count;
  return v_written;
end
$modelpack$;

revoke all on function modelpack.account_recount(text[]) from public;

comment on function modelpack.account_recount(text[]) is
  'Counts the features of some rows of public.account again; keys as modelpack.verify() writes them. [account]';

create or replace function modelpack.account_rebuild(first_block bigint, last_block bigint)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $modelpack$
-- Counts the features of public.account again from the events and writes the rows that differ.
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
  v_version_2 integer;
begin
  if not exists (select from pg_trigger as t
                  where t.tgrelid = 'public.transfer'::regclass
                    and t.tgfoid = 'modelpack.account_count_transfer_insert()'::regprocedure)
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.account_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format(
        '%s is another table than the event table that the declaration of %s means: it has no count trigger',
        'public.transfer',
        'public.account'),
      detail = 'Its rows would count as events.',
      hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
  end if;
  if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
    perform modelpack.account_seen();
  end if;
  perform from public.account as p
   where p.ctid >= v_first and p.ctid < v_beyond
   order by p.account_id
     for no key update;
  v_moment := clock_timestamp();
  if modelpack.account_batched() and modelpack.account_shaped() then
    v_version_1 := modelpack.account_score_fraud_version();
    v_version_2 := modelpack.account_score_value_version();
    -- all rows in one call of each model
    with chosen as materialized (
      select f.*,
             count(*) filter (where f."is fed") over up as "the number",
             sum(f."the size") over up / 32000000 as "the chunk"
        from (
               select k.*,
                      not k."is alone" and k."fraud inputs" is not null and k."value inputs" is not null as "is fed",
                      100
                        + coalesce(pg_column_size(k."fraud inputs") + coalesce(pg_column_size(k."fraud texts"), 0)
                          + pg_column_size(k."value inputs") + coalesce(pg_column_size(k."value texts"), 0),
                          0) as "the size"
                 from (
                        select c."the place", c."the partition", c."is alone",
                               c.transfers,
                               c.sent,
                               c.features_read_at,
                               modelpack.account_score_fraud_numbers(
                                 modelpack.account_with(c."the row", c.transfers, c.sent), v_moment,
                                 v_version_1) as "fraud inputs",
                               modelpack.account_score_fraud_texts(
                                 modelpack.account_with(c."the row", c.transfers, c.sent), v_moment,
                                 v_version_1) as "fraud texts",
                               (x1.packed).inputs as "value inputs",
                               (x1.packed).text_inputs as "value texts"
                          from (
                                 select row(p.*)::public.account as "the row", p.ctid as "the place",
                                   p.tableoid as "the partition",
                                        coalesce(p.features_at >= v_moment, false) as "is alone",
                                        r0.transfers as transfers,
                                        r0.sent as sent,
                                        case when s."read afresh" then greatest(now(), statement_timestamp())
                                            else p.features_read_at end as features_read_at
                                   from public.account as p
                                   cross join lateral (
                                     select p.features_at is null
                                       or (
                                         p.features_read_at >= modelpack.account_since()) is not true as "read afresh",
                                       case when p.features_at is null
                                         or (p.features_read_at >= modelpack.account_since()) is not true then v_moment
                                         else p.features_at end as "the moment"
                                   ) as s
                                   cross join lateral (
                                     select count(*) as transfers,
                                            coalesce(sum(modelpack.amount(e.amount)), 0) as sent
                                       from public.transfer as e
                                      where e.account_id = p.account_id
                                   ) as r0
                                   where p.ctid >= v_first and p.ctid < v_beyond
                                     and (s."read afresh"
                                       or p.transfers is distinct from r0.transfers
                                       or p.sent is distinct from r0.sent)
                                 offset 0  -- features are computed once
                               ) as c
                          cross
                            join lateral (
                              select modelpack.account_score_value_packed(
                                modelpack.account_with(c."the row", c.transfers, c.sent), v_moment,
                                v_version_2) as packed offset 0) as x0
                        offset 0  -- and packed once
                      ) as k
             ) as f
      window up as (rows unbounded preceding)
    ), called as materialized (
      select k."the chunk", k."the first",
             modelpack.account_score_fraud_many(
               v_version_1,
               (
                 select array_send(
                   array_replace(array_agg(c."fraud inputs") filter (where c."fraud inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."fraud texts") filter (where c."fraud texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "fraud scores",
             modelpack.account_score_value_many(
               v_version_2,
               (
                 select array_send(
                   array_replace(array_agg(c."value inputs") filter (where c."value inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."value texts") filter (where c."value texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "value scores"
        from (select c."the chunk", min(c."the number") filter (where c."is fed") as "the first" from chosen as c
          group by c."the chunk" offset 0) as k
    ), written as (
      update public.account as p
         set transfers = c.transfers,
             sent = c.sent,
             features_read_at = c.features_read_at,
             fraud
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then c."fraud given"
                 else p.fraud end,
             fraud_version
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_version_1
                 else p.fraud_version end,
             fraud_scored_at
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_moment
                 else p.fraud_scored_at end,
             fraud_stale
               = case when not (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then p.fraud_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.account'::regclass
                                                  and t.tgname = 'modelpack_account_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."fraud inputs") || coalesce(array_send(c."fraud texts"), ''))
                                      end,
             value
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then c."value given"
                 else p.value end,
             value_version
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_version_2
                 else p.value_version end,
             value_scored_at
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_moment
                 else p.value_scored_at end,
             value_stale
               = case when not (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then p.value_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.account'::regclass
                                                  and t.tgname = 'modelpack_account_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."value inputs") || coalesce(array_send(c."value texts"), ''))
                                      end,
             -- one that is left to the guard has its features at the moment, or at none where none moves
             features_at = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_moment end
        from called as a
       cross join lateral (
               select c.*,
                      case when c."is fed"
                          then a."fraud scores"[c."the number" - a."the first" + 1] end as "fraud given",
                      case when c."is fed"
                          then a."value scores"[c."the number" - a."the first" + 1] end as "value given"
                 from chosen as c
                where c."the chunk" = a."the chunk"
               offset 0
             ) as c
       where p.ctid = c."the place" and p.tableoid = c."the partition"
      returning modelpack.key_value(p.account_id)::text as "the key",
                c."the chunk",
                (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true and p.fraud_scored_at = v_moment
                  and p.value_scored_at = v_moment as "is good",
                p.fraud, c."fraud inputs", c."fraud texts",
                p.value, c."value inputs", c."value texts"
    ), logged as (
      select modelpack.account_score_fraud_record(
               v_version_1, v_moment,
                 array_agg(row(w."the key", w.fraud, w."fraud inputs", w."fraud texts")::modelpack.scored)
             )
             + modelpack.account_score_value_record(
                 v_version_2, v_moment,
                   array_agg(row(w."the key", w.value, w."value inputs", w."value texts")::modelpack.scored)
               ) as rows
        from written as w
       where w."is good"
       group by w."the chunk"
    )
    select (select count(*) from written), (select sum(l.rows) from logged as l)
      into v_written, v_logged;
    return v_written;
  end if;
  update public.account as p
     set transfers = x.transfers,
         sent = x.sent,
         features_at = x."the moment",
         features_read_at
           = case when x."read afresh" then greatest(now(), statement_timestamp()) else p.features_read_at end
    from (
           select p.account_id,
                  r0.transfers,
                  r0.sent,
                  p."the moment",
                  p."read afresh"
             from (
                    select p.*,
                           p.features_at is null
                             or (p.features_read_at >= modelpack.account_since()) is not true as "read afresh",
                           case when p.features_at is null
                               or (p.features_read_at >= modelpack.account_since()) is not true then clock_timestamp()
                               else p.features_at end as "the moment"
                      from public.account as p
                     where p.ctid >= v_first and p.ctid < v_beyond
                  ) as p
            cross join lateral (
              select count(*) as transfers,
                     coalesce(sum(modelpack.amount(e.amount)), 0) as sent
                from public.transfer as e
               where e.account_id = p.account_id
            ) as r0
         ) as x
   where p.account_id = x.account_id
     and (x."read afresh"
       or p.transfers is distinct from x.transfers
       or p.sent is distinct from x.sent);
  get diagnostics v_written = row_count;
  return v_written;
end
$modelpack$;

revoke all on function modelpack.account_rebuild(bigint, bigint) from public;

comment on function modelpack.account_rebuild(bigint, bigint) is
  'Counts the features of public.account again from the events and writes the rows that differ. [account]';

create or replace function modelpack.account_refresh(first_block bigint, last_block bigint, older_than timestamptz)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $modelpack$
-- Brings the rows of public.account whose windows have moved on up to the moment, and scores them.
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
  v_version_2 integer;
begin
  perform from public.account as p
   where p.ctid >= v_first and p.ctid < v_beyond
   order by p.account_id
     for no key update;
  v_moment := clock_timestamp();
  if modelpack.account_batched() then
    v_version_1 := modelpack.account_score_fraud_version();
    v_version_2 := modelpack.account_score_value_version();
    -- all rows in one call of each model
    with chosen as materialized (
      select f.*,
             count(*) filter (where f."is fed") over up as "the number",
             sum(f."the size") over up / 32000000 as "the chunk"
        from (
               select k.*,
                      not k."is alone" and k."fraud inputs" is not null and k."value inputs" is not null as "is fed",
                      100
                        + coalesce(pg_column_size(k."fraud inputs") + coalesce(pg_column_size(k."fraud texts"), 0)
                          + pg_column_size(k."value inputs") + coalesce(pg_column_size(k."value texts"), 0),
                          0) as "the size"
                 from (
                        select c."the place", c."the partition", c."is alone",
                               modelpack.account_score_fraud_numbers(c."the row", v_moment,
                                 v_version_1) as "fraud inputs",
                               modelpack.account_score_fraud_texts(c."the row", v_moment, v_version_1) as "fraud texts",
                               (x1.packed).inputs as "value inputs",
                               (x1.packed).text_inputs as "value texts"
                          from (
                                 select row(p.*)::public.account as "the row", p.ctid as "the place",
                                   p.tableoid as "the partition",
                                        coalesce(p.features_at >= v_moment, false) as "is alone"
                                   from public.account as p
                                   where p.ctid >= v_first and p.ctid < v_beyond
                                     and not (p.features_read_at >= modelpack.account_since()) is not true
                                     and (p.features_at < older_than
                                       or (older_than is not null and p.features_at > clock_timestamp()))
                                 offset 0  -- features are computed once
                               ) as c
                          cross
                            join lateral (
                              select modelpack.account_score_value_packed(c."the row", v_moment,
                                v_version_2) as packed offset 0) as x0
                        offset 0  -- and packed once
                      ) as k
             ) as f
      window up as (rows unbounded preceding)
    ), called as materialized (
      select k."the chunk", k."the first",
             modelpack.account_score_fraud_many(
               v_version_1,
               (
                 select array_send(
                   array_replace(array_agg(c."fraud inputs") filter (where c."fraud inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."fraud texts") filter (where c."fraud texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "fraud scores",
             modelpack.account_score_value_many(
               v_version_2,
               (
                 select array_send(
                   array_replace(array_agg(c."value inputs") filter (where c."value inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."value texts") filter (where c."value texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "value scores"
        from (select c."the chunk", min(c."the number") filter (where c."is fed") as "the first" from chosen as c
          group by c."the chunk" offset 0) as k
    ), written as (
      update public.account as p
         set 
             fraud
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then c."fraud given"
                 else p.fraud end,
             fraud_version
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_version_1
                 else p.fraud_version end,
             fraud_scored_at
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_moment
                 else p.fraud_scored_at end,
             fraud_stale
               = case when not (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then p.fraud_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.account'::regclass
                                                  and t.tgname = 'modelpack_account_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."fraud inputs") || coalesce(array_send(c."fraud texts"), ''))
                                      end,
             value
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then c."value given"
                 else p.value end,
             value_version
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_version_2
                 else p.value_version end,
             value_scored_at
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_moment
                 else p.value_scored_at end,
             value_stale
               = case when not (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then p.value_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.account'::regclass
                                                  and t.tgname = 'modelpack_account_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."value inputs") || coalesce(array_send(c."value texts"), ''))
                                      end,
             -- one that is left to the guard has its features at the moment, or at none where none moves
             features_at = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_moment end
        from called as a
       cross join lateral (
               select c.*,
                      case when c."is fed"
                          then a."fraud scores"[c."the number" - a."the first" + 1] end as "fraud given",
                      case when c."is fed"
                          then a."value scores"[c."the number" - a."the first" + 1] end as "value given"
                 from chosen as c
                where c."the chunk" = a."the chunk"
               offset 0
             ) as c
       where p.ctid = c."the place" and p.tableoid = c."the partition"
      returning modelpack.key_value(p.account_id)::text as "the key",
                c."the chunk",
                (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true and p.fraud_scored_at = v_moment
                  and p.value_scored_at = v_moment as "is good",
                p.fraud, c."fraud inputs", c."fraud texts",
                p.value, c."value inputs", c."value texts"
    ), logged as (
      select modelpack.account_score_fraud_record(
               v_version_1, v_moment,
                 array_agg(row(w."the key", w.fraud, w."fraud inputs", w."fraud texts")::modelpack.scored)
             )
             + modelpack.account_score_value_record(
                 v_version_2, v_moment,
                   array_agg(row(w."the key", w.value, w."value inputs", w."value texts")::modelpack.scored)
               ) as rows
        from written as w
       where w."is good"
       group by w."the chunk"
    )
    select (select count(*) from written), (select sum(l.rows) from logged as l)
      into v_written, v_logged;
    return v_written;
  end if;
  update public.account as p
     set features_at = v_moment
    from (
           select p.ctid as "the place", p.tableoid as "the partition"
             from public.account as p
             where p.ctid >= v_first and p.ctid < v_beyond
               and not (p.features_read_at >= modelpack.account_since()) is not true
               and (p.features_at < older_than or (older_than is not null and p.features_at > clock_timestamp()))
         ) as x
   where p.ctid = x."the place" and p.tableoid = x."the partition";
  get diagnostics v_written = row_count;
  return v_written;
end
$modelpack$;

revoke all on function modelpack.account_refresh(bigint, bigint, timestamptz) from public;

comment on function modelpack.account_refresh(bigint, bigint, timestamptz) is
  'Brings the rows of public.account whose windows have moved on up to the moment, and scores them. [account]';

create or replace function modelpack.account_rescore(first_block bigint, last_block bigint, only_stale boolean,
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
-- Scores rows of public.account again: those that are stale or scored by another version than the champion.
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
  v_version_2 integer;
begin
  v_version_1 := modelpack.account_score_fraud_version();
  v_version_2 := modelpack.account_score_value_version();
  perform from public.account as p
   where p.ctid >= v_first and p.ctid < v_beyond
         and not (p.features_read_at >= modelpack.account_since()) is not true
         and (p.features_at < older_than or (older_than is not null and p.features_at > clock_timestamp())
           or p.fraud_stale is not null
           or (not only_stale and p.fraud_version is distinct
             from coalesce(modelpack.account_score_fraud_chosen(row(p.*)::public.account), v_version_1))
           or p.value_stale is not null
           or (not only_stale and p.value_version is distinct
             from coalesce(modelpack.account_score_value_chosen(row(p.*)::public.account), v_version_2)))
   order by p.account_id
     for no key update;
  if not found then
    return 0;
  end if;
  v_moment := clock_timestamp();
  if modelpack.account_batched() then
    v_version_1 := modelpack.account_score_fraud_version();
    v_version_2 := modelpack.account_score_value_version();
    -- all rows in one call of each model
    with chosen as materialized (
      select f.*,
             count(*) filter (where f."is fed") over up as "the number",
             sum(f."the size") over up / 32000000 as "the chunk"
        from (
               select k.*,
                      not k."is alone" and k."fraud inputs" is not null and k."value inputs" is not null as "is fed",
                      100
                        + coalesce(pg_column_size(k."fraud inputs") + coalesce(pg_column_size(k."fraud texts"), 0)
                          + pg_column_size(k."value inputs") + coalesce(pg_column_size(k."value texts"), 0),
                          0) as "the size"
                 from (
                        select c."the place", c."the partition", c."is alone",
                               modelpack.account_score_fraud_numbers(c."the row", v_moment,
                                 v_version_1) as "fraud inputs",
                               modelpack.account_score_fraud_texts(c."the row", v_moment, v_version_1) as "fraud texts",
                               (x1.packed).inputs as "value inputs",
                               (x1.packed).text_inputs as "value texts"
                          from (
                                 select row(p.*)::public.account as "the row", p.ctid as "the place",
                                   p.tableoid as "the partition",
                                        coalesce(p.features_at >= v_moment, false) as "is alone"
                                   from public.account as p
                                   where p.ctid >= v_first and p.ctid < v_beyond
                                         and not (p.features_read_at >= modelpack.account_since()) is not true
                                         and (p.features_at < older_than
                                           or (older_than is not null and p.features_at > clock_timestamp())
                                           or p.fraud_stale is not null
                                           or (not only_stale and p.fraud_version is distinct
                                             from coalesce(
                                               modelpack.account_score_fraud_chosen(row(p.*)::public.account),
                                               v_version_1))
                                           or p.value_stale is not null
                                           or (not only_stale and p.value_version is distinct
                                             from coalesce(
                                               modelpack.account_score_value_chosen(row(p.*)::public.account),
                                               v_version_2)))
                                 offset 0  -- features are computed once
                               ) as c
                          cross
                            join lateral (
                              select modelpack.account_score_value_packed(c."the row", v_moment,
                                v_version_2) as packed offset 0) as x0
                        offset 0  -- and packed once
                      ) as k
             ) as f
      window up as (rows unbounded preceding)
    ), called as materialized (
      select k."the chunk", k."the first",
             modelpack.account_score_fraud_many(
               v_version_1,
               (
                 select array_send(
                   array_replace(array_agg(c."fraud inputs") filter (where c."fraud inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."fraud texts") filter (where c."fraud texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "fraud scores",
             modelpack.account_score_value_many(
               v_version_2,
               (
                 select array_send(
                   array_replace(array_agg(c."value inputs") filter (where c."value inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."value texts") filter (where c."value texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "value scores"
        from (select c."the chunk", min(c."the number") filter (where c."is fed") as "the first" from chosen as c
          group by c."the chunk" offset 0) as k
    ), written as (
      update public.account as p
         set 
             fraud
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then c."fraud given"
                 else p.fraud end,
             fraud_version
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_version_1
                 else p.fraud_version end,
             fraud_scored_at
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_moment
                 else p.fraud_scored_at end,
             fraud_stale
               = case when not (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then p.fraud_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.account'::regclass
                                                  and t.tgname = 'modelpack_account_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."fraud inputs") || coalesce(array_send(c."fraud texts"), ''))
                                      end,
             value
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then c."value given"
                 else p.value end,
             value_version
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_version_2
                 else p.value_version end,
             value_scored_at
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_moment
                 else p.value_scored_at end,
             value_stale
               = case when not (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then p.value_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.account'::regclass
                                                  and t.tgname = 'modelpack_account_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."value inputs") || coalesce(array_send(c."value texts"), ''))
                                      end,
             -- one that is left to the guard has its features at the moment, or at none where none moves
             features_at = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_moment end
        from called as a
       cross join lateral (
               select c.*,
                      case when c."is fed"
                          then a."fraud scores"[c."the number" - a."the first" + 1] end as "fraud given",
                      case when c."is fed"
                          then a."value scores"[c."the number" - a."the first" + 1] end as "value given"
                 from chosen as c
                where c."the chunk" = a."the chunk"
               offset 0
             ) as c
       where p.ctid = c."the place" and p.tableoid = c."the partition"
      returning modelpack.key_value(p.account_id)::text as "the key",
                c."the chunk",
                (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true and p.fraud_scored_at = v_moment
                  and p.value_scored_at = v_moment as "is good",
                p.fraud, c."fraud inputs", c."fraud texts",
                p.value, c."value inputs", c."value texts"
    ), logged as (
      select modelpack.account_score_fraud_record(
               v_version_1, v_moment,
                 array_agg(row(w."the key", w.fraud, w."fraud inputs", w."fraud texts")::modelpack.scored)
             )
             + modelpack.account_score_value_record(
                 v_version_2, v_moment,
                   array_agg(row(w."the key", w.value, w."value inputs", w."value texts")::modelpack.scored)
               ) as rows
        from written as w
       where w."is good"
       group by w."the chunk"
    )
    select (select count(*) from written), (select sum(l.rows) from logged as l)
      into v_written, v_logged;
    return v_written;
  end if;
  update public.account as p
     set fraud_stale = 'waiting for rescore', value_stale = 'waiting for rescore'
   where p.ctid >= v_first and p.ctid < v_beyond
         and not (p.features_read_at >= modelpack.account_since()) is not true
         and (p.features_at < older_than or (older_than is not null and p.features_at > clock_timestamp())
           or p.fraud_stale is not null
           or (not only_stale and p.fraud_version is distinct
             from coalesce(modelpack.account_score_fraud_chosen(row(p.*)::public.account), v_version_1))
           or p.value_stale is not null
           or (not only_stale and p.value_version is distinct
             from coalesce(modelpack.account_score_value_chosen(row(p.*)::public.account), v_version_2)));
  get diagnostics v_written = row_count;
  return v_written;
end
$modelpack$;

revoke all on function modelpack.account_rescore(bigint, bigint, boolean, timestamptz) from public;

comment on function modelpack.account_rescore(bigint, bigint, boolean, timestamptz) is
  'Scores rows of public.account again: those that are stale or scored by another version than the champion. '
  '[account]';

create or replace function modelpack.account_fill(step integer, first_block bigint, last_block bigint, most integer)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $modelpack$
-- Counts some rows of public.account that were not counted yet, or makes some that its events lack.
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
                  where t.tgrelid = 'public.transfer'::regclass
                    and t.tgfoid = 'modelpack.account_count_transfer_insert()'::regprocedure)
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.account_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format(
        '%s is another table than the event table that the declaration of %s means: it has no count trigger',
        'public.transfer',
        'public.account'),
      detail = 'Its rows would count as events.',
      hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
  end if;
  if step = -1 then
    perform from public.account as p where (p.features_read_at >= modelpack.account_since()) is not true limit 1;
    return found::integer;
  end if;
  if step = 1 then
    with chosen as (
      select d.account_id
        from (
               select distinct e.account_id
                 from public.transfer as e
                where e.ctid >= v_first and e.ctid < v_beyond and e.account_id is not null
             ) as d
       where not exists (select from public.account as q where q.account_id = d.account_id)
       order by d.account_id
       limit most
    ), made as (
      insert into public.account (account_id) overriding system value
      select c.account_id from chosen as c
      on conflict (account_id) do nothing
    )
    select count(*) into v_made from chosen;
    return v_made;
  end if;
  -- who holds a row may do so for long: it is passed over, so that nobody waits for us meanwhile
  select array_agg(x.key) into v_keys
    from (
           select modelpack.key_value(p.account_id)::text as key
             from public.account as p
            where p.ctid >= v_first and p.ctid < v_beyond
              and (p.features_read_at >= modelpack.account_since()) is not true
            limit most
              for no key update skip locked
         ) as x;
  if v_keys is null then
    perform from public.account as p where p.ctid >= v_first and p.ctid < v_beyond
      and (p.features_read_at >= modelpack.account_since()) is not true limit 1;
    return -found::integer;
  end if;
  perform modelpack.account_recount(v_keys);
  return cardinality(v_keys);
end
$modelpack$;

revoke all on function modelpack.account_fill(integer, bigint, bigint, integer) from public;

comment on function modelpack.account_fill(integer, bigint, bigint, integer) is
  'Counts some rows of public.account that were not counted yet, or makes some that its events lack. [account]';

create or replace function modelpack.account_verify(first_block bigint, last_block bigint, only_keys text[])
returns table (entity_key text, feature text, stored text, expected text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Features of public.account that differ from the same aggregate over the events.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
declare
  v_first constant tid := format('(%s,0)', greatest(first_block, 0))::tid;
  v_beyond constant tid := format('(%s,0)', coalesce(last_block + 1, 4294967295))::tid;
begin
  return query
  select modelpack.key_value(p.account_id)::text, f.feature, f.stored, f.expected
    from (
           select q.*, coalesce(q.features_at, clock_timestamp()) as "the moment"
             from public.account as q
            where only_keys is null and q.ctid >= v_first and q.ctid < v_beyond
           union all
           select q.*, coalesce(q.features_at, clock_timestamp()) as "the moment"
             from jsonb_populate_recordset(
                    (select row(q.*)::public.account from public.account as q limit 1),
                    (select jsonb_agg(jsonb_build_object('account_id', u.key))
                       from (select distinct unnest(only_keys)) as u (key))
                  ) as k
             join public.account as q on q.account_id = k.account_id
            where only_keys is not null
         ) as p
   cross join lateral (
     select count(*) as transfers,
            coalesce(sum(modelpack.amount(e.amount)), 0) as sent
       from public.transfer as e
      where e.account_id = p.account_id
   ) as r0
   cross join lateral (
     values ('transfers', p.transfers::text, r0.transfers::text, p.transfers is distinct from r0.transfers),
            ('sent', p.sent::text, r0.sent::text, p.sent is distinct from r0.sent)
   ) as f (feature, stored, expected, differs)
   where f.differs;
end
$modelpack$;

revoke all on function modelpack.account_verify(bigint, bigint, text[]) from public;

comment on function modelpack.account_verify(bigint, bigint, text[]) is
  'Features of public.account that differ from the same aggregate over the events. [account]';

create or replace function modelpack.account_stale(chunk_blocks bigint)
returns setof bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Chunks of blocks of public.account that hold stale rows.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
begin
  return query
  select distinct (p.ctid::text::point)[0]::bigint / chunk_blocks
    from public.account as p where p.fraud_stale is not null or p.value_stale is not null;
end
$modelpack$;

revoke all on function modelpack.account_stale(bigint) from public;

comment on function modelpack.account_stale(bigint) is
  'Chunks of blocks of public.account that hold stale rows. [account]';

create or replace function modelpack.account_reasons()
returns table (score text, reason text, rows bigint)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- How many rows of public.account have no fresh score, by score and reason.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
begin
  return query
  select 'fraud', p.fraud_stale, count(*) from public.account as p where p.fraud_stale is not null group by 2;
  return query
  select 'value', p.value_stale, count(*) from public.account as p where p.value_stale is not null group by 2;
end
$modelpack$;

revoke all on function modelpack.account_reasons() from public;

comment on function modelpack.account_reasons() is
  'How many rows of public.account have no fresh score, by score and reason. [account]';

create or replace function modelpack.account_examine()
returns table (what text, subject text, rows bigint, example text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- What is wrong with rows of public.account, for modelpack.doctor(): how many, and one of them.
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
             select from public.account as p
               where (p.features_read_at >= modelpack.account_since()) is not true limit 10000
           ) as x
  ) as f where f.rows > 0;
  return query
  select * from (
    select 'stale', 'fraud', count(*) as rows, min(x.reason)
      from (
             select p.fraud_stale as reason from public.account as p where p.fraud_stale is not null
               and not (p.features_read_at >= modelpack.account_since()) is not true limit 10000
           ) as x
  ) as f where f.rows > 0;
  return query
  select * from (
    select 'behind', 'fraud', count(*) as rows, null
      from (
             select from public.account as p
              where p.fraud_stale is null and not (p.features_read_at >= modelpack.account_since()) is not true
                and modelpack.account_score_fraud_version() is not null
                and p.fraud_version is distinct
                  from coalesce(modelpack.account_score_fraud_chosen(row(p.*)::public.account),
                    modelpack.account_score_fraud_version()) limit 10000
           ) as x
  ) as f where f.rows > 0;
  return query
  select * from (
    select 'stale', 'value', count(*) as rows, min(x.reason)
      from (
             select p.value_stale as reason from public.account as p where p.value_stale is not null
               and not (p.features_read_at >= modelpack.account_since()) is not true limit 10000
           ) as x
  ) as f where f.rows > 0;
  return query
  select * from (
    select 'behind', 'value', count(*) as rows, null
      from (
             select from public.account as p
              where p.value_stale is null and not (p.features_read_at >= modelpack.account_since()) is not true
                and modelpack.account_score_value_version() is not null
                and p.value_version is distinct
                  from coalesce(modelpack.account_score_value_chosen(row(p.*)::public.account),
                    modelpack.account_score_value_version()) limit 10000
           ) as x
  ) as f where f.rows > 0;
  return query
  select * from (
    select 'ahead', '', count(*) as rows, null
      from (
             select from public.account as p where p.features_at > clock_timestamp() + interval '1 minute' limit 10000
           ) as x
  ) as f where f.rows > 0;
  v_share := case when pg_relation_size('public.transfer'::regclass) < 1000000 then 100
      else greatest(0.01, 100.0 * 1000000 / pg_relation_size('public.transfer'::regclass)) end;
  select array_agg(distinct x.key) into v_keys
    from (select modelpack.key_value(e.account_id)::text as key from public.transfer as e tablesample system (v_share)
      where e.account_id is not null
             and not exists (select from public.account as p where p.account_id = e.account_id
               and (p.features_read_at >= modelpack.account_since()) is not true) limit 200) as x;
  return query
  select * from (
    select 'differ', 'transfer', count(distinct x.entity_key) as rows, string_agg(distinct x.feature, ', ')
      from (
             select * from modelpack.account_verify(0, null, coalesce(v_keys, '{}'))
           ) as x
  ) as f where f.rows > 0;
  return query
  select * from (
    select 'missing', 'transfer', count(*) as rows, null
      from (
             select distinct x.account_id
               from (select e.* from public.transfer as e tablesample system (v_share)
                 where e.account_id is not null limit 200) as x
              where not exists (select from public.account as q where q.account_id = x.account_id)
           ) as x
  ) as f where f.rows > 0;
end
$modelpack$;

revoke all on function modelpack.account_examine() from public;

comment on function modelpack.account_examine() is
  'What is wrong with rows of public.account, for modelpack.doctor(): how many, and one of them. [account]';

create or replace function modelpack.account_guard()
returns trigger
language plpgsql security invoker
as $modelpack$
-- GUARD of public.account: scores what modelpack's own functions write, and refuses an UPDATE of features or scores by
-- anybody else but a member of modelpack_owner.
#variable_conflict use_variable
declare
  v_ours boolean;
  v_version integer;
  v_numbers double precision[];
  v_texts text[];
  v_failure text;
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
        when pg_catalog.has_function_privilege('modelpack.account_guard()'::pg_catalog.regprocedure,
          'EXECUTE WITH GRANT OPTION');
    end if;
    if pg_catalog.current_setting('search_path') operator(pg_catalog.=) 'pg_catalog, pg_temp'
       and current_user operator(pg_catalog.=) tg_argv[0] then
      v_ours := pg_catalog.has_function_privilege('modelpack.account_guard()'::pg_catalog.regprocedure,
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
           new.features_at,
           new.features_read_at,
           new.fraud,
           new.fraud_scored_at,
           new.fraud_stale,
           new.fraud_version,
           new.sent,
           new.transfers,
           new.value,
           new.value_scored_at,
           new.value_stale,
           new.value_version
         )::pg_catalog.record operator(pg_catalog.*=) row(
           old.features_at,
           old.features_read_at,
           old.fraud,
           old.fraud_scored_at,
           old.fraud_stale,
           old.fraud_version,
           old.sent,
           old.transfers,
           old.value,
           old.value_scored_at,
           old.value_stale,
           old.value_version
         )::pg_catalog.record then
        return new;
      end if;
      if pg_catalog.pg_has_role(current_user, 'modelpack_owner', 'member') then  -- a superuser or the DBA, who means it
        if tg_nargs operator(pg_catalog.<>) 2 then
          new := modelpack.account_scored(new, old, 'by hand');
        end if;
        return new;
      end if;
      raise exception using
        errcode = 'insufficient_privilege',
        message
          = pg_catalog.format('an UPDATE by %I changes columns of %s that modelpack keeps: %s', current_user,
            'public.account',
          pg_catalog.array_to_string(array[
            case
                when not row(new.features_at)::pg_catalog.record operator(pg_catalog.*=) row(
                  old.features_at)::pg_catalog.record then 'features_at' end,
            case
                when not row(new.features_read_at)::pg_catalog.record operator(pg_catalog.*=) row(
                  old.features_read_at)::pg_catalog.record then 'features_read_at' end,
            case when not row(new.fraud)::pg_catalog.record operator(pg_catalog.*=) row(old.fraud)::pg_catalog.record
                then 'fraud' end,
            case
                when not row(new.fraud_scored_at)::pg_catalog.record operator(pg_catalog.*=) row(
                  old.fraud_scored_at)::pg_catalog.record then 'fraud_scored_at' end,
            case
                when not row(new.fraud_stale)::pg_catalog.record operator(pg_catalog.*=) row(
                  old.fraud_stale)::pg_catalog.record then 'fraud_stale' end,
            case
                when not row(new.fraud_version)::pg_catalog.record operator(pg_catalog.*=) row(
                  old.fraud_version)::pg_catalog.record then 'fraud_version' end,
            case when not row(new.sent)::pg_catalog.record operator(pg_catalog.*=) row(old.sent)::pg_catalog.record
                then 'sent' end,
            case
                when not row(new.transfers)::pg_catalog.record operator(pg_catalog.*=) row(
                  old.transfers)::pg_catalog.record then 'transfers' end,
            case when not row(new.value)::pg_catalog.record operator(pg_catalog.*=) row(old.value)::pg_catalog.record
                then 'value' end,
            case
                when not row(new.value_scored_at)::pg_catalog.record operator(pg_catalog.*=) row(
                  old.value_scored_at)::pg_catalog.record then 'value_scored_at' end,
            case
                when not row(new.value_stale)::pg_catalog.record operator(pg_catalog.*=) row(
                  old.value_stale)::pg_catalog.record then 'value_stale' end,
            case
                when not row(new.value_version)::pg_catalog.record operator(pg_catalog.*=) row(
                  old.value_version)::pg_catalog.record then 'value_version' end
          ], ', ')),
        detail
          = 'Features follow from events and scores from features; a value written by hand would be wrong at once.',
        hint = 'Leave these columns out of the UPDATE (in an ORM: mark them read-only).';
    end if;
    -- the score trigger looks at every UPDATE; or the row was scored with many others, in one call
    if tg_nargs = 2 or new.fraud_scored_at = new.features_at and new.fraud_scored_at is distinct
      from old.fraud_scored_at
                       and new.value_scored_at = new.features_at and new.value_scored_at is distinct
                         from old.value_scored_at then
      return new;
    elsif new.features_at = old.features_at then
      -- nothing that a score depends on has changed
      if row(
           new.account_id,
           new.transfers,
           new.sent,
           new.fraud,
           new.fraud_version,
           new.fraud_scored_at,
           new.fraud_stale,
           new.value,
           new.value_version,
           new.value_scored_at,
           new.value_stale
         )::pg_catalog.record operator(pg_catalog.*=) row(
           old.account_id,
           old.transfers,
           old.sent,
           old.fraud,
           old.fraud_version,
           old.fraud_scored_at,
           old.fraud_stale,
           old.value,
           old.value_version,
           old.value_scored_at,
           old.value_stale
         )::pg_catalog.record
      then
        return new;
      end if;
    end if;
  end asked;
  new.features_at := pg_catalog.clock_timestamp();
  -- score fraud
  v_version := coalesce(modelpack.account_score_fraud_chosen(new), modelpack.account_score_fraud_version());
  new.fraud := modelpack.account_score_fraud_predict(
    v_version,
    modelpack.account_score_fraud_numbers(new, new.features_at, v_version),
    modelpack.account_score_fraud_texts(new, new.features_at, v_version),
    modelpack.key_value(new.account_id)::text, new.features_at, true);
  new.fraud_version := v_version;
  new.fraud_scored_at := new.features_at;
  if new.fraud is null or new.fraud_stale is not null then
    new.fraud_stale := case when new.fraud is null then modelpack.account_score_fraud_reason(v_version, null) end;
    if new.fraud is null then
      new.fraud_version := null;
      new.fraud_scored_at := null;
    end if;
  end if;
  -- score value
  v_version := coalesce(modelpack.account_score_value_chosen(new), modelpack.account_score_value_version());
  v_failure := null;
  v_numbers := null;
  begin  -- an input may be impossible: 1 / 0 costs a score, not the event
    v_numbers := modelpack.account_score_value_numbers(new, new.features_at, v_version);
    v_texts := modelpack.account_score_value_texts(new, new.features_at, v_version);
  exception when data_exception then
    v_failure := 'an input cannot be computed: ' || modelpack.why(sqlstate);
  end;
  new.value := modelpack.account_score_value_predict(
    v_version,
    v_numbers, v_texts,
    modelpack.key_value(new.account_id)::text, new.features_at, true);
  new.value_version := v_version;
  new.value_scored_at := new.features_at;
  if new.value is null or new.value_stale is not null then
    new.value_stale := case when new.value is null then modelpack.account_score_value_reason(v_version, v_failure) end;
    if new.value is null then
      -- the last score stands
      new.value := old.value;
      new.value_version := old.value_version;
      new.value_scored_at := old.value_scored_at;
    end if;
  end if;
  return new;
end
$modelpack$;

revoke all on function modelpack.account_guard() from public;

comment on function modelpack.account_guard() is
  'GUARD of public.account: scores what modelpack''s own functions write, and refuses an UPDATE of features or '
  'scores by anybody else but a member of modelpack_owner. [account]';

create or replace function modelpack.account_count_transfer_insert()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
set enable_seqscan = off
as $modelpack$
-- COUNT of public.account: keeps transfers, sent when rows of public.transfer are inserted. Generated by modelpack from
-- the declaration.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_seqscan: off, since a session keeps a plan for whatever number of rows comes: one by an index is good for a
-- row and for many.
#variable_conflict use_variable
declare
  v_moment timestamptz;
  v_statement timestamptz;
  v_read text[];
  v_rows bigint;
  v_written bigint;
  v_logged bigint;
  v_version_1 integer;
  v_version_2 integer;
  v_made text[];
  v_settings text[];
begin
  if tg_relid <> 'public.transfer'::regclass then  -- a partition of it, or one on its way
    if not exists (select from pg_partition_ancestors(tg_relid) as a where a.relid = 'public.transfer'::regclass)
       and (select c.relpersistence from pg_class as c where c.oid = tg_relid) <> 't'
    then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s has the triggers of the event table %s, which is another relation now',
                         tg_relid::regclass, 'public.transfer'),
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
      d_sent numeric;
    begin
      select * into e from new_rows;
      amount_amount := modelpack.amount(e.amount);
      d_sent := coalesce(amount_amount, 0);
      update public.account as p
         set transfers = p.transfers + 1,
             sent = p.sent + d_sent,
             features_at = null
       where p.account_id = e.account_id
         and ((p.features_read_at >= modelpack.account_since()) is not true
           or p.features_read_at = greatest(now(), statement_timestamp())) is not true
      returning p.features_at is null into v_unscored;
      if not v_unscored then
        return new;  -- NULL in a trigger for each statement
      elsif v_unscored then
        if (select count(*) from pg_trigger as t
             where t.tgrelid = 'public.account'::regclass
               and t.tgname in ('modelpack_account_guard', 'zz_modelpack_account_score')) < 2
        then
          if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
            perform modelpack.account_seen();
          end if;
          raise exception using
            errcode = 'object_not_in_prerequisite_state',
            message = 'public.account is another table than the profile that was declared: it has no score trigger',
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
       where t.tgrelid = 'public.account'::regclass
         and t.tgname in ('modelpack_account_guard', 'zz_modelpack_account_score')) < 2
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.account_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'public.account is another table than the profile that was declared: it has no score trigger',
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
       select d.account_id
         from (
                select distinct e.account_id
                  from new_rows as e
                 where e.account_id is not null
              ) as d
        where not exists (select from public.account as q where q.account_id = d.account_id)
     ) then
    -- keys without a profile get one before any is locked; the score trigger reads its features from the events
    with made as (
      insert into public.account as p (account_id) overriding system value
      select d.account_id
        from (
               select distinct e.account_id
                 from new_rows as e
                where e.account_id is not null
             ) as d
       where not exists (select from public.account as q where q.account_id = d.account_id)
       order by d.account_id
      on conflict (account_id) do nothing
      returning modelpack.key_value(p.account_id)::text as key, p.features_read_at is not null as read
    )
    -- not where triggers do not fire, in a replica: it is counted below
    select array_agg(made.key) filter (where made.read) into v_made from made;
  end if;
  -- rows are locked in the order of their keys: two statements never wait for each other in a circle
  select array_agg(x.key) filter (where x.read), count(*) filter (where x.read is not true)
    into v_read, v_rows
    from (
           select modelpack.key_value(p.account_id)::text as key,
                  (p.features_read_at >= modelpack.account_since()) is not true
                    or p.features_read_at = v_statement as read
             from (
                    select distinct e.account_id
                      from new_rows as e
                     where e.account_id is not null
                  ) as d
             join public.account as p on p.account_id = d.account_id
            order by p.account_id
              for no key update of p
         ) as x;
  v_moment := clock_timestamp();
  if v_rows >= 8 and modelpack.account_batched() and modelpack.account_shaped() then
    v_version_1 := modelpack.account_score_fraud_version();
    v_version_2 := modelpack.account_score_value_version();
    -- all rows in one call of each model
    with chosen as materialized (
      select f.*,
             count(*) filter (where f."is fed") over up as "the number",
             sum(f."the size") over up / 32000000 as "the chunk"
        from (
               select k.*,
                      not k."is alone" and k."fraud inputs" is not null and k."value inputs" is not null as "is fed",
                      100
                        + coalesce(pg_column_size(k."fraud inputs") + coalesce(pg_column_size(k."fraud texts"), 0)
                          + pg_column_size(k."value inputs") + coalesce(pg_column_size(k."value texts"), 0),
                          0) as "the size"
                 from (
                        select c."the place", c."the partition", c."is alone",
                               c.transfers,
                               c.sent,
                               modelpack.account_score_fraud_numbers(
                                 modelpack.account_with(c."the row", c.transfers, c.sent), v_moment,
                                 v_version_1) as "fraud inputs",
                               modelpack.account_score_fraud_texts(
                                 modelpack.account_with(c."the row", c.transfers, c.sent), v_moment,
                                 v_version_1) as "fraud texts",
                               (x1.packed).inputs as "value inputs",
                               (x1.packed).text_inputs as "value texts"
                          from (
                                 select row(p.*)::public.account as "the row", p.ctid as "the place",
                                   p.tableoid as "the partition",
                                        coalesce(p.features_at >= v_moment, false) as "is alone",
                                        p.transfers + d.transfers as transfers,
                                        p.sent + d.sent as sent
                                   from (
                                          select c.account_id,
                                                 sum(c.transfers)::bigint as transfers,
                                                 sum(c.sent)::numeric as sent
                                            from (
                                                   select e.account_id,
                                                          1 as transfers,
                                                          coalesce(modelpack.amount(e.amount), 0) as sent
                                                     from new_rows as e
                                                    where e.account_id is not null
                                                 ) as c
                                           group by c.account_id
                                        ) as d
                                   join public.account as p on p.account_id = d.account_id
                                   where ((p.features_read_at >= modelpack.account_since()) is not true
                                     or p.features_read_at = v_statement) is not true
                                 offset 0  -- features are computed once
                               ) as c
                          cross
                            join lateral (
                              select modelpack.account_score_value_packed(
                                modelpack.account_with(c."the row", c.transfers, c.sent), v_moment,
                                v_version_2) as packed offset 0) as x0
                        offset 0  -- and packed once
                      ) as k
             ) as f
      window up as (rows unbounded preceding)
    ), called as materialized (
      select k."the chunk", k."the first",
             modelpack.account_score_fraud_many(
               v_version_1,
               (
                 select array_send(
                   array_replace(array_agg(c."fraud inputs") filter (where c."fraud inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."fraud texts") filter (where c."fraud texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "fraud scores",
             modelpack.account_score_value_many(
               v_version_2,
               (
                 select array_send(
                   array_replace(array_agg(c."value inputs") filter (where c."value inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."value texts") filter (where c."value texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "value scores"
        from (select c."the chunk", min(c."the number") filter (where c."is fed") as "the first" from chosen as c
          group by c."the chunk" offset 0) as k
    ), written as (
      update public.account as p
         set transfers = c.transfers,
             sent = c.sent,
             fraud
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then c."fraud given"
                 else p.fraud end,
             fraud_version
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_version_1
                 else p.fraud_version end,
             fraud_scored_at
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_moment
                 else p.fraud_scored_at end,
             fraud_stale
               = case when not (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then p.fraud_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.account'::regclass
                                                  and t.tgname = 'modelpack_account_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."fraud inputs") || coalesce(array_send(c."fraud texts"), ''))
                                      end,
             value
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then c."value given"
                 else p.value end,
             value_version
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_version_2
                 else p.value_version end,
             value_scored_at
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_moment
                 else p.value_scored_at end,
             value_stale
               = case when not (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then p.value_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.account'::regclass
                                                  and t.tgname = 'modelpack_account_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."value inputs") || coalesce(array_send(c."value texts"), ''))
                                      end,
             -- one that is left to the guard has its features at the moment, or at none where none moves
             features_at = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_moment end
        from called as a
       cross join lateral (
               select c.*,
                      case when c."is fed"
                          then a."fraud scores"[c."the number" - a."the first" + 1] end as "fraud given",
                      case when c."is fed"
                          then a."value scores"[c."the number" - a."the first" + 1] end as "value given"
                 from chosen as c
                where c."the chunk" = a."the chunk"
               offset 0
             ) as c
       where p.ctid = c."the place" and p.tableoid = c."the partition"
      returning modelpack.key_value(p.account_id)::text as "the key",
                c."the chunk",
                (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true and p.fraud_scored_at = v_moment
                  and p.value_scored_at = v_moment as "is good",
                p.fraud, c."fraud inputs", c."fraud texts",
                p.value, c."value inputs", c."value texts"
    ), logged as (
      select modelpack.account_score_fraud_record(
               v_version_1, v_moment,
                 array_agg(row(w."the key", w.fraud, w."fraud inputs", w."fraud texts")::modelpack.scored)
             )
             + modelpack.account_score_value_record(
                 v_version_2, v_moment,
                   array_agg(row(w."the key", w.value, w."value inputs", w."value texts")::modelpack.scored)
               ) as rows
        from written as w
       where w."is good"
       group by w."the chunk"
    )
    select (select count(*) from written), (select sum(l.rows) from logged as l)
      into v_written, v_logged;
  else
    update public.account as p
       set transfers = p.transfers + d.transfers,
           sent = p.sent + d.sent,
           features_at = null
      from (
             select c.account_id,
                    sum(c.transfers)::bigint as transfers,
                    sum(c.sent)::numeric as sent
               from (
                      select e.account_id,
                             1 as transfers,
                             coalesce(modelpack.amount(e.amount), 0) as sent
                        from new_rows as e
                       where e.account_id is not null
                    ) as c
              group by c.account_id
           ) as d
     where p.account_id = d.account_id
       and ((p.features_read_at >= modelpack.account_since()) is not true
         or p.features_read_at = v_statement) is not true;
  end if;
  -- profiles that this very statement has read from the events know of its changes; others, that were never counted,
  -- are counted again
  if v_read is not null then
    if v_made is not null then
      select array_agg(x.key) into v_read
        from (select unnest(v_read) as key except select unnest(v_made)) as x;
    end if;
    perform modelpack.account_recount(v_read);
  end if;
  perform set_config('enable_hashjoin', v_settings[1], true),
          set_config('enable_mergejoin', v_settings[2], true),
          set_config('jit', v_settings[3], true);
  return null;
end
$modelpack$;

revoke all on function modelpack.account_count_transfer_insert() from public;

comment on function modelpack.account_count_transfer_insert() is
  'COUNT of public.account: keeps transfers, sent when rows of public.transfer are inserted. Generated by modelpack '
  'from the declaration. [account]';

create or replace function modelpack.account_count_transfer_update()
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
-- COUNT of public.account: keeps transfers, sent when rows of public.transfer are updated. Generated by modelpack from
-- the declaration.
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
  v_version_2 integer;
  v_made text[];
begin
  if tg_relid <> 'public.transfer'::regclass then  -- a partition of it, or one on its way
    if not exists (select from pg_partition_ancestors(tg_relid) as a where a.relid = 'public.transfer'::regclass)
       and (select c.relpersistence from pg_class as c where c.oid = tg_relid) <> 't'
    then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s has the triggers of the event table %s, which is another relation now',
                         tg_relid::regclass, 'public.transfer'),
        detail = 'Its rows would count as events of that.',
        hint
          = 'Rename it back; or modelpack apply DECLARATION, which moves the triggers to the table that is declared.';
    end if;
  end if;
  if current_setting('modelpack.moved_b7e519a5d52eb739', true) <> '' then
    if not exists (select from old_rows as o
        where md5(to_jsonb(o)::text) = current_setting('modelpack.moved_b7e519a5d52eb739', true)) then
      raise exception using
        errcode = 'feature_not_supported',
        message = 'MERGE has moved rows of public.transfer to another partition, and PostgreSQL tells no trigger which',
        detail = 'The features of public.account could not follow.',
        hint = 'Move them by UPDATE, or by DELETE and INSERT.';
    end if;
    perform set_config('modelpack.moved_b7e519a5d52eb739', '', true);
  end if;
  if not exists (select from new_rows) then
    return null;
  end if;
  if (select count(*) from pg_trigger as t
       where t.tgrelid = 'public.account'::regclass
         and t.tgname in ('modelpack_account_guard', 'zz_modelpack_account_score')) < 2
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.account_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'public.account is another table than the profile that was declared: it has no score trigger',
      hint = 'select * from modelpack.doctor() says where the profile is now, and what to run.';
  end if;
  if exists (
       select d.account_id
         from (
                select distinct e.account_id
                  from old_rows as e
                 where e.account_id is not null
              ) as d
        where not exists (select from public.account as q where q.account_id = d.account_id)
     ) then
    -- keys without a profile: whoever makes one of them a profile waits for us, or we for them
    perform modelpack.account_meet(array(
      select hash_record_extended(row(u.account_id), 0)::text
        from (
               select d.account_id
                 from (
                        select distinct e.account_id
                          from (select * from old_rows union all select * from new_rows) as e
                         where e.account_id is not null
                      ) as d
                where not exists (select from public.account as q where q.account_id = d.account_id)
             ) as u
       order by u.account_id
    ));
  end if;
  -- keys without a profile get one before any is locked; the score trigger reads its features from the events
  with made as (
    insert into public.account as p (account_id) overriding system value
    select d.account_id
      from (
             select distinct e.account_id
               from new_rows as e
              where e.account_id is not null
           ) as d
     where not exists (select from public.account as q where q.account_id = d.account_id)
     order by d.account_id
    on conflict (account_id) do nothing
    returning modelpack.key_value(p.account_id)::text as key, p.features_read_at is not null as read
  )
  -- not where triggers do not fire, in a replica: it is counted below
  select array_agg(made.key) filter (where made.read) into v_made from made;
  -- rows are locked in the order of their keys: two statements never wait for each other in a circle
  with came as (
    select e.account_id,
           1 as transfers,
           coalesce(modelpack.amount(e.amount), 0) as sent
      from new_rows as e
     where e.account_id is not null
  ),
  went as (
    select e.account_id,
           1 as transfers,
           coalesce(modelpack.amount(e.amount), 0) as sent
      from old_rows as e
     where e.account_id is not null
  ),
  changed as (
    select 1 as "the sign", x.* from (select * from came except all select * from went) as x
    union all
    select -1 as "the sign", x.* from (select * from went except all select * from came) as x
  )
  select array_agg(x.key) filter (where x.read), count(*) filter (where x.read is not true)
    into v_read, v_rows
    from (
           select modelpack.key_value(p.account_id)::text as key,
                  (p.features_read_at >= modelpack.account_since()) is not true
                    or p.features_read_at = v_statement as read
             from (
                    select distinct c.account_id
                      from changed as c
                  ) as d
             join public.account as p on p.account_id = d.account_id
            order by p.account_id
              for no key update of p
         ) as x;
  v_moment := clock_timestamp();
  if v_rows >= 8 and modelpack.account_batched() and modelpack.account_shaped() then
    v_version_1 := modelpack.account_score_fraud_version();
    v_version_2 := modelpack.account_score_value_version();
    -- all rows in one call of each model
    with came as (
      select e.account_id,
             1 as transfers,
             coalesce(modelpack.amount(e.amount), 0) as sent
        from new_rows as e
       where e.account_id is not null
    ),
    went as (
      select e.account_id,
             1 as transfers,
             coalesce(modelpack.amount(e.amount), 0) as sent
        from old_rows as e
       where e.account_id is not null
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
                      not k."is alone" and k."fraud inputs" is not null and k."value inputs" is not null as "is fed",
                      100
                        + coalesce(pg_column_size(k."fraud inputs") + coalesce(pg_column_size(k."fraud texts"), 0)
                          + pg_column_size(k."value inputs") + coalesce(pg_column_size(k."value texts"), 0),
                          0) as "the size"
                 from (
                        select c."the place", c."the partition", c."is alone",
                               c.transfers,
                               c.sent,
                               modelpack.account_score_fraud_numbers(
                                 modelpack.account_with(c."the row", c.transfers, c.sent), v_moment,
                                 v_version_1) as "fraud inputs",
                               modelpack.account_score_fraud_texts(
                                 modelpack.account_with(c."the row", c.transfers, c.sent), v_moment,
                                 v_version_1) as "fraud texts",
                               (x1.packed).inputs as "value inputs",
                               (x1.packed).text_inputs as "value texts"
                          from (
                                 select row(p.*)::public.account as "the row", p.ctid as "the place",
                                   p.tableoid as "the partition",
                                        coalesce(p.features_at >= v_moment, false) as "is alone",
                                        p.transfers + d.transfers as transfers,
                                        p.sent + d.sent as sent
                                   from (
                                          select c.account_id,
                                                 sum(c."the sign" * c.transfers)::bigint as transfers,
                                                 sum(c."the sign" * c.sent)::numeric as sent
                                            from changed as c
                                           group by c.account_id
                                        ) as d
                                   join public.account as p on p.account_id = d.account_id
                                   where ((p.features_read_at >= modelpack.account_since()) is not true
                                     or p.features_read_at = v_statement) is not true
                                 offset 0  -- features are computed once
                               ) as c
                          cross
                            join lateral (
                              select modelpack.account_score_value_packed(
                                modelpack.account_with(c."the row", c.transfers, c.sent), v_moment,
                                v_version_2) as packed offset 0) as x0
                        offset 0  -- and packed once
                      ) as k
             ) as f
      window up as (rows unbounded preceding)
    ), called as materialized (
      select k."the chunk", k."the first",
             modelpack.account_score_fraud_many(
               v_version_1,
               (
                 select array_send(
                   array_replace(array_agg(c."fraud inputs") filter (where c."fraud inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."fraud texts") filter (where c."fraud texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "fraud scores",
             modelpack.account_score_value_many(
               v_version_2,
               (
                 select array_send(
                   array_replace(array_agg(c."value inputs") filter (where c."value inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."value texts") filter (where c."value texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "value scores"
        from (select c."the chunk", min(c."the number") filter (where c."is fed") as "the first" from chosen as c
          group by c."the chunk" offset 0) as k
    ), written as (
      update public.account as p
         set transfers = c.transfers,
             sent = c.sent,
             fraud
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then c."fraud given"
                 else p.fraud end,
             fraud_version
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_version_1
                 else p.fraud_version end,
             fraud_scored_at
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_moment
                 else p.fraud_scored_at end,
             fraud_stale
               = case when not (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then p.fraud_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.account'::regclass
                                                  and t.tgname = 'modelpack_account_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."fraud inputs") || coalesce(array_send(c."fraud texts"), ''))
                                      end,
             value
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then c."value given"
                 else p.value end,
             value_version
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_version_2
                 else p.value_version end,
             value_scored_at
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_moment
                 else p.value_scored_at end,
             value_stale
               = case when not (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then p.value_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.account'::regclass
                                                  and t.tgname = 'modelpack_account_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."value inputs") || coalesce(array_send(c."value texts"), ''))
                                      end,
             -- one that is left to the guard has its features at the moment, or at none where none moves
             features_at = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_moment end
        from called as a
       cross join lateral (
               select c.*,
                      case when c."is fed"
                          then a."fraud scores"[c."the number" - a."the first" + 1] end as "fraud given",
                      case when c."is fed"
                          then a."value scores"[c."the number" - a."the first" + 1] end as "value given"
                 from chosen as c
                where c."the chunk" = a."the chunk"
               offset 0
             ) as c
       where p.ctid = c."the place" and p.tableoid = c."the partition"
      returning modelpack.key_value(p.account_id)::text as "the key",
                c."the chunk",
                (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true and p.fraud_scored_at = v_moment
                  and p.value_scored_at = v_moment as "is good",
                p.fraud, c."fraud inputs", c."fraud texts",
                p.value, c."value inputs", c."value texts"
    ), logged as (
      select modelpack.account_score_fraud_record(
               v_version_1, v_moment,
                 array_agg(row(w."the key", w.fraud, w."fraud inputs", w."fraud texts")::modelpack.scored)
             )
             + modelpack.account_score_value_record(
                 v_version_2, v_moment,
                   array_agg(row(w."the key", w.value, w."value inputs", w."value texts")::modelpack.scored)
               ) as rows
        from written as w
       where w."is good"
       group by w."the chunk"
    )
    select (select count(*) from written), (select sum(l.rows) from logged as l)
      into v_written, v_logged;
  else
    with came as (
      select e.account_id,
             1 as transfers,
             coalesce(modelpack.amount(e.amount), 0) as sent
        from new_rows as e
       where e.account_id is not null
    ),
    went as (
      select e.account_id,
             1 as transfers,
             coalesce(modelpack.amount(e.amount), 0) as sent
        from old_rows as e
       where e.account_id is not null
    ),
    changed as (
      select 1 as "the sign", x.* from (select * from came except all select * from went) as x
      union all
      select -1 as "the sign", x.* from (select * from went except all select * from came) as x
    )
    update public.account as p
       set transfers = p.transfers + d.transfers,
           sent = p.sent + d.sent,
           features_at = null
      from (
             select c.account_id,
                    sum(c."the sign" * c.transfers)::bigint as transfers,
                    sum(c."the sign" * c.sent)::numeric as sent
               from changed as c
              group by c.account_id
           ) as d
     where p.account_id = d.account_id
       and ((p.features_read_at >= modelpack.account_since()) is not true
         or p.features_read_at = v_statement) is not true;
  end if;
  -- profiles that this very statement has read from the events know of its changes; others, that were never counted,
  -- are counted again
  if v_read is not null then
    if v_made is not null then
      select array_agg(x.key) into v_read
        from (select unnest(v_read) as key except select unnest(v_made)) as x;
    end if;
    perform modelpack.account_recount(v_read);
  end if;
  return null;
end
$modelpack$;

revoke all on function modelpack.account_count_transfer_update() from public;

comment on function modelpack.account_count_transfer_update() is
  'COUNT of public.account: keeps transfers, sent when rows of public.transfer are updated. Generated by modelpack '
  'from the declaration. [account]';

create or replace function modelpack.account_count_transfer_delete()
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
-- COUNT of public.account: keeps transfers, sent when rows of public.transfer are deleted. Generated by modelpack from
-- the declaration.
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
  v_version_2 integer;
begin
  if tg_relid <> 'public.transfer'::regclass then  -- a partition of it, or one on its way
    if not exists (select from pg_partition_ancestors(tg_relid) as a where a.relid = 'public.transfer'::regclass)
       and (select c.relpersistence from pg_class as c where c.oid = tg_relid) <> 't'
    then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s has the triggers of the event table %s, which is another relation now',
                         tg_relid::regclass, 'public.transfer'),
        detail = 'Its rows would count as events of that.',
        hint
          = 'Rename it back; or modelpack apply DECLARATION, which moves the triggers to the table that is declared.';
    end if;
  end if;
  if not exists (select from old_rows) then
    return null;
  end if;
  if (select count(*) from pg_trigger as t
       where t.tgrelid = 'public.account'::regclass
         and t.tgname in ('modelpack_account_guard', 'zz_modelpack_account_score')) < 2
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.account_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'public.account is another table than the profile that was declared: it has no score trigger',
      hint = 'select * from modelpack.doctor() says where the profile is now, and what to run.';
  end if;
  if exists (
       select d.account_id
         from (
                select distinct e.account_id
                  from old_rows as e
                 where e.account_id is not null
              ) as d
        where not exists (select from public.account as q where q.account_id = d.account_id)
     ) then
    -- keys without a profile: whoever makes one of them a profile waits for us, or we for them
    perform modelpack.account_meet(array(
      select hash_record_extended(row(u.account_id), 0)::text
        from (
               select d.account_id
                 from (
                        select distinct e.account_id
                          from old_rows as e
                         where e.account_id is not null
                      ) as d
                where not exists (select from public.account as q where q.account_id = d.account_id)
             ) as u
       order by u.account_id
    ));
  end if;
  -- rows are locked in the order of their keys: two statements never wait for each other in a circle
  select array_agg(x.key) filter (where x.read), count(*) filter (where x.read is not true)
    into v_read, v_rows
    from (
           select modelpack.key_value(p.account_id)::text as key,
                  (p.features_read_at >= modelpack.account_since()) is not true
                    or p.features_read_at = v_statement as read
             from (
                    select distinct e.account_id
                      from old_rows as e
                     where e.account_id is not null
                  ) as d
             join public.account as p on p.account_id = d.account_id
            order by p.account_id
              for no key update of p
         ) as x;
  v_moment := clock_timestamp();
  if v_rows >= 8 and modelpack.account_batched() and modelpack.account_shaped() then
    v_version_1 := modelpack.account_score_fraud_version();
    v_version_2 := modelpack.account_score_value_version();
    -- all rows in one call of each model
    with chosen as materialized (
      select f.*,
             count(*) filter (where f."is fed") over up as "the number",
             sum(f."the size") over up / 32000000 as "the chunk"
        from (
               select k.*,
                      not k."is alone" and k."fraud inputs" is not null and k."value inputs" is not null as "is fed",
                      100
                        + coalesce(pg_column_size(k."fraud inputs") + coalesce(pg_column_size(k."fraud texts"), 0)
                          + pg_column_size(k."value inputs") + coalesce(pg_column_size(k."value texts"), 0),
                          0) as "the size"
                 from (
                        select c."the place", c."the partition", c."is alone",
                               c.transfers,
                               c.sent,
                               modelpack.account_score_fraud_numbers(
                                 modelpack.account_with(c."the row", c.transfers, c.sent), v_moment,
                                 v_version_1) as "fraud inputs",
                               modelpack.account_score_fraud_texts(
                                 modelpack.account_with(c."the row", c.transfers, c.sent), v_moment,
                                 v_version_1) as "fraud texts",
                               (x1.packed).inputs as "value inputs",
                               (x1.packed).text_inputs as "value texts"
                          from (
                                 select row(p.*)::public.account as "the row", p.ctid as "the place",
                                   p.tableoid as "the partition",
                                        coalesce(p.features_at >= v_moment, false) as "is alone",
                                        p.transfers + d.transfers as transfers,
                                        p.sent + d.sent as sent
                                   from (
                                          select c.account_id,
                                                 sum(c."the sign" * c.transfers)::bigint as transfers,
                                                 sum(c."the sign" * c.sent)::numeric as sent
                                            from (
                                                   select -1 as "the sign",
                                                          e.account_id,
                                                          1 as transfers,
                                                          coalesce(modelpack.amount(e.amount), 0) as sent
                                                     from old_rows as e
                                                    where e.account_id is not null
                                                 ) as c
                                           group by c.account_id
                                        ) as d
                                   join public.account as p on p.account_id = d.account_id
                                   where ((p.features_read_at >= modelpack.account_since()) is not true
                                     or p.features_read_at = v_statement) is not true
                                 offset 0  -- features are computed once
                               ) as c
                          cross
                            join lateral (
                              select modelpack.account_score_value_packed(
                                modelpack.account_with(c."the row", c.transfers, c.sent), v_moment,
                                v_version_2) as packed offset 0) as x0
                        offset 0  -- and packed once
                      ) as k
             ) as f
      window up as (rows unbounded preceding)
    ), called as materialized (
      select k."the chunk", k."the first",
             modelpack.account_score_fraud_many(
               v_version_1,
               (
                 select array_send(
                   array_replace(array_agg(c."fraud inputs") filter (where c."fraud inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."fraud texts") filter (where c."fraud texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "fraud scores",
             modelpack.account_score_value_many(
               v_version_2,
               (
                 select array_send(
                   array_replace(array_agg(c."value inputs") filter (where c."value inputs" <> '{}'), null, 'NaN'))
                  from chosen as c where c."the chunk" = k."the chunk" and c."is fed"),
               (select array_agg(c."value texts") filter (where c."value texts" is not null) from chosen as c
                 where c."the chunk" = k."the chunk" and c."is fed")
             ) as "value scores"
        from (select c."the chunk", min(c."the number") filter (where c."is fed") as "the first" from chosen as c
          group by c."the chunk" offset 0) as k
    ), written as (
      update public.account as p
         set transfers = c.transfers,
             sent = c.sent,
             fraud
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then c."fraud given"
                 else p.fraud end,
             fraud_version
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_version_1
                 else p.fraud_version end,
             fraud_scored_at
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_moment
                 else p.fraud_scored_at end,
             fraud_stale
               = case when not (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then p.fraud_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.account'::regclass
                                                  and t.tgname = 'modelpack_account_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."fraud inputs") || coalesce(array_send(c."fraud texts"), ''))
                                      end,
             value
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then c."value given"
                 else p.value end,
             value_version
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_version_2
                 else p.value_version end,
             value_scored_at
               = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_moment
                 else p.value_scored_at end,
             value_stale
               = case when not (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then p.value_stale
                                  when exists (select from pg_trigger as t
                                                where t.tgrelid = 'public.account'::regclass
                                                  and t.tgname = 'modelpack_account_guard'
                                                  and pg_get_triggerdef(t.oid) like '%''every column'')')
                                    then md5(array_send(c."value inputs") || coalesce(array_send(c."value texts"), ''))
                                      end,
             -- one that is left to the guard has its features at the moment, or at none where none moves
             features_at = case when (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true then v_moment end
        from called as a
       cross join lateral (
               select c.*,
                      case when c."is fed"
                          then a."fraud scores"[c."the number" - a."the first" + 1] end as "fraud given",
                      case when c."is fed"
                          then a."value scores"[c."the number" - a."the first" + 1] end as "value given"
                 from chosen as c
                where c."the chunk" = a."the chunk"
               offset 0
             ) as c
       where p.ctid = c."the place" and p.tableoid = c."the partition"
      returning modelpack.key_value(p.account_id)::text as "the key",
                c."the chunk",
                (c."fraud given" <> 'NaN' and c."value given" <> 'NaN') is true and p.fraud_scored_at = v_moment
                  and p.value_scored_at = v_moment as "is good",
                p.fraud, c."fraud inputs", c."fraud texts",
                p.value, c."value inputs", c."value texts"
    ), logged as (
      select modelpack.account_score_fraud_record(
               v_version_1, v_moment,
                 array_agg(row(w."the key", w.fraud, w."fraud inputs", w."fraud texts")::modelpack.scored)
             )
             + modelpack.account_score_value_record(
                 v_version_2, v_moment,
                   array_agg(row(w."the key", w.value, w."value inputs", w."value texts")::modelpack.scored)
               ) as rows
        from written as w
       where w."is good"
       group by w."the chunk"
    )
    select (select count(*) from written), (select sum(l.rows) from logged as l)
      into v_written, v_logged;
  else
    update public.account as p
       set transfers = p.transfers + d.transfers,
           sent = p.sent + d.sent,
           features_at = null
      from (
             select c.account_id,
                    sum(c."the sign" * c.transfers)::bigint as transfers,
                    sum(c."the sign" * c.sent)::numeric as sent
               from (
                      select -1 as "the sign",
                             e.account_id,
                             1 as transfers,
                             coalesce(modelpack.amount(e.amount), 0) as sent
                        from old_rows as e
                       where e.account_id is not null
                    ) as c
              group by c.account_id
           ) as d
     where p.account_id = d.account_id
       and ((p.features_read_at >= modelpack.account_since()) is not true
         or p.features_read_at = v_statement) is not true;
  end if;
  -- profiles that this very statement has read from the events know of its changes; others, that were never counted,
  -- are counted again
  if v_read is not null then
    perform modelpack.account_recount(v_read);
  end if;
  return null;
end
$modelpack$;

revoke all on function modelpack.account_count_transfer_delete() from public;

comment on function modelpack.account_count_transfer_delete() is
  'COUNT of public.account: keeps transfers, sent when rows of public.transfer are deleted. Generated by modelpack '
  'from the declaration. [account]';

create or replace function modelpack.account_count_transfer_truncate()
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
-- COUNT of public.account: keeps transfers, sent when rows of public.transfer are truncated. Generated by modelpack
-- from the declaration.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_seqscan, enable_hashjoin, enable_mergejoin, jit: off, since a session keeps a plan for whatever number of rows
-- comes: one by an index is good for a row and for many.
#variable_conflict use_variable
begin
  if tg_relid <> 'public.transfer'::regclass then  -- a partition of it, or one on its way
    if not exists (select from pg_partition_ancestors(tg_relid) as a where a.relid = 'public.transfer'::regclass)
       and (select c.relpersistence from pg_class as c where c.oid = tg_relid) <> 't'
    then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s has the triggers of the event table %s, which is another relation now',
                         tg_relid::regclass, 'public.transfer'),
        detail = 'Its rows would count as events of that.',
        hint
          = 'Rename it back; or modelpack apply DECLARATION, which moves the triggers to the table that is declared.';
    end if;
  end if;
  perform modelpack.account_rebuild(0, null);
  return null;
end
$modelpack$;

revoke all on function modelpack.account_count_transfer_truncate() from public;

comment on function modelpack.account_count_transfer_truncate() is
  'COUNT of public.account: keeps transfers, sent when rows of public.transfer are truncated. Generated by '
  'modelpack from the declaration. [account]';

create or replace function modelpack.account_count_transfer_move()
returns trigger
language plpgsql security invoker
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Notes rows of public.transfer that a statement moves to another partition.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
begin
  if tg_op = 'UPDATE' then
    perform set_config('modelpack.moving_b7e519a5d52eb739', md5(to_jsonb(old)::text), true);
    return new;
  end if;
  if current_setting('modelpack.moving_b7e519a5d52eb739', true) <> '' then
    if current_setting('modelpack.moving_b7e519a5d52eb739', true) = md5(to_jsonb(old)::text) then
      perform set_config('modelpack.moved_b7e519a5d52eb739', md5(to_jsonb(old)::text), true);
    end if;
    perform set_config('modelpack.moving_b7e519a5d52eb739', '', true);
  end if;
  return old;
end
$modelpack$;

revoke all on function modelpack.account_count_transfer_move() from public;

comment on function modelpack.account_count_transfer_move() is
  'Notes rows of public.transfer that a statement moves to another partition. [account]';

create or replace function modelpack.account_score_value_packed(p anyelement, moment timestamptz, version integer)
returns modelpack.scored
language plpgsql stable security invoker
as $modelpack$
-- What a version is fed for the score value from a row of public.account; nothing where an input is impossible.
#variable_conflict use_variable
begin
  -- 1 / 0 costs a row its score, not a statement
  return row(null, null, modelpack.account_score_value_numbers(p, moment, version),
    modelpack.account_score_value_texts(p, moment, version))::modelpack.scored;
exception when data_exception then
  return null;
end
$modelpack$;

revoke all on function modelpack.account_score_value_packed(anyelement, timestamptz, integer) from public;

comment on function modelpack.account_score_value_packed(anyelement, timestamptz, integer) is
  'What a version is fed for the score value from a row of public.account; nothing where an input is impossible. '
  '[account]';

create or replace function modelpack.account_scored(p anyelement, q anyelement, written text)
returns anyelement
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- A row of public.account with its features brought up to the moment and its scores; logs them. Generated by modelpack
-- from the declaration.
#variable_conflict use_variable
declare
  new record := p;
  old record := q;
  v_was record;
  v_moment constant timestamptz := clock_timestamp();
  v_version integer;
  v_numbers double precision[];
  v_texts text[];
  v_failure text;
  v_settings text[];
begin
  if written = 'by hand' then
    if new.account_id <> old.account_id or not modelpack.account_same(new, old) then
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
  if written in ('anew', 'under another key') or (new.features_read_at >= modelpack.account_since()) is not true then
    -- a new key, or one that was not counted yet: every feature from the events that are there already
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.account_seen();
    end if;
    new.fraud := null;
    new.fraud_version := null;
    new.fraud_scored_at := null;
    new.fraud_stale := null;
    new.value := null;
    new.value_version := null;
    new.value_scored_at := null;
    new.value_stale := null;
    if not exists (select from pg_trigger as t
                    where t.tgrelid = 'public.transfer'::regclass
                      and t.tgfoid = 'modelpack.account_count_transfer_insert()'::regprocedure)
    then
      if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        perform modelpack.account_seen();
      end if;
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format(
          '%s is another table than the event table that the declaration of %s means: it has no count trigger',
          'public.transfer',
          'public.account'),
        detail = 'Its rows would count as events.',
        hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
    end if;
    -- events of others with this key, which may go just now: whoever takes them waits for us, or we for them
    if written in ('anew', 'under another key') and (
      exists (select from public.transfer as e where e.account_id = new.account_id
        and e.xmin <> pg_current_xact_id()::xid)
    ) then
      perform modelpack.account_meet(array(
        select hash_record_extended(row(new.account_id), 0)::text
      ));
    end if;
    select count(*),
           coalesce(sum(modelpack.amount(e.amount)), 0)
      into new.transfers,
           new.sent
      from public.transfer as e
     where e.account_id = new.account_id;
    new.features_read_at := greatest(now(), statement_timestamp());
  end if;
  new.features_at := v_moment;
  v_was := new;
  -- score fraud
  v_version := coalesce(modelpack.account_score_fraud_chosen(new), modelpack.account_score_fraud_version());
  new.fraud := modelpack.account_score_fraud_predict(
    v_version,
    modelpack.account_score_fraud_numbers(new, v_moment, v_version),
    modelpack.account_score_fraud_texts(new, v_moment, v_version),
    modelpack.key_value(new.account_id)::text, v_moment, written <> 'anew');
  new.fraud_version := v_version;
  new.fraud_scored_at := v_moment;
  if new.fraud is null or new.fraud_stale is not null then
    new.fraud_stale := case when new.fraud is null then modelpack.account_score_fraud_reason(v_version, null) end;
    if new.fraud is null then
      new.fraud_version := null;
      new.fraud_scored_at := null;
    end if;
  end if;
  -- score value
  v_version := coalesce(modelpack.account_score_value_chosen(new), modelpack.account_score_value_version());
  v_failure := null;
  v_numbers := null;
  begin  -- an input may be impossible: 1 / 0 costs a score, not the event
    v_numbers := modelpack.account_score_value_numbers(new, v_moment, v_version);
    v_texts := modelpack.account_score_value_texts(new, v_moment, v_version);
  exception when data_exception then
    v_failure := 'an input cannot be computed: ' || modelpack.why(sqlstate);
  end;
  new.value := modelpack.account_score_value_predict(
    v_version,
    v_numbers, v_texts,
    modelpack.key_value(new.account_id)::text, v_moment, written <> 'anew');
  new.value_version := v_version;
  new.value_scored_at := v_moment;
  if new.value is null or new.value_stale is not null then
    new.value_stale := case when new.value is null then modelpack.account_score_value_reason(v_version, v_failure) end;
    if new.value is null then
      -- the last score stands
      new.value := v_was.value;
      new.value_version := v_was.value_version;
      new.value_scored_at := v_was.value_scored_at;
    end if;
  end if;
  if v_settings is not null then
    perform set_config('TimeZone', v_settings[1], true),
            set_config('extra_float_digits', v_settings[2], true);
  end if;
  return new;
end
$modelpack$;

revoke all on function modelpack.account_scored(anyelement, anyelement, text) from public;

comment on function modelpack.account_scored(anyelement, anyelement, text) is
  'A row of public.account with its features brought up to the moment and its scores; logs them. Generated by '
  'modelpack from the declaration. [account]';

create or replace function modelpack.account_score()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- SCORE of public.account: scores a row that is new, has another key or another static input, before it is written.
-- Generated by modelpack from the declaration.
#variable_conflict use_variable
declare
  v_moves boolean;
begin
  if tg_op = 'UPDATE' and new.account_id = old.account_id then
    if tg_nargs = 0 then
      -- features and scores are the guard's to look at
      if modelpack.account_same(new, old) then
        return new;
      end if;
    elsif new.features_at = old.features_at then
      -- nothing that a score depends on has changed
      if row(
           new.account_id,
           new.transfers,
           new.sent,
           new.fraud,
           new.fraud_version,
           new.fraud_scored_at,
           new.fraud_stale,
           new.value,
           new.value_version,
           new.value_scored_at,
           new.value_stale
         )::pg_catalog.record operator(pg_catalog.*=) row(
           old.account_id,
           old.transfers,
           old.sent,
           old.fraud,
           old.fraud_version,
           old.fraud_scored_at,
           old.fraud_stale,
           old.value,
           old.value_version,
           old.value_scored_at,
           old.value_stale
         )::pg_catalog.record
         and modelpack.account_same(new, old)
      then
        return new;
      end if;
    elsif new.fraud_scored_at = new.features_at and new.fraud_scored_at is distinct from old.fraud_scored_at
          and new.value_scored_at = new.features_at and new.value_scored_at is distinct from old.value_scored_at
          and new.fraud_stale
            = md5(
              array_send(modelpack.account_score_fraud_numbers(new, new.features_at, new.fraud_version)) || coalesce(
                array_send(modelpack.account_score_fraud_texts(new, new.features_at, new.fraud_version)), ''))
              and new.value_stale
                = (select md5(array_send((x.packed).inputs) || coalesce(array_send((x.packed).text_inputs), ''))
                                         from (
                                               select modelpack.account_score_value_packed(new, new.features_at,
                                                 new.value_version) as packed offset 0) as x) then
      -- with many others, in one call, and what was scored is what is stored
      new.fraud_stale := null;
      new.value_stale := null;
      return new;
    end if;
  end if;
  if tg_op = 'UPDATE' and (new.account_id <> old.account_id) then
    if tg_relid <> 'public.account'::regclass then
      -- to another partition it goes as an INSERT, which scores and logs it
      execute format('select not (%s) from (select ($1).*) as r', pg_get_partition_constraintdef(tg_relid))
         into v_moves using new;
      if v_moves then
        return new;
      end if;
    end if;
  end if;
  new := modelpack.account_scored(new, old,
    case when tg_op = 'INSERT' then 'anew' when new.account_id <> old.account_id then 'under another key'
      else 'with another input' end);
  return new;
end
$modelpack$;

revoke all on function modelpack.account_score() from public;

comment on function modelpack.account_score() is
  'SCORE of public.account: scores a row that is new, has another key or another static input, before it is '
  'written. Generated by modelpack from the declaration. [account]';

create or replace function modelpack.account_log()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- LOG of public.account: the first score of a new row, in modelpack.prediction. Generated by modelpack from the
-- declaration.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
declare
  v_logged bigint;
begin
  if new.fraud_scored_at is not null then
    v_logged := modelpack.account_score_fraud_record(new.fraud_version, new.fraud_scored_at, array[
      row(modelpack.key_value(new.account_id)::text,
          new.fraud,
          modelpack.account_score_fraud_numbers(new, new.fraud_scored_at, new.fraud_version),
          modelpack.account_score_fraud_texts(new, new.fraud_scored_at, new.fraud_version))::modelpack.scored
    ]);
  end if;
  if new.value_scored_at is not null then
    v_logged := modelpack.account_score_value_record(new.value_version, new.value_scored_at, array[
      row(modelpack.key_value(new.account_id)::text,
          new.value,
          modelpack.account_score_value_numbers(new, new.value_scored_at, new.value_version),
          modelpack.account_score_value_texts(new, new.value_scored_at, new.value_version))::modelpack.scored
    ]);
  end if;
  return null;
end
$modelpack$;

revoke all on function modelpack.account_log() from public;

comment on function modelpack.account_log() is
  'LOG of public.account: the first score of a new row, in modelpack.prediction. Generated by modelpack from the '
  'declaration. [account]';

create or replace function modelpack.account_types()
returns table (score text, input text, type regtype)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- The types of the declared inputs of public.account.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
begin
  return query
  select 'fraud', 'mean_transfer', pg_typeof(e.value)
    from (values (true)) as t
    left join (
           select p.sent::double precision / nullif(p.transfers::double precision, 0) as value
             from public.account as p, (values (now())) as m ("the moment") where false
         ) as e on true;
  return query
  select 'value', 'sent_thousands', pg_typeof(e.value)
    from (values (true)) as t
    left join (
           select (p.sent / 1000) as value
             from public.account as p, (values (now())) as m ("the moment") where false
         ) as e on true;
  return;
end
$modelpack$;

revoke all on function modelpack.account_types() from public;

comment on function modelpack.account_types() is
  'The types of the declared inputs of public.account. [account]';

create or replace function modelpack.account_sample(score text, version integer, percent double precision)
returns setof text[]
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Texts that a version is fed from a sample of public.account.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
declare
  v_place tid;
  v_part oid;
begin
  if score = 'fraud' then
    return query select modelpack.account_score_fraud_texts(p, now(), version)
      from public.account as p tablesample system (percent);
  end if;
  if score = 'value' then
    for v_place, v_part in select p.ctid, p.tableoid from public.account as p tablesample system (percent) loop
      begin  -- row by row: one that cannot be computed must not hide the others
        return query select modelpack.account_score_value_texts(p, now(), version) from public.account as p
          where p.ctid = v_place and p.tableoid = v_part;
      exception when data_exception then
        null;
      end;
    end loop;
  end if;
  return;
end
$modelpack$;

revoke all on function modelpack.account_sample(text, integer, double precision) from public;

comment on function modelpack.account_sample(text, integer, double precision) is
  'Texts that a version is fed from a sample of public.account. [account]';

create or replace function modelpack.account_once()
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Makes missing rows of public.account and counts new features, once.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
begin
  insert into public.account (account_id) overriding system value
  select distinct e.account_id
    from public.transfer as e
   where e.account_id is not null
     and not exists (select from public.account as q where q.account_id = e.account_id)
   order by e.account_id;
end
$modelpack$;

revoke all on function modelpack.account_once() from public;

comment on function modelpack.account_once() is
  'Makes missing rows of public.account and counts new features, once. [account]';

create trigger modelpack_account_guard before update of features_at, features_read_at, fraud, fraud_scored_at,
  fraud_stale, fraud_version, sent, transfers, value, value_scored_at, value_stale, value_version on public.account
  for each row execute function modelpack.account_guard();

create trigger zz_modelpack_account_score before insert or update of account_id on public.account
  for each row execute function modelpack.account_score();

create trigger modelpack_account_log after insert on public.account
  for each row execute function modelpack.account_log();

select modelpack.run_as('public.account');

select modelpack.bind('public.account');

create or replace trigger modelpack_account_insert after insert on public.transfer
  referencing new table as new_rows
  for each statement execute function modelpack.account_count_transfer_insert();

create or replace trigger modelpack_account_update after update on public.transfer
  referencing old table as old_rows new table as new_rows
  for each statement execute function modelpack.account_count_transfer_update();

create or replace trigger modelpack_account_delete after delete on public.transfer
  referencing old table as old_rows
  for each statement execute function modelpack.account_count_transfer_delete();

create or replace trigger modelpack_account_truncate after truncate on public.transfer
  for each statement execute function modelpack.account_count_transfer_truncate();

select modelpack.follow_moves('public.transfer', 'zz_modelpack_account_moves', 'zz_modelpack_account_moved',
  'account_count_transfer_move');

select modelpack.account_once();

drop function modelpack.account_once();

select sum(modelpack.account_rebuild(c.first_block, coalesce(c.last_block, c.first_block + 500 - 1)))
  from modelpack.chunks('public.account', 500) as c;

select modelpack.cover_partitions('public.account');

select modelpack.cover_partitions('public.transfer');

select modelpack.seal('public.account');

commit;
