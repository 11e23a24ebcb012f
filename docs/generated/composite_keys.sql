-- A key of two columns, which the event table calls otherwise; an event without a profile is refused.
-- Written by `make docs` from composite_keys.py; look at it, do not edit it.
-- The same comes of: modelpack apply docs/generated/composite_keys.py --sql
--
--     from modelpack import Event, Profile, count, maximum
--
--     store_item = Profile(
--         "store.item",
--         key=("shop_id", "sku"),
--         events=[
--             Event(
--                 "store.movement",
--                 at="moved_at",
--                 key=("at_shop", "item_sku"),
--                 missing="refuse",
--                 features={"movements": count(), "largest_move": maximum("pieces")},
--             ),
--         ],
--     )

begin;

select modelpack.alone();

select modelpack.lock_tables(
  array_remove(array['store.movement'::regclass]::regclass[], null),
  'store.item', 'share row exclusive');

select modelpack.check_key_columns('store.item', array['shop_id', 'sku']::text[], 'store.movement',
  array['at_shop', 'item_sku']::text[]);

select modelpack.attach(
  relation => 'store.item',
  declaration => '{
    "events": [
      {
        "at": "moved_at",
        "features": [
          {"kind": "count", "name": "movements"},
          {"column": "pieces", "kind": "maximum", "name": "largest_move"}
        ],
        "key": ["at_shop", "item_sku"],
        "missing": "refuse",
        "on_delete": "subtract",
        "table": "store.movement",
        "where": null
      }
    ],
    "format": 1,
    "key": ["shop_id", "sku"],
    "scores": [],
    "table": "store.item"
  }'::jsonb,
  maintained => array['movements', 'largest_move']::text[],
  wanted_columns => array['features_at', 'features_read_at', 'movements', 'largest_move']::text[],
  scores => '[]'::jsonb,
  stem => 'store__item');

alter table store.item add column if not exists features_at timestamptz;

alter table store.item add column if not exists features_read_at timestamptz;

alter table store.item add column if not exists movements bigint not null default 0;

select modelpack.add_column_like('store.item', 'largest_move', 'store.movement', 'pieces');

comment on column store.item.movements is
  'count() of store.movement; kept by modelpack';

comment on column store.item.largest_move is
  'maximum(column=''pieces'') of store.movement; kept by modelpack';

comment on column store.item.features_at is
  'when windowed and decayed features were brought up to the moment; kept by modelpack';

comment on column store.item.features_read_at is
  'statement that read all features of the row from the events; kept by modelpack';

select modelpack.ensure_index('store.item', 'store.movement', array['at_shop', 'item_sku']::text[], null);

create or replace function modelpack.store__item_recount(only_keys text[])
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Counts the features of some rows of store.item again; keys as modelpack.verify() writes them.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
declare
  v_written bigint := 0;
begin
  if not exists (select from pg_trigger as t
                  where t.tgrelid = 'store.movement'::regclass
                    and t.tgfoid = 'modelpack.store__item_count_store__movement_insert()'::regprocedure)
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.store__item_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format(
        '%s is another table than the event table that the declaration of %s means: it has no count trigger',
        'store.movement',
        'store.item'),
      detail = 'Its rows would count as events.',
      hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
  end if;
  if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
    perform modelpack.store__item_seen();
  end if;
  perform
    from jsonb_populate_recordset(
           (select row(q.*)::store.item from store.item as q limit 1),
           (select jsonb_agg(jsonb_build_object('shop_id', u.key::jsonb -> 0, 'sku', u.key::jsonb -> 1))
              from (select distinct unnest(only_keys)) as u (key))
         ) as k
    join store.item as p on p.shop_id = k.shop_id and p.sku = k.sku
   order by p.shop_id, p.sku
     for no key update of p;
  update store.item as p
     set movements = x.movements,
         largest_move = x.largest_move,
         features_at = x."the moment",
         features_read_at
           = case when x."read afresh" then greatest(now(), statement_timestamp()) else p.features_read_at end
    from (
           select p.shop_id,
                  p.sku,
                  r0.movements,
                  r0.largest_move,
                  r0."held largest_move",
                  p."the moment",
                  p."read afresh"
             from (
                    select p.*,
                           p.features_at is null or (p.features_read_at >= modelpack.store__item_since()) is not true
                             or p.features_read_at = greatest(now(), statement_timestamp()) as "read afresh",
                           case when p.features_at is null
                               or (p.features_read_at >= modelpack.store__item_since()) is not true
                               or p.features_read_at = greatest(now(), statement_timestamp()) then clock_timestamp()
                               else p.features_at end as "the moment"
                      from jsonb_populate_recordset(
                             (select row(q.*)::store.item from store.item as q limit 1),
                             (
                               select jsonb_agg(
                                 jsonb_build_object('shop_id', u.key::jsonb -> 0, 'sku', u.key::jsonb -> 1))
                                from (select distinct unnest(only_keys)) as u (key))
                           ) as k
                      join store.item as p on p.shop_id = k.shop_id and p.sku = k.sku
                  ) as p
            cross join lateral (
              select count(*) as movements,
                     percentile_disc(0) within group (order by e.pieces desc) as largest_move,
                     p.largest_move is null
                       or (
                         bool_or(
                           row(case when true then e.pieces else p.largest_move end)::pg_catalog.record operator(
                             pg_catalog.*=) row(case when true then p.largest_move else e.pieces end)::pg_catalog.record
                           or pg_typeof(e.pieces) <> pg_typeof(p.largest_move))) is not false as "held largest_move"
                from store.movement as e
               where e.at_shop = p.shop_id and e.item_sku = p.sku
            ) as r0
         ) as x
   where p.shop_id = x.shop_id and p.sku = x.sku
     and (x."read afresh"
       or p.movements is distinct from x.movements
       or (
         row(case when true then p.largest_move else x.largest_move end)::pg_catalog.record operator(pg_catalog.<>) row(
           case when true then x.largest_move else p.largest_move end)::pg_catalog.record
         or not x."held largest_move"));
  get diagnostics v_written = row_count;
  return v_written;
