-- What the benchmarks read: a table of 100,000 rows and a relation that takes a second.
-- `web_anon` and `authenticator` may exist already; roles belong to the whole cluster.

\set ON_ERROR_STOP on
set client_min_messages = warning;

do $$
begin
  if not exists (select from pg_roles where rolname = 'web_anon') then
    create role web_anon nologin;
  end if;
  if not exists (select from pg_roles where rolname = 'authenticator') then
    create role authenticator login noinherit;
  end if;
end
$$;
grant web_anon to authenticator;

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

-- One row, so that one query waits once.
create view bench.slow as select 1 as id, pg_sleep(1)::text as waited;

grant usage on schema bench to web_anon;
grant select on bench.items, bench.slow to web_anon;
vacuum analyze bench.items;
