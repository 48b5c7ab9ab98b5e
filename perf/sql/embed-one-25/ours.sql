\set limit 25
\set offset 0
SELECT null::bigint AS total, pg_catalog.count(_row) AS page,
  nullif(current_setting('response.headers', true), '') AS headers,
  nullif(current_setting('response.status', true), '') AS status,
  coalesce(json_agg(_row), '[]') AS body
 FROM (SELECT "projects"."id", "projects"."name", row_to_json("projects_clients_1".*)::jsonb AS
  "client" FROM "projects" LEFT JOIN LATERAL (SELECT "clients_1"."id", "clients_1"."name",
  "clients_1"."city" FROM "clients" AS "clients_1" WHERE "clients_1"."id" =
  "projects"."client_id") AS "projects_clients_1" ON TRUE ORDER BY "projects"."id" LIMIT :limit
  OFFSET :offset) _row;