end
$modelpack$;

revoke all on function modelpack.store__item_recount(text[]) from public;

comment on function modelpack.store__item_recount(text[]) is
  'Counts the features of some rows of store.item again; keys as modelpack.verify() writes them. [store__item]';

create or replace function modelpack.store__item_rebuild(first_block bigint, last_block bigint)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Counts the features of store.item again from the events and writes the rows that differ.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
declare
  v_first constant tid := format('(%s,0)', greatest(first_block, 0))::tid;
  v_beyond constant tid := format('(%s,0)', coalesce(last_block + 1, 4294967295))::tid;
  v_written bigint;
begin
  if not exists (select from pg_trigger as t
                  where t.tgrelid = 'store.movement'::regclass
                    and t.tgfoid = 'modelpack.store__item_count_store__movement_insert()'::regprocedure)
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.store__item_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format(
        '%s is another table than the event table that the declaration of %s means: it has no count trigger',
        'store.movement',
        'store.item'),
      detail = 'Its rows would count as events.',
      hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
  end if;
  if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
    perform modelpack.store__item_seen();
  end if;
  perform from store.item as p
   where p.ctid >= v_first and p.ctid < v_beyond
   order by p.shop_id, p.sku
     for no key update;
  update store.item as p
     set movements = x.movements,
         largest_move = x.largest_move,
         features_at = x."the moment",
         features_read_at
           = case when x."read afresh" then greatest(now(), statement_timestamp()) else p.features_read_at end
    from (
           select p.shop_id,
                  p.sku,
                  r0.movements,
                  r0.largest_move,
                  r0."held largest_move",
                  p."the moment",
                  p."read afresh"
             from (
                    select p.*,
                           p.features_at is null
                             or (p.features_read_at >= modelpack.store__item_since()) is not true as "read afresh",
                           case when p.features_at is null
                               or (p.features_read_at >= modelpack.store__item_since()) is not true
                               then clock_timestamp() else p.features_at end as "the moment"
                      from store.item as p
                     where p.ctid >= v_first and p.ctid < v_beyond
                  ) as p
            cross join lateral (
              select count(*) as movements,
                     percentile_disc(0) within group (order by e.pieces desc) as largest_move,
                     p.largest_move is null
                       or (
                         bool_or(
                           row(case when true then e.pieces else p.largest_move end)::pg_catalog.record operator(
                             pg_catalog.*=) row(case when true then p.largest_move else e.pieces end)::pg_catalog.record
                           or pg_typeof(e.pieces) <> pg_typeof(p.largest_move))) is not false as "held largest_move"
                from store.movement as e
               where e.at_shop = p.shop_id and e.item_sku = p.sku
            ) as r0
         ) as x
   where p.shop_id = x.shop_id and p.sku = x.sku
     and (x."read afresh"
       or p.movements is distinct from x.movements
       or (
         row(case when true then p.largest_move else x.largest_move end)::pg_catalog.record operator(pg_catalog.<>) row(
           case when true then x.largest_move else p.largest_move end)::pg_catalog.record
         or not x."held largest_move"));
  get diagnostics v_written = row_count;
  return v_written;
end
$modelpack$;

revoke all on function modelpack.store__item_rebuild(bigint, bigint) from public;

comment on function modelpack.store__item_rebuild(bigint, bigint) is
  'Counts the features of store.item again from the events and writes the rows that differ. [store__item]';

create or replace function modelpack.store__item_refresh(first_block bigint, last_block bigint, older_than timestamptz)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Brings the rows of store.item whose windows have moved on up to the moment, and scores them.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
declare
  v_first constant tid := format('(%s,0)', greatest(first_block, 0))::tid;
  v_beyond constant tid := format('(%s,0)', coalesce(last_block + 1, 4294967295))::tid;
  v_moment timestamptz;
  v_written bigint;
begin
  perform from store.item as p
   where p.ctid >= v_first and p.ctid < v_beyond
   order by p.shop_id, p.sku
     for no key update;
  v_moment := clock_timestamp();
  update store.item as p
     set features_at = v_moment
    from (
           select p.ctid as "the place", p.tableoid as "the partition"
             from store.item as p
             where p.ctid >= v_first and p.ctid < v_beyond
               and not (p.features_read_at >= modelpack.store__item_since()) is not true
               and (p.features_at < older_than or (older_than is not null and p.features_at > clock_timestamp()))
         ) as x
   where p.ctid = x."the place" and p.tableoid = x."the partition";
  get diagnostics v_written = row_count;
  return v_written;
end
$modelpack$;

revoke all on function modelpack.store__item_refresh(bigint, bigint, timestamptz) from public;

comment on function modelpack.store__item_refresh(bigint, bigint, timestamptz) is
  'Brings the rows of store.item whose windows have moved on up to the moment, and scores them. [store__item]';

create or replace function modelpack.store__item_rescore(first_block bigint, last_block bigint, only_stale boolean,
  older_than timestamptz)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Scores rows of store.item again: those that are stale or scored by another version than the champion.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
begin
  return 0;
end
$modelpack$;

revoke all on function modelpack.store__item_rescore(bigint, bigint, boolean, timestamptz) from public;

comment on function modelpack.store__item_rescore(bigint, bigint, boolean, timestamptz) is
  'Scores rows of store.item again: those that are stale or scored by another version than the champion. '
  '[store__item]';

create or replace function modelpack.store__item_fill(step integer, first_block bigint, last_block bigint,
  most integer)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $modelpack$
