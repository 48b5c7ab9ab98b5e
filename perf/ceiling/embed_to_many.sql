-- GET /customers?select=id,name,orders(id,placed_on,order_lines(item_id,quantity))&id=gt.{id}&order=id&limit=10, with
--   v1: "bench", "public"
--   v2: web_anon
--   v3: {"role":"web_anon"}
--   v4: GET
--   v5: /customers
--   v6: {"host":"localhost"}
--   v7: {}
--   v8: 10
--   v9: 0
-- Written by the benchmark from what the server would send; see perf/ceiling.rs.
\set id random(1, 9900)
\startpipeline
SELECT pg_catalog.num_nonnulls(pg_catalog.set_config('transaction_read_only', 'on', true), pg_catalog.set_config('search_path', :v1, true), pg_catalog.set_config('role', :v2, true), pg_catalog.set_config('request.jwt.claims', :v3, true), pg_catalog.set_config('request.method', :v4, true), pg_catalog.set_config('request.path', :v5, true), pg_catalog.set_config('request.headers', :v6, true), pg_catalog.set_config('request.cookies', :v7, true));
SELECT null::bigint AS total, pg_catalog.count(*) AS page, coalesce(pg_catalog.json_agg(_row), '[]') AS body FROM (SELECT * FROM (SELECT "customers"."id", "customers"."name", coalesce("customers_orders_1"."customers_orders_1", '[]') AS "orders" FROM "bench"."customers" LEFT JOIN LATERAL (SELECT pg_catalog.jsonb_agg("customers_orders_1") AS "customers_orders_1" FROM (SELECT "orders_1"."id", "orders_1"."placed_on", coalesce("orders_order_lines_2"."orders_order_lines_2", '[]') AS "order_lines" FROM "bench"."orders" AS "orders_1" LEFT JOIN LATERAL (SELECT pg_catalog.jsonb_agg("orders_order_lines_2") AS "orders_order_lines_2" FROM (SELECT "order_lines_2"."item_id", "order_lines_2"."quantity" FROM "bench"."order_lines" AS "order_lines_2" WHERE "order_lines_2"."order_id" = "orders_1"."id") AS "orders_order_lines_2") AS "orders_order_lines_2" ON TRUE WHERE "orders_1"."customer_id" = "customers"."id") AS "customers_orders_1") AS "customers_orders_1" ON TRUE WHERE "customers"."id" > :id ORDER BY "customers"."id" LIMIT 16) _page LIMIT :v8 OFFSET :v9) _row;
\endpipeline
