-- GET /open_notes?id=eq.{id}, with
--   v1: "bench", "public"
--   v2: web_anon
--   v3: {"role":"web_anon"}
--   v4: GET
--   v5: /open_notes
--   v6: {"host":"localhost"}
--   v7: {}
-- Written by the benchmark from what the server would send; see perf/ceiling.rs.
\set id random(1, 100000)
\startpipeline
SELECT pg_catalog.num_nonnulls(pg_catalog.set_config('transaction_read_only', 'on', true), pg_catalog.set_config('search_path', :v1, true), pg_catalog.set_config('role', :v2, true), pg_catalog.set_config('request.jwt.claims', :v3, true), pg_catalog.set_config('request.method', :v4, true), pg_catalog.set_config('request.path', :v5, true), pg_catalog.set_config('request.headers', :v6, true), pg_catalog.set_config('request.cookies', :v7, true));
SELECT null::bigint AS total, pg_catalog.count(*) AS page, coalesce(pg_catalog.json_agg(_row), '[]') AS body FROM (SELECT "open_notes".* FROM "bench"."open_notes" WHERE "open_notes"."id" = :id) _row;
\endpipeline