-- Counts some rows of store.item that were not counted yet, or makes some that its events lack.
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
                  where t.tgrelid = 'store.movement'::regclass
                    and t.tgfoid = 'modelpack.store__item_count_store__movement_insert()'::regprocedure)
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.store__item_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format(
        '%s is another table than the event table that the declaration of %s means: it has no count trigger',
        'store.movement',
        'store.item'),
      detail = 'Its rows would count as events.',
      hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
  end if;
  if step = -1 then
    perform from store.item as p where (p.features_read_at >= modelpack.store__item_since()) is not true limit 1;
    return found::integer;
  end if;
  -- who holds a row may do so for long: it is passed over, so that nobody waits for us meanwhile
  select array_agg(x.key) into v_keys
    from (
           select jsonb_build_array(modelpack.key_value(p.shop_id), modelpack.key_value(p.sku))::text as key
             from store.item as p
            where p.ctid >= v_first and p.ctid < v_beyond
              and (p.features_read_at >= modelpack.store__item_since()) is not true
            limit most
              for no key update skip locked
         ) as x;
  if v_keys is null then
    perform from store.item as p where p.ctid >= v_first and p.ctid < v_beyond
      and (p.features_read_at >= modelpack.store__item_since()) is not true limit 1;
    return -found::integer;
  end if;
  perform modelpack.store__item_recount(v_keys);
  return cardinality(v_keys);
end
$modelpack$;

revoke all on function modelpack.store__item_fill(integer, bigint, bigint, integer) from public;

comment on function modelpack.store__item_fill(integer, bigint, bigint, integer) is
  'Counts some rows of store.item that were not counted yet, or makes some that its events lack. [store__item]';

create or replace function modelpack.store__item_verify(first_block bigint, last_block bigint, only_keys text[])
returns table (entity_key text, feature text, stored text, expected text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Features of store.item that differ from the same aggregate over the events.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
declare
  v_first constant tid := format('(%s,0)', greatest(first_block, 0))::tid;
  v_beyond constant tid := format('(%s,0)', coalesce(last_block + 1, 4294967295))::tid;
begin
  return query
  select jsonb_build_array(modelpack.key_value(p.shop_id), modelpack.key_value(p.sku))::text, f.feature, f.stored,
    f.expected
    from (
           select q.*, coalesce(q.features_at, clock_timestamp()) as "the moment"
             from store.item as q
            where only_keys is null and q.ctid >= v_first and q.ctid < v_beyond
           union all
           select q.*, coalesce(q.features_at, clock_timestamp()) as "the moment"
             from jsonb_populate_recordset(
                    (select row(q.*)::store.item from store.item as q limit 1),
                    (select jsonb_agg(jsonb_build_object('shop_id', u.key::jsonb -> 0, 'sku', u.key::jsonb -> 1))
                       from (select distinct unnest(only_keys)) as u (key))
                  ) as k
             join store.item as q on q.shop_id = k.shop_id and q.sku = k.sku
            where only_keys is not null
         ) as p
   cross join lateral (
     select count(*) as movements,
            percentile_disc(0) within group (order by e.pieces desc) as largest_move,
            p.largest_move is null
              or (
                bool_or(
                  row(case when true then e.pieces else p.largest_move end)::pg_catalog.record operator(
                    pg_catalog.*=) row(case when true then p.largest_move else e.pieces end)::pg_catalog.record
                  or pg_typeof(e.pieces) <> pg_typeof(p.largest_move))) is not false as "held largest_move"
       from store.movement as e
      where e.at_shop = p.shop_id and e.item_sku = p.sku
   ) as r0
   cross join lateral (
     values ('movements', p.movements::text, r0.movements::text, p.movements is distinct from r0.movements),
            ('largest_move', p.largest_move::text, r0.largest_move::text,
              (
                row(case when true then p.largest_move else r0.largest_move end)::pg_catalog.record operator(
                  pg_catalog.<>) row(case when true then r0.largest_move else p.largest_move end)::pg_catalog.record
                or not r0."held largest_move"))
   ) as f (feature, stored, expected, differs)
   where f.differs;
end
$modelpack$;

revoke all on function modelpack.store__item_verify(bigint, bigint, text[]) from public;

comment on function modelpack.store__item_verify(bigint, bigint, text[]) is
  'Features of store.item that differ from the same aggregate over the events. [store__item]';

create or replace function modelpack.store__item_stale(chunk_blocks bigint)
returns setof bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Chunks of blocks of store.item that hold stale rows.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
begin
end
$modelpack$;

revoke all on function modelpack.store__item_stale(bigint) from public;

comment on function modelpack.store__item_stale(bigint) is
  'Chunks of blocks of store.item that hold stale rows. [store__item]';

create or replace function modelpack.store__item_reasons()
returns table (score text, reason text, rows bigint)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- How many rows of store.item have no fresh score, by score and reason.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
begin
end
$modelpack$;

revoke all on function modelpack.store__item_reasons() from public;

comment on function modelpack.store__item_reasons() is
  'How many rows of store.item have no fresh score, by score and reason. [store__item]';

create or replace function modelpack.store__item_examine()
returns table (what text, subject text, rows bigint, example text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- What is wrong with rows of store.item, for modelpack.doctor(): how many, and one of them.
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
             select from store.item as p
               where (p.features_read_at >= modelpack.store__item_since()) is not true limit 10000
           ) as x
  ) as f where f.rows > 0;
  return query
  select * from (
    select 'ahead', '', count(*) as rows, null
      from (
             select from store.item as p where p.features_at > clock_timestamp() + interval '1 minute' limit 10000
           ) as x
  ) as f where f.rows > 0;
  v_share := case when pg_relation_size('store.movement'::regclass) < 1000000 then 100
      else greatest(0.01, 100.0 * 1000000 / pg_relation_size('store.movement'::regclass)) end;
  select array_agg(distinct x.key) into v_keys
    from (select jsonb_build_array(modelpack.key_value(e.at_shop), modelpack.key_value(e.item_sku))::text as key
      from store.movement as e tablesample system (v_share) where e.at_shop is not null and e.item_sku is not null
             and not exists (select from store.item as p where p.shop_id = e.at_shop and p.sku = e.item_sku
               and (p.features_read_at >= modelpack.store__item_since()) is not true) limit 200) as x;
  return query
  select * from (
    select 'differ', 'store.movement', count(distinct x.entity_key) as rows, string_agg(distinct x.feature, ', ')
      from (
             select * from modelpack.store__item_verify(0, null, coalesce(v_keys, '{}'))
           ) as x
  ) as f where f.rows > 0;
