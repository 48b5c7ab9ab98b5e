\set limit 25
\set offset 0
SELECT null::bigint AS total, pg_catalog.count(_row) AS page,
  nullif(current_setting('response.headers', true), '') AS headers,
  nullif(current_setting('response.status', true), '') AS status,
  coalesce(json_agg(_row), '[]') AS body
 FROM (SELECT "projects"."id", "c"."client" FROM "projects" LEFT JOIN LATERAL (SELECT
  "clients_1"."name" AS "client" FROM "clients" AS "clients_1" WHERE "clients_1"."id" =
  "projects"."client_id") AS "c" ON TRUE ORDER BY "projects"."priority", "projects"."id" LIMIT
  :limit OFFSET :offset) _row;
