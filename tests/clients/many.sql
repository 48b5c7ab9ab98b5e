-- 500 tables and 100 functions, for whoever makes code of a description of that size. The roles
-- are those of the film library, which has been loaded before.

create schema api;
grant usage on schema api to web_anon;
create type api.mood as enum ('good', 'bad');

select format(
  'create table api.table_%1$s (
     id bigint primary key generated always as identity,
     name text not null,
     mood api.mood default ''good'',
     amount numeric(10, 2),
     at timestamptz default now(),
     tags text[],
     parent_id bigint %2$s,
     data jsonb default ''{}'')',
  n, case when n > 1 then format('references api.table_%s', n / 2) end)
  from generate_series(1, 500) as n \gexec

select format(
  'create function api.sum_%s(a integer, b integer default 2) returns integer
     language sql immutable as ''select a + b''', n)
  from generate_series(1, 100) as n \gexec

grant select, insert, update, delete on all tables in schema api to web_anon;
