-- GET /orders?select=id,placed_on,customer:customers(id,name)&id=gt.{id}&order=id&limit=25, with
--   v1: "bench", "public"
--   v2: web_anon
--   v3: {"role":"web_anon"}
--   v4: GET
--   v5: /orders
--   v6: {"host":"localhost"}
--   v7: {}
--   v8: 25
--   v9: 0
-- Written by the benchmark from what the server would send; see perf/ceiling.rs.
\set id random(1, 29900)
\startpipeline
SELECT pg_catalog.num_nonnulls(pg_catalog.set_config('transaction_read_only', 'on', true), pg_catalog.set_config('search_path', :v1, true), pg_catalog.set_config('role', :v2, true), pg_catalog.set_config('request.jwt.claims', :v3, true), pg_catalog.set_config('request.method', :v4, true), pg_catalog.set_config('request.path', :v5, true), pg_catalog.set_config('request.headers', :v6, true), pg_catalog.set_config('request.cookies', :v7, true));
SELECT null::bigint AS total, pg_catalog.count(*) AS page, coalesce(pg_catalog.json_agg(_row), '[]') AS body FROM (SELECT * FROM (SELECT "orders"."id", "orders"."placed_on", pg_catalog.to_jsonb("orders_customer_1".*) AS "customer" FROM "bench"."orders" LEFT JOIN LATERAL (SELECT "customers_1"."id", "customers_1"."name" FROM "bench"."customers" AS "customers_1" WHERE "customers_1"."id" = "orders"."customer_id") AS "orders_customer_1" ON TRUE WHERE "orders"."id" > :id ORDER BY "orders"."id" LIMIT 32) _page LIMIT :v8 OFFSET :v9) _row;
\endpipeline
