-- A small shop with a past: 1,000 customers over 400 days, made up from one seed.
-- Every third customer leaves on some day after the first hundred, buys nothing more, and has complained more
-- often in the weeks before.

do $$ begin perform setseed(0.1997); end $$;

create table customer (
  customer_id bigint primary key,
  plan text not null,
  joined_at timestamptz not null
);

create table purchase (
  purchase_id bigint generated always as identity primary key,
  customer_id bigint not null references customer,
  purchased_at timestamptz not null default now(),
  amount numeric(10, 2) not null
);

create table complaint (
  complaint_id bigint generated always as identity primary key,
  customer_id bigint not null references customer,
  created_at timestamptz not null default now(),
  severity integer not null
);

create temporary table person as
select id,
       (array['basic', 'basic', 'plus', 'family'])[1 + floor(4 * random())::integer] as plan,
       0.5 + 2.5 * random() as purchases_a_month,
       case when random() < 0.33 then 100 + floor(300 * random())::integer else 400 end as stays
  from generate_series(1, 1000) as id;

insert into customer
select id, plan, now() - interval '400 days' from person order by id;

insert into purchase (customer_id, purchased_at, amount)
select id, now() - interval '400 days' + (day + random()) * interval '1 day', round((10 + 40 * random())::numeric, 2)
  from person, generate_series(0, 399) as day
 where day < stays and random() + 0 * day < purchases_a_month / 30   -- a chance of its own for every day
 order by day, id;

insert into complaint (customer_id, created_at, severity)
select id, now() - interval '400 days' + (day + random()) * interval '1 day', 1 + floor(3 * random())::integer
  from person, generate_series(0, 399) as day
 where day < stays and random() + 0 * day < case when stays < 400 and day > stays - 40 then 0.04 else 0.004 end
 order by day, id;

drop table person;
analyze customer, purchase, complaint;
