-- The tables that the declarations of this folder are about.

create table customer (customer_id bigint primary key, plan text not null, joined_at timestamptz not null);
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

create schema store;
create table store.item (shop_id integer, sku text, primary key (shop_id, sku));
create table store.movement (at_shop integer, item_sku text, moved_at timestamptz not null, pieces integer not null);

create table machine (machine_id uuid primary key);
create table reading (machine_id uuid, read_at timestamptz not null, kilowatt_hours numeric, status text);

create table visitor (visitor_id bigint primary key);
create table page_view (
  visitor_id bigint, viewed_at timestamptz not null, page text, seconds numeric, is_bot boolean not null);

create table account (account_id bigint primary key);
create table transfer (account_id bigint, amount numeric not null);

create table device (region text, device_id bigint, primary key (region, device_id)) partition by list (region);
create table device_eu partition of device for values in ('eu');
create table device_us partition of device for values in ('us');
create table ping (region text, device_id bigint, pinged_at timestamptz not null, network inet)
  partition by range (pinged_at);
create table ping_2026 partition of ping for values from ('2026-01-01') to ('2027-01-01');
create table ping_2027 partition of ping for values from ('2027-01-01') to ('2028-01-01');
