-- GET /rpc/add?a={id}&b=0, with
--   v1: "bench", "public"
--   v2: web_anon
--   v3: {"role":"web_anon"}
--   v4: GET
--   v5: /rpc/add
--   v6: {"host":"localhost"}
--   v7: {}
--   v8: 0
-- Written by the benchmark from what the server would send; see perf/ceiling.rs.
\set id random(1, 100000)
\startpipeline
SELECT set_config('transaction_read_only', 'on', true), set_config('search_path', :v1, true), set_config('role', :v2, true), set_config('request.jwt.claims', :v3, true), set_config('request.method', :v4, true), set_config('request.path', :v5, true), set_config('request.headers', :v6, true), set_config('request.cookies', :v7, true);
WITH pgrst_source AS (SELECT pgrst_call.pgrst_scalar FROM (SELECT "bench"."add"("a" := :id::integer, "b" := :v8::integer) pgrst_scalar) pgrst_call) SELECT null::bigint AS total, (1 + 0 * pg_catalog.count(*)) AS page, nullif(current_setting('response.headers', true), '') AS headers, nullif(current_setting('response.status', true), '') AS status, coalesce(json_agg(_row.pgrst_scalar)->0, 'null') AS body FROM (SELECT "add".* FROM pgrst_source AS "add") _row;
\endpipeline
