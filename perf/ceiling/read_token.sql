-- GET /notes?id=eq.{id}, with
--   v1: "bench", "public"
--   v2: bench_reader
--   v3: {"role":"bench_reader","sub":"reader"}
--   v4: GET
--   v5: /notes
--   v6: {"host":"localhost","authorization":"Bearer eyJhbGciOiJIUzI1NiIsInR5cC … (178 bytes)
--   v7: {}
-- Written by the benchmark from what the server would send; see perf/ceiling.rs.
\set id random(1, 100000)
\startpipeline
SELECT pg_catalog.num_nonnulls(CASE WHEN pg_catalog.current_setting('response.headers', true) OPERATOR(pg_catalog.<>) '' THEN pg_catalog.set_config('response.headers', '', true) END, CASE WHEN pg_catalog.current_setting('response.status', true) OPERATOR(pg_catalog.<>) '' THEN pg_catalog.set_config('response.status', '', true) END, pg_catalog.set_config('transaction_read_only', 'on', true), pg_catalog.set_config('search_path', :v1, true), pg_catalog.set_config('role', :v2, true), pg_catalog.set_config('request.jwt.claims', :v3, true), pg_catalog.set_config('request.method', :v4, true), pg_catalog.set_config('request.path', :v5, true), pg_catalog.set_config('request.headers', :v6, true), pg_catalog.set_config('request.cookies', :v7, true));
SELECT null::bigint AS total, pg_catalog.count(*) AS page, pg_catalog.current_setting('response.headers', true) AS headers, pg_catalog.current_setting('response.status', true) AS status, coalesce(pg_catalog.json_agg(_row), '[]') AS body FROM (SELECT "notes".* FROM "bench"."notes" WHERE "notes"."id" = :id) _row;
\endpipeline
