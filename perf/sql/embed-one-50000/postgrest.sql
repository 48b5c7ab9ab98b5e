\set limit 50000
\set offset 0
WITH pgrst_source AS (SELECT "projects"."id", "projects"."name",
  row_to_json("projects_clients_1".*)::jsonb AS "client" FROM "projects" LEFT JOIN LATERAL (SELECT
  "clients_1"."id", "clients_1"."name", "clients_1"."city" FROM "clients" AS "clients_1" WHERE
  "clients_1"."id" = "projects"."client_id") AS "projects_clients_1" ON TRUE ORDER BY
  "projects"."id" LIMIT :limit OFFSET :offset)
SELECT null::bigint AS total, pg_catalog.count(_r) AS page,
  coalesce(json_agg(_r), '[]') AS body,
  nullif(current_setting('response.headers', true), '') AS headers,
  nullif(current_setting('response.status', true), '') AS status, '' AS inserted
 FROM (SELECT * FROM pgrst_source) _r;
