-- POST /entries, with
--   v1: "bench", "public"
--   v2: web_anon
--   v3: {"role":"web_anon"}
--   v4: POST
--   v5: /entries
--   v6: {"host":"localhost","content-type":"application/json","content-length" … (79 bytes)
--   v7: {}
--   v8: [{"label":"one of a thousand","amount":12345},{"label":"one of a thous … (45001 bytes)
-- Written by the benchmark from what the server would send; see perf/ceiling.rs.
\set id random(1, 100000)
\startpipeline
SELECT pg_catalog.num_nonnulls(CASE WHEN pg_catalog.current_setting('response.headers', true) OPERATOR(pg_catalog.<>) '' THEN pg_catalog.set_config('response.headers', '', true) END, CASE WHEN pg_catalog.current_setting('response.status', true) OPERATOR(pg_catalog.<>) '' THEN pg_catalog.set_config('response.status', '', true) END, pg_catalog.set_config('search_path', :v1, true), pg_catalog.set_config('role', :v2, true), pg_catalog.set_config('request.jwt.claims', :v3, true), pg_catalog.set_config('request.method', :v4, true), pg_catalog.set_config('request.path', :v5, true), pg_catalog.set_config('request.headers', :v6, true), pg_catalog.set_config('request.cookies', :v7, true));
WITH pgrst_source AS (INSERT INTO "bench"."entries"("amount", "label") SELECT "pgrst_body"."amount", "pgrst_body"."label" FROM (SELECT "amount", "label" FROM pg_catalog.json_to_recordset(:v8::pg_catalog.json) AS _("amount" integer, "label" pg_catalog.text)) AS "pgrst_body" RETURNING 1) SELECT null::bigint AS total, pg_catalog.count(_row) AS page, pg_catalog.current_setting('response.headers', true) AS headers, pg_catalog.current_setting('response.status', true) AS status, null::pg_catalog.json AS location, ''::pg_catalog.text AS body FROM (SELECT * FROM pgrst_source) _row;
\endpipeline