end
$modelpack$;

revoke all on function modelpack.store__item_examine() from public;

comment on function modelpack.store__item_examine() is
  'What is wrong with rows of store.item, for modelpack.doctor(): how many, and one of them. [store__item]';

create or replace function modelpack.store__item_guard()
returns trigger
language plpgsql security invoker
as $modelpack$
-- GUARD of store.item: scores what modelpack's own functions write, and refuses an UPDATE of features or scores by
-- anybody else but a member of modelpack_owner.
#variable_conflict use_variable
declare
  v_ours boolean;
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
        when pg_catalog.has_function_privilege('modelpack.store__item_guard()'::pg_catalog.regprocedure,
          'EXECUTE WITH GRANT OPTION');
    end if;
    if pg_catalog.current_setting('search_path') operator(pg_catalog.=) 'pg_catalog, pg_temp'
       and current_user operator(pg_catalog.=) tg_argv[0] then
      v_ours := pg_catalog.has_function_privilege('modelpack.store__item_guard()'::pg_catalog.regprocedure,
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
           new.largest_move,
           new.movements
         )::pg_catalog.record operator(pg_catalog.*=) row(
           old.features_at,
           old.features_read_at,
           old.largest_move,
           old.movements
         )::pg_catalog.record then
        return new;
      end if;
      if pg_catalog.pg_has_role(current_user, 'modelpack_owner', 'member') then  -- a superuser or the DBA, who means it
        if tg_nargs operator(pg_catalog.<>) 2 then
          new := modelpack.store__item_scored(new, old, 'by hand');
        end if;
        return new;
      end if;
      raise exception using
        errcode = 'insufficient_privilege',
        message
          = pg_catalog.format('an UPDATE by %I changes columns of %s that modelpack keeps: %s', current_user,
            'store.item',
          pg_catalog.array_to_string(array[
            case
                when not row(new.features_at)::pg_catalog.record operator(pg_catalog.*=) row(
                  old.features_at)::pg_catalog.record then 'features_at' end,
            case
                when not row(new.features_read_at)::pg_catalog.record operator(pg_catalog.*=) row(
                  old.features_read_at)::pg_catalog.record then 'features_read_at' end,
            case
                when not row(new.largest_move)::pg_catalog.record operator(pg_catalog.*=) row(
                  old.largest_move)::pg_catalog.record then 'largest_move' end,
            case
                when not row(new.movements)::pg_catalog.record operator(pg_catalog.*=) row(
                  old.movements)::pg_catalog.record then 'movements' end
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
           new.shop_id,
           new.sku,
           new.movements,
           new.largest_move
         )::pg_catalog.record operator(pg_catalog.*=) row(
           old.shop_id,
           old.sku,
           old.movements,
           old.largest_move
         )::pg_catalog.record
      then
        return new;
      end if;
    end if;
  end asked;
  new.features_at := pg_catalog.clock_timestamp();
  return new;
end
$modelpack$;

revoke all on function modelpack.store__item_guard() from public;

comment on function modelpack.store__item_guard() is
  'GUARD of store.item: scores what modelpack''s own functions write, and refuses an UPDATE of features or scores '
  'by anybody else but a member of modelpack_owner. [store__item]';

create or replace function modelpack.store__item_count_store__movement_insert()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
set enable_seqscan = off
as $modelpack$
-- COUNT of store.item: keeps movements, largest_move when rows of store.movement are inserted. Generated by modelpack
-- from the declaration.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_seqscan: off, since a session keeps a plan for whatever number of rows comes: one by an index is good for a
-- row and for many.
#variable_conflict use_variable
declare
  v_statement timestamptz;
  v_read text[];
  v_settings text[];
begin
  if tg_relid <> 'store.movement'::regclass then  -- a partition of it, or one on its way
    if not exists (select from pg_partition_ancestors(tg_relid) as a where a.relid = 'store.movement'::regclass)
       and (select c.relpersistence from pg_class as c where c.oid = tg_relid) <> 't'
    then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s has the triggers of the event table %s, which is another relation now',
                         tg_relid::regclass, 'store.movement'),
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
    begin
      select * into e from new_rows;
      update store.item as p
         set movements = p.movements + 1,
             largest_move = greatest(p.largest_move, e.pieces),
             features_at = null
       where p.shop_id = e.at_shop and p.sku = e.item_sku
         and ((p.features_read_at >= modelpack.store__item_since()) is not true
           or p.features_read_at = greatest(now(), statement_timestamp())) is not true
      returning p.features_at is null into v_unscored;
      if not v_unscored then
        return new;  -- NULL in a trigger for each statement
      elsif v_unscored then
        if (select count(*) from pg_trigger as t
             where t.tgrelid = 'store.item'::regclass
               and t.tgname in ('modelpack_store__item_guard', 'zz_modelpack_store__item_score')) < 2
        then
          if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
            perform modelpack.store__item_seen();
          end if;
          raise exception using
            errcode = 'object_not_in_prerequisite_state',
            message = 'store.item is another table than the profile that was declared: it has no score trigger',
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
       where t.tgrelid = 'store.item'::regclass
         and t.tgname in ('modelpack_store__item_guard', 'zz_modelpack_store__item_score')) < 2
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.store__item_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'store.item is another table than the profile that was declared: it has no score trigger',
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
       select d.at_shop, d.item_sku
         from (
                select distinct e.at_shop, e.item_sku
                  from new_rows as e
                 where e.at_shop is not null and e.item_sku is not null
              ) as d
        where not exists (select from store.item as q where q.shop_id = d.at_shop and q.sku = d.item_sku)
     ) then
    raise exception using
      errcode = 'foreign_key_violation',
      message = 'an event of store.movement names a key that store.item does not have',
      hint = 'Insert the profile row first, or declare the event with missing="create".';
  end if;
  -- rows are locked in the order of their keys: two statements never wait for each other in a circle
  select array_agg(x.key) filter (where x.read) into v_read
    from (
           select jsonb_build_array(modelpack.key_value(p.shop_id), modelpack.key_value(p.sku))::text as key,
                  (p.features_read_at >= modelpack.store__item_since()) is not true
                    or p.features_read_at = v_statement as read
             from (
                    select distinct e.at_shop, e.item_sku
                      from new_rows as e
                     where e.at_shop is not null and e.item_sku is not null
                  ) as d
             join store.item as p on p.shop_id = d.at_shop and p.sku = d.item_sku
            order by p.shop_id, p.sku
              for no key update of p
         ) as x;
  update store.item as p
     set movements = p.movements + d.movements,
         largest_move = greatest(p.largest_move, d.largest_move),
         features_at = null
    from (
           select c.at_shop,
                  c.item_sku,
                  sum(c.movements)::bigint as movements,
                  percentile_disc(0) within group (order by c.largest_move desc) as largest_move
             from (
                    select e.at_shop,
                           e.item_sku,
                           1 as movements,
                           e.pieces as largest_move
                      from new_rows as e
                     where e.at_shop is not null and e.item_sku is not null
                  ) as c
            group by c.at_shop, c.item_sku
         ) as d
   where p.shop_id = d.at_shop and p.sku = d.item_sku
     and ((p.features_read_at >= modelpack.store__item_since()) is not true
       or p.features_read_at = v_statement) is not true;
  -- profiles that this very statement has read from the events know of its changes; others, that were never counted,
  -- are counted again
  if v_read is not null then
    perform modelpack.store__item_recount(v_read);
  end if;
  perform set_config('enable_hashjoin', v_settings[1], true),
          set_config('enable_mergejoin', v_settings[2], true),
          set_config('jit', v_settings[3], true);
  return null;
