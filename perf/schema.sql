-- What the benchmarks read and write. `web_anon`, `bench_reader` and `authenticator` may exist
-- already; roles belong to the whole cluster.

\set ON_ERROR_STOP on
set client_min_messages = warning;

do $$
begin
  if not exists (select from pg_roles where rolname = 'web_anon') then
    create role web_anon nologin;
  end if;
  if not exists (select from pg_roles where rolname = 'bench_reader') then
    create role bench_reader nologin;
  end if;
  if not exists (select from pg_roles where rolname = 'authenticator') then
    create role authenticator login noinherit;
  end if;
end
$$;
grant web_anon, bench_reader to authenticator;

drop schema if exists bench cascade;
create schema bench;

create table bench.items (
  id         integer primary key,
  name       text not null,
  price      numeric(8, 2) not null,
  stock      integer not null,
  created_at timestamptz not null
);
insert into bench.items
select i, 'item number ' || i, i % 997 + 0.5, i % 100,
       timestamptz '2024-01-01 00:00:00+00' + i * interval '1 minute'
  from generate_series(1, 100000) i;
create index on bench.items (stock, price);

-- One row, so that one query waits once.
create view bench.slow as select 1 as id, pg_sleep(1)::text as waited;

-- Wide: 20 columns of the usual types, about 600 bytes of JSON.
create table bench.readings (
  id           integer primary key,
  station      text not null,
  region       text not null,
  operator     text not null,
  measured_at  timestamptz not null,
  received_at  timestamptz not null,
  is_valid     boolean not null,
  temperature  numeric(5, 2),
  humidity     numeric(5, 2),
  pressure     numeric(6, 1),
  wind_speed   double precision,
  wind_degrees smallint,
  rain_mm      numeric(6, 2),
  battery      real,
  signal       integer,
  firmware     text,
  uuid         uuid not null,
  tags         text[],
  details      jsonb,
  remark       text
);
insert into bench.readings
select i, 'station ' || i % 211, 'region ' || i % 13, 'operator ' || i % 7,
       timestamptz '2024-01-01 00:00:00+00' + i * interval '1 minute',
       timestamptz '2024-01-01 00:00:03+00' + i * interval '1 minute',
       i % 50 <> 0, i % 40 - 5.25, i % 100 + 0.5, 950 + i % 90, i % 30 / 3.0, i % 360,
       case when i % 3 = 0 then i % 20 / 4.0 end, 3 + i % 12 / 10.0, -40 - i % 60,
       'v' || i % 5 || '.' || i % 9, md5(i::text)::uuid, array['outdoor', 'tier ' || i % 4],
       jsonb_build_object('sensor', i % 17, 'calibrated', i % 2 = 0),
       case when i % 4 = 0 then 'a remark of the operator, number ' || i end
  from generate_series(1, 10000) i;

-- Three levels: a customer has three orders, each of them three lines.
create table bench.customers (
  id   integer primary key,
  name text not null,
  city text not null
);
create table bench.orders (
  id          integer primary key,
  customer_id integer not null references bench.customers,
  placed_on   date not null,
  state       text not null
);
create table bench.order_lines (
  id       integer primary key,
  order_id integer not null references bench.orders,
  item_id  integer not null references bench.items,
  quantity integer not null
);
insert into bench.customers
select i, 'customer ' || i, 'city ' || i % 89 from generate_series(1, 10000) i;
insert into bench.orders
select i, (i - 1) / 3 + 1, date '2024-01-01' + i % 365, (array['new', 'paid', 'sent'])[i % 3 + 1]
  from generate_series(1, 30000) i;
insert into bench.order_lines
select i, (i - 1) / 3 + 1, i, i % 9 + 1 from generate_series(1, 90000) i;
create index on bench.orders (customer_id);
create index on bench.order_lines (order_id);

-- Written to. Room in the pages, so that an update can stay in its page.
create table bench.entries (
  id         bigint generated always as identity primary key,
  label      text not null,
  amount     integer not null,
  created_at timestamptz not null default now()
);
create table bench.accounts (
  id      integer primary key,
  owner   text not null,
  balance integer not null
) with (fillfactor = 70);
insert into bench.accounts
select i, 'owner of account ' || i, 0 from generate_series(1, 100000) i;

-- The same rows, with and without row-level security. A reader sees all but the last 10,000.
create table bench.open_notes (
  id    integer primary key,
  owner text not null,
  title text not null,
  body  text not null
);
insert into bench.open_notes
select i, case when i <= 100000 then 'reader' else 'somebody else' end, 'note number ' || i,
       'what there is to say about number ' || i
  from generate_series(1, 110000) i;
create table bench.notes (like bench.open_notes including all);
insert into bench.notes select * from bench.open_notes;
alter table bench.notes enable row level security;
create policy own_notes on bench.notes for select
  using (owner = (select current_setting('request.jwt.claims', true)::json ->> 'sub'));

create function bench.add(a integer, b integer) returns integer
language sql immutable as 'select a + b';
create function bench.items_after(after integer) returns setof bench.items
language sql stable as 'select * from bench.items where id > after order by id limit 25';

-- Rows of 10 KiB that are made while they are read: a large answer takes no room on the disk.
create view bench.flood as
select i as id, repeat('0123456789abcdef ', 600) as payload from generate_series(1, 200000) i;

grant usage on schema bench to web_anon, bench_reader;
grant select on all tables in schema bench to web_anon;
grant insert on bench.entries to web_anon;
grant update on bench.accounts to web_anon;
grant select on bench.notes to bench_reader;
vacuum analyze;

-- Queries that take about so many milliseconds: of waiting, and of a CPU (a row of a series takes
-- some 0.1 µs).
create function bench.wait(ms double precision) returns integer language plpgsql as $$
begin
  perform pg_sleep(ms / 1000);
  return 1;
end
$$;
create function bench.work(ms double precision) returns integer language plpgsql as $$
begin
  perform count(*) from generate_series(1, (ms * 10000)::integer);
  return 1;
end
$$;
