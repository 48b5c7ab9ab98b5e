\set limit 1000
\set offset 0
SELECT null::bigint AS total, pg_catalog.count(_row) AS page,
  nullif(current_setting('response.headers', true), '') AS headers,
  nullif(current_setting('response.status', true), '') AS status,
  coalesce(json_agg(_row), '[]') AS body
 FROM (SELECT "projects"."id", "projects"."name", (SELECT row_to_json("c".*)::jsonb FROM (SELECT
  "clients_1"."id", "clients_1"."name", "clients_1"."city" FROM "clients" AS "clients_1" WHERE
  "clients_1"."id" = "projects"."client_id") AS "c") AS "client" FROM "projects" ORDER BY
  "projects"."id" LIMIT 1000) _row;