end
$modelpack$;

revoke all on function modelpack.store__item_count_store__movement_insert() from public;

comment on function modelpack.store__item_count_store__movement_insert() is
  'COUNT of store.item: keeps movements, largest_move when rows of store.movement are inserted. Generated by '
  'modelpack from the declaration. [store__item]';

create or replace function modelpack.store__item_count_store__movement_update()
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
-- COUNT of store.item: keeps movements, largest_move when rows of store.movement are updated. Generated by modelpack
-- from the declaration.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_seqscan, enable_hashjoin, enable_mergejoin, jit: off, since a session keeps a plan for whatever number of rows
-- comes: one by an index is good for a row and for many.
#variable_conflict use_variable
declare
  v_statement constant timestamptz := greatest(now(), statement_timestamp());
  v_read text[];
begin
  if tg_relid <> 'store.movement'::regclass then  -- a partition of it, or one on its way
    if not exists (select from pg_partition_ancestors(tg_relid) as a where a.relid = 'store.movement'::regclass)
       and (select c.relpersistence from pg_class as c where c.oid = tg_relid) <> 't'
    then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s has the triggers of the event table %s, which is another relation now',
                         tg_relid::regclass, 'store.movement'),
        detail = 'Its rows would count as events of that.',
        hint
          = 'Rename it back; or modelpack apply DECLARATION, which moves the triggers to the table that is declared.';
    end if;
  end if;
  if current_setting('modelpack.moved_01e3ee79e65709b8', true) <> '' then
    if not exists (select from old_rows as o
        where md5(to_jsonb(o)::text) = current_setting('modelpack.moved_01e3ee79e65709b8', true)) then
      raise exception using
        errcode = 'feature_not_supported',
        message = 'MERGE has moved rows of store.movement to another partition, and PostgreSQL tells no trigger which',
        detail = 'The features of store.item could not follow.',
        hint = 'Move them by UPDATE, or by DELETE and INSERT.';
    end if;
    perform set_config('modelpack.moved_01e3ee79e65709b8', '', true);
  end if;
  if not exists (select from new_rows) then
    return null;
  end if;
  if (select count(*) from pg_trigger as t
       where t.tgrelid = 'store.item'::regclass
         and t.tgname in ('modelpack_store__item_guard', 'zz_modelpack_store__item_score')) < 2
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.store__item_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'store.item is another table than the profile that was declared: it has no score trigger',
      hint = 'select * from modelpack.doctor() says where the profile is now, and what to run.';
  end if;
  if exists (
       select d.at_shop, d.item_sku
         from (
                select distinct e.at_shop, e.item_sku
                  from old_rows as e
                 where e.at_shop is not null and e.item_sku is not null
              ) as d
        where not exists (select from store.item as q where q.shop_id = d.at_shop and q.sku = d.item_sku)
     ) then
    -- keys without a profile: whoever makes one of them a profile waits for us, or we for them
    perform modelpack.store__item_meet(array(
      select hash_record_extended(row(u.at_shop, u.item_sku), 0)::text
        from (
               select d.at_shop, d.item_sku
                 from (
                        select distinct e.at_shop, e.item_sku
                          from (select * from old_rows union all select * from new_rows) as e
                         where e.at_shop is not null and e.item_sku is not null
                      ) as d
                where not exists (select from store.item as q where q.shop_id = d.at_shop and q.sku = d.item_sku)
             ) as u
       order by u.at_shop, u.item_sku
    ));
  end if;
  if exists (
       select d.at_shop, d.item_sku
         from (
                select distinct e.at_shop, e.item_sku
                  from new_rows as e
                 where e.at_shop is not null and e.item_sku is not null
              ) as d
        where not exists (select from store.item as q where q.shop_id = d.at_shop and q.sku = d.item_sku)
     ) then
    raise exception using
      errcode = 'foreign_key_violation',
      message = 'an event of store.movement names a key that store.item does not have',
      hint = 'Insert the profile row first, or declare the event with missing="create".';
  end if;
  -- rows are locked in the order of their keys: two statements never wait for each other in a circle
  with came as (
    select e.at_shop,
           e.item_sku,
           1 as movements,
           e.pieces as largest_move,
           row(e.pieces)::text as "the image"
      from new_rows as e
     where e.at_shop is not null and e.item_sku is not null
  ),
  went as (
    select e.at_shop,
           e.item_sku,
           1 as movements,
           e.pieces as largest_move,
           row(e.pieces)::text as "the image"
      from old_rows as e
     where e.at_shop is not null and e.item_sku is not null
  ),
  changed as (
    select 1 as "the sign", x.* from (select * from came except all select * from went) as x
    union all
    select -1 as "the sign", x.* from (select * from went except all select * from came) as x
  )
  select array_agg(x.key) filter (where x.read) into v_read
    from (
           select jsonb_build_array(modelpack.key_value(p.shop_id), modelpack.key_value(p.sku))::text as key,
                  (p.features_read_at >= modelpack.store__item_since()) is not true
                    or p.features_read_at = v_statement as read
             from (
                    select distinct c.at_shop, c.item_sku
                      from changed as c
                  ) as d
             join store.item as p on p.shop_id = d.at_shop and p.sku = d.item_sku
            order by p.shop_id, p.sku
              for no key update of p
         ) as x;
  with came as (
    select e.at_shop,
           e.item_sku,
           1 as movements,
           e.pieces as largest_move,
           row(e.pieces)::text as "the image"
      from new_rows as e
     where e.at_shop is not null and e.item_sku is not null
  ),
  went as (
    select e.at_shop,
           e.item_sku,
           1 as movements,
           e.pieces as largest_move,
           row(e.pieces)::text as "the image"
      from old_rows as e
     where e.at_shop is not null and e.item_sku is not null
  ),
  changed as (
    select 1 as "the sign", x.* from (select * from came except all select * from went) as x
    union all
    select -1 as "the sign", x.* from (select * from went except all select * from came) as x
  )
  update store.item as p
     set movements = p.movements + d.movements,
         largest_move = r.largest_move,
         features_at = null
    from (
           select c.at_shop,
                  c.item_sku,
                  sum(c."the sign" * c.movements)::bigint as movements
             from changed as c
            group by c.at_shop, c.item_sku
         ) as d
         cross join lateral (
           select percentile_disc(0) within group (order by e.pieces desc) as largest_move
             from store.movement as e
            where e.at_shop = d.at_shop and e.item_sku = d.item_sku
         ) as r
   where p.shop_id = d.at_shop and p.sku = d.item_sku
     and ((p.features_read_at >= modelpack.store__item_since()) is not true
       or p.features_read_at = v_statement) is not true;
  -- profiles that this very statement has read from the events know of its changes; others, that were never counted,
  -- are counted again
  if v_read is not null then
    perform modelpack.store__item_recount(v_read);
  end if;
  return null;
