-- PATCH /accounts?id=eq.{id}, with
--   v1: "bench", "public"
--   v2: web_anon
--   v3: {"role":"web_anon"}
--   v4: PATCH
--   v5: /accounts
--   v6: {"host":"localhost","content-type":"application/json","content-length" … (76 bytes)
--   v7: {}
--   v8: {"balance":12345}
-- Written by the benchmark from what the server would send; see perf/ceiling.rs.
\set id random(1, 100000)
\startpipeline
SELECT pg_catalog.num_nonnulls(CASE WHEN pg_catalog.current_setting('response.headers', true) OPERATOR(pg_catalog.<>) '' THEN pg_catalog.set_config('response.headers', '', true) END, CASE WHEN pg_catalog.current_setting('response.status', true) OPERATOR(pg_catalog.<>) '' THEN pg_catalog.set_config('response.status', '', true) END, pg_catalog.set_config('search_path', :v1, true), pg_catalog.set_config('role', :v2, true), pg_catalog.set_config('request.jwt.claims', :v3, true), pg_catalog.set_config('request.method', :v4, true), pg_catalog.set_config('request.path', :v5, true), pg_catalog.set_config('request.headers', :v6, true), pg_catalog.set_config('request.cookies', :v7, true));
WITH pgrst_source AS (UPDATE "bench"."accounts" SET "balance" = "pgrst_body"."balance" FROM (SELECT "balance" FROM pg_catalog.json_to_record(:v8::pg_catalog.json) AS _("balance" integer)) AS "pgrst_body" WHERE "accounts"."id" = :id RETURNING 1) SELECT null::bigint AS total, pg_catalog.count(_row) AS page, pg_catalog.current_setting('response.headers', true) AS headers, pg_catalog.current_setting('response.status', true) AS status, null::pg_catalog.json AS location, ''::pg_catalog.text AS body FROM (SELECT * FROM pgrst_source) _row;
\endpipeline
