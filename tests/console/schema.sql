-- What the sample database lacks, and the console must bear: names and values that would run as a
-- script if they were taken for HTML, two ways from one relation to another, numbers that JavaScript
-- cannot hold, a stream of events, and a thousand tables.

\set ON_ERROR_STOP on
set client_min_messages = warning;

begin;

create schema hostile;
comment on schema hostile is '<img src=x onerror="window.ran = 1">';
set local search_path = hostile;

create table "<img src=x onerror=""window.ran = 2"">" (
  id bigint primary key,
  "<script>window.ran = 3</script>" text
);
comment on table "<img src=x onerror=""window.ran = 2"">" is
  '<svg onload="window.ran = 4"> ${window.ran = 5} </script><script>window.ran = 6</script>';
comment on column "<img src=x onerror=""window.ran = 2"">"."<script>window.ran = 3</script>" is
  '"><img src=x onerror="window.ran = 7">';
insert into "<img src=x onerror=""window.ran = 2"">" values
  (9007199254740993, '<img src=x onerror="window.ran = 8"><a href="javascript:window.ran = 9">x</a>');

create table "__proto__" (id integer primary key, "constructor" text, "a/b?c#d&e=f" text);
insert into "__proto__" values (1, 'x', 'y');

create table teams (id integer primary key, name text);
create table games (
  id   integer primary key,
  home integer references teams,
  away integer references teams
);
insert into teams values (1, 'red'), (2, 'blue');
create table crests (team integer primary key references teams, colour text);
insert into crests values (1, 'red');
insert into games values (1, 1, 2);

create table "odd.names (all)!x" (
  id integer primary key, "select" text, "order" text, "and" text, "dot.ted" text, "a->b" text,
  "a::b" text, "a:b" text, "say ""hi""" text, "back\slash" text, "blank " text, "f(x)" text,
  "1st" text, "ünï" text, "a,b" text
);
insert into "odd.names (all)!x" values (
  1, 'select', 'order', 'and', 'dot.ted', 'a->b', 'a::b', 'a:b', 'say "hi"', 'back\slash', 'blank ',
  'f(x)', '1st', 'ünï', 'a,b'
);
insert into "odd.names (all)!x" (id) values (2);
create table referring (id integer primary key, odd integer references "odd.names (all)!x");
insert into referring values (1, 1);

create domain "text/event-stream" as text;
create function ticks() returns "text/event-stream" language sql stable as $$ select 'ticks' $$;
create function tick(word text) returns void language sql as $$ select pg_notify('ticks', word) $$;

-- So many thousand letters; a value inside of so many others; a row of so many columns; an error.
create function large(rows integer) returns setof text language sql stable as $$
  select repeat('<img src=x>', 91) from generate_series(1, rows)
$$;
create function deep(levels integer) returns json language sql immutable as $$
  select (repeat('[{"a":', levels) || '1' || repeat('}]', levels))::json
$$;
create function wide(members integer) returns json language sql immutable as $$
  select json_object_agg('column ' || number, number) from generate_series(1, members) as number
$$;
create function mixed() returns json language sql immutable as $$
  select '[{"constructor":1,"__proto__":2},{"a":3}]'::json
$$;
create function failing(words text) returns integer language plpgsql stable as $$
begin
  raise exception '<img src=x onerror="window.ran = 10">'
    using detail = '<script>window.ran = 11</script>', hint = '"><svg onload="window.ran = 12">',
          errcode = 'P0001';
end
$$;

create schema many;
do $$
begin
  for number in 1 .. 1000 loop
    execute format(
      'create table many.%I (id integer primary key, name text, parent_id integer)',
      'table_' || number
    );
    if number > 1 then
      execute format(
        'alter table many.%I add foreign key (parent_id) references many.%I',
        'table_' || number, 'table_' || number / 2
      );
    end if;
  end loop;
end
$$;

grant usage on schema hostile, many to web_anon, customer;
grant select on all tables in schema hostile, many to web_anon, customer;

commit;