end
$modelpack$;

revoke all on function modelpack.store__item_count_store__movement_update() from public;

comment on function modelpack.store__item_count_store__movement_update() is
  'COUNT of store.item: keeps movements, largest_move when rows of store.movement are updated. Generated by '
  'modelpack from the declaration. [store__item]';

create or replace function modelpack.store__item_count_store__movement_delete()
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
-- COUNT of store.item: keeps movements, largest_move when rows of store.movement are deleted. Generated by modelpack
-- from the declaration.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_seqscan, enable_hashjoin, enable_mergejoin, jit: off, since a session keeps a plan for whatever number of rows
-- comes: one by an index is good for a row and for many.
#variable_conflict use_variable
declare
  v_statement constant timestamptz := greatest(now(), statement_timestamp());
  v_read text[];
begin
  if tg_relid <> 'store.movement'::regclass then  -- a partition of it, or one on its way
    if not exists (select from pg_partition_ancestors(tg_relid) as a where a.relid = 'store.movement'::regclass)
       and (select c.relpersistence from pg_class as c where c.oid = tg_relid) <> 't'
    then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s has the triggers of the event table %s, which is another relation now',
                         tg_relid::regclass, 'store.movement'),
        detail = 'Its rows would count as events of that.',
        hint
          = 'Rename it back; or modelpack apply DECLARATION, which moves the triggers to the table that is declared.';
    end if;
  end if;
  if not exists (select from old_rows) then
    return null;
  end if;
  if (select count(*) from pg_trigger as t
       where t.tgrelid = 'store.item'::regclass
         and t.tgname in ('modelpack_store__item_guard', 'zz_modelpack_store__item_score')) < 2
  then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.store__item_seen();
    end if;
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'store.item is another table than the profile that was declared: it has no score trigger',
      hint = 'select * from modelpack.doctor() says where the profile is now, and what to run.';
  end if;
  if exists (
       select d.at_shop, d.item_sku
         from (
                select distinct e.at_shop, e.item_sku
                  from old_rows as e
                 where e.at_shop is not null and e.item_sku is not null
              ) as d
        where not exists (select from store.item as q where q.shop_id = d.at_shop and q.sku = d.item_sku)
     ) then
    -- keys without a profile: whoever makes one of them a profile waits for us, or we for them
    perform modelpack.store__item_meet(array(
      select hash_record_extended(row(u.at_shop, u.item_sku), 0)::text
        from (
               select d.at_shop, d.item_sku
                 from (
                        select distinct e.at_shop, e.item_sku
                          from old_rows as e
                         where e.at_shop is not null and e.item_sku is not null
                      ) as d
                where not exists (select from store.item as q where q.shop_id = d.at_shop and q.sku = d.item_sku)
             ) as u
       order by u.at_shop, u.item_sku
    ));
  end if;
  -- rows are locked in the order of their keys: two statements never wait for each other in a circle
  select array_agg(x.key) filter (where x.read) into v_read
    from (
           select jsonb_build_array(modelpack.key_value(p.shop_id), modelpack.key_value(p.sku))::text as key,
                  (p.features_read_at >= modelpack.store__item_since()) is not true
                    or p.features_read_at = v_statement as read
             from (
                    select distinct e.at_shop, e.item_sku
                      from old_rows as e
                     where e.at_shop is not null and e.item_sku is not null
                  ) as d
             join store.item as p on p.shop_id = d.at_shop and p.sku = d.item_sku
            order by p.shop_id, p.sku
              for no key update of p
         ) as x;
  update store.item as p
     set movements = p.movements + d.movements,
         largest_move = r.largest_move,
         features_at = null
    from (
           select c.at_shop,
                  c.item_sku,
                  sum(c."the sign" * c.movements)::bigint as movements
             from (
                    select -1 as "the sign",
                           e.at_shop,
                           e.item_sku,
                           1 as movements,
                           e.pieces as largest_move
                      from old_rows as e
                     where e.at_shop is not null and e.item_sku is not null
                  ) as c
            group by c.at_shop, c.item_sku
         ) as d
         cross join lateral (
           select percentile_disc(0) within group (order by e.pieces desc) as largest_move
             from store.movement as e
            where e.at_shop = d.at_shop and e.item_sku = d.item_sku
         ) as r
   where p.shop_id = d.at_shop and p.sku = d.item_sku
     and ((p.features_read_at >= modelpack.store__item_since()) is not true
       or p.features_read_at = v_statement) is not true;
  -- profiles that this very statement has read from the events know of its changes; others, that were never counted,
  -- are counted again
  if v_read is not null then
    perform modelpack.store__item_recount(v_read);
  end if;
  return null;
end
$modelpack$;

revoke all on function modelpack.store__item_count_store__movement_delete() from public;

comment on function modelpack.store__item_count_store__movement_delete() is
  'COUNT of store.item: keeps movements, largest_move when rows of store.movement are deleted. Generated by '
  'modelpack from the declaration. [store__item]';

create or replace function modelpack.store__item_count_store__movement_truncate()
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
-- COUNT of store.item: keeps movements, largest_move when rows of store.movement are truncated. Generated by modelpack
-- from the declaration.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
-- enable_seqscan, enable_hashjoin, enable_mergejoin, jit: off, since a session keeps a plan for whatever number of rows
-- comes: one by an index is good for a row and for many.
#variable_conflict use_variable
begin
  if tg_relid <> 'store.movement'::regclass then  -- a partition of it, or one on its way
    if not exists (select from pg_partition_ancestors(tg_relid) as a where a.relid = 'store.movement'::regclass)
       and (select c.relpersistence from pg_class as c where c.oid = tg_relid) <> 't'
    then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('%s has the triggers of the event table %s, which is another relation now',
                         tg_relid::regclass, 'store.movement'),
        detail = 'Its rows would count as events of that.',
        hint
          = 'Rename it back; or modelpack apply DECLARATION, which moves the triggers to the table that is declared.';
    end if;
  end if;
  perform modelpack.store__item_rebuild(0, null);
  return null;
end
$modelpack$;

revoke all on function modelpack.store__item_count_store__movement_truncate() from public;

comment on function modelpack.store__item_count_store__movement_truncate() is
  'COUNT of store.item: keeps movements, largest_move when rows of store.movement are truncated. Generated by '
  'modelpack from the declaration. [store__item]';

create or replace function modelpack.store__item_count_store__movement_move()
returns trigger
language plpgsql security invoker
set search_path = pg_catalog, pg_temp
set TimeZone = 'UTC'
set extra_float_digits = '1'
as $modelpack$
-- Notes rows of store.movement that a statement moves to another partition.
-- TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session.
#variable_conflict use_variable
begin
  if tg_op = 'UPDATE' then
    perform set_config('modelpack.moving_01e3ee79e65709b8', md5(to_jsonb(old)::text), true);
    return new;
  end if;
  if current_setting('modelpack.moving_01e3ee79e65709b8', true) <> '' then
    if current_setting('modelpack.moving_01e3ee79e65709b8', true) = md5(to_jsonb(old)::text) then
      perform set_config('modelpack.moved_01e3ee79e65709b8', md5(to_jsonb(old)::text), true);
    end if;
    perform set_config('modelpack.moving_01e3ee79e65709b8', '', true);
  end if;
  return old;
end
$modelpack$;

revoke all on function modelpack.store__item_count_store__movement_move() from public;

comment on function modelpack.store__item_count_store__movement_move() is
  'Notes rows of store.movement that a statement moves to another partition. [store__item]';

create or replace function modelpack.store__item_scored(p anyelement, q anyelement, written text)
returns anyelement
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- A row of store.item with its features brought up to the moment and its scores; logs them. Generated by modelpack from
-- the declaration.
#variable_conflict use_variable
declare
  new record := p;
  old record := q;
  v_moment constant timestamptz := clock_timestamp();
  v_settings text[];
begin
  if written = 'by hand' then
    if new.shop_id <> old.shop_id or new.sku <> old.sku then
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
  if written in ('anew', 'under another key') or (new.features_read_at >= modelpack.store__item_since()) is not true
    then
    -- a new key, or one that was not counted yet: every feature from the events that are there already
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      perform modelpack.store__item_seen();
    end if;
    if not exists (select from pg_trigger as t
                    where t.tgrelid = 'store.movement'::regclass
                      and t.tgfoid = 'modelpack.store__item_count_store__movement_insert()'::regprocedure)
    then
      if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        perform modelpack.store__item_seen();
      end if;
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format(
          '%s is another table than the event table that the declaration of %s means: it has no count trigger',
          'store.movement',
          'store.item'),
        detail = 'Its rows would count as events.',
        hint = 'select * from modelpack.doctor() says where the event table is now, and what to run.';
    end if;
    -- events of others with this key, which may go just now: whoever takes them waits for us, or we for them
    if written in ('anew', 'under another key') and (
      exists (select from store.movement as e where e.at_shop = new.shop_id and e.item_sku = new.sku
        and e.xmin <> pg_current_xact_id()::xid)
    ) then
      perform modelpack.store__item_meet(array(
        select hash_record_extended(row(new.shop_id, new.sku), 0)::text
      ));
    end if;
    select count(*),
           percentile_disc(0) within group (order by e.pieces desc)
      into new.movements,
           new.largest_move
      from store.movement as e
     where e.at_shop = new.shop_id and e.item_sku = new.sku;
    new.features_read_at := greatest(now(), statement_timestamp());
  end if;
  new.features_at := v_moment;
  if v_settings is not null then
    perform set_config('TimeZone', v_settings[1], true),
            set_config('extra_float_digits', v_settings[2], true);
  end if;
  return new;
end
$modelpack$;

revoke all on function modelpack.store__item_scored(anyelement, anyelement, text) from public;

comment on function modelpack.store__item_scored(anyelement, anyelement, text) is
  'A row of store.item with its features brought up to the moment and its scores; logs them. Generated by modelpack '
  'from the declaration. [store__item]';

create or replace function modelpack.store__item_score()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $modelpack$
-- SCORE of store.item: scores a row that is new, has another key or another static input, before it is written.
-- Generated by modelpack from the declaration.
#variable_conflict use_variable
declare
  v_moves boolean;
begin
  if tg_op = 'UPDATE' and new.shop_id = old.shop_id and new.sku = old.sku then
    if tg_nargs = 0 then
      -- features and scores are the guard's to look at
      return new;
    elsif new.features_at = old.features_at then
      -- nothing that a score depends on has changed
      if row(
           new.shop_id,
           new.sku,
           new.movements,
           new.largest_move
         )::pg_catalog.record operator(pg_catalog.*=) row(
           old.shop_id,
           old.sku,
           old.movements,
           old.largest_move
         )::pg_catalog.record
      then
        return new;
      end if;
    end if;
  end if;
  if tg_op = 'UPDATE' and (new.shop_id <> old.shop_id or new.sku <> old.sku) then
    if tg_relid <> 'store.item'::regclass then
      -- to another partition it goes as an INSERT, which scores and logs it
      execute format('select not (%s) from (select ($1).*) as r', pg_get_partition_constraintdef(tg_relid))
         into v_moves using new;
      if v_moves then
        return new;
      end if;
    end if;
  end if;
  new := modelpack.store__item_scored(new, old,
    case when tg_op = 'INSERT' then 'anew' when new.shop_id <> old.shop_id or new.sku <> old.sku
      then 'under another key' else 'with another input' end);
  return new;
end
$modelpack$;

revoke all on function modelpack.store__item_score() from public;

comment on function modelpack.store__item_score() is
  'SCORE of store.item: scores a row that is new, has another key or another static input, before it is written. '
  'Generated by modelpack from the declaration. [store__item]';

create trigger modelpack_store__item_guard before update of features_at, features_read_at, largest_move,
  movements on store.item
  for each row execute function modelpack.store__item_guard();

create trigger zz_modelpack_store__item_score before insert or update of shop_id, sku on store.item
  for each row execute function modelpack.store__item_score();

select modelpack.run_as('store.item');

select modelpack.bind('store.item');

create or replace trigger modelpack_store__item_insert after insert on store.movement
  referencing new table as new_rows
  for each statement execute function modelpack.store__item_count_store__movement_insert();

create or replace trigger modelpack_store__item_update after update on store.movement
  referencing old table as old_rows new table as new_rows
  for each statement execute function modelpack.store__item_count_store__movement_update();

create or replace trigger modelpack_store__item_delete after delete on store.movement
  referencing old table as old_rows
  for each statement execute function modelpack.store__item_count_store__movement_delete();

create or replace trigger modelpack_store__item_truncate after truncate on store.movement
  for each statement execute function modelpack.store__item_count_store__movement_truncate();

select modelpack.follow_moves('store.movement', 'zz_modelpack_store__item_moves', 'zz_modelpack_store__item_moved',
  'store__item_count_store__movement_move');

select sum(modelpack.store__item_rebuild(c.first_block, coalesce(c.last_block, c.first_block + 500 - 1)))
  from modelpack.chunks('store.item', 500) as c;

select modelpack.cover_partitions('store.item');

select modelpack.cover_partitions('store.movement');

select modelpack.seal('store.item');

commit;
