\set limit 25
\set offset 0
SELECT null::bigint AS total, pg_catalog.count(_row) AS page,
  nullif(current_setting('response.headers', true), '') AS headers,
  nullif(current_setting('response.status', true), '') AS status,
  coalesce(json_agg(_row), '[]') AS body
 FROM (SELECT "projects"."id", "t"."task" FROM "projects" LEFT JOIN LATERAL (SELECT
  json_agg("t")::jsonb AS "t", coalesce(json_agg("t"."task"), '[]')::jsonb AS "task" FROM (SELECT
  "tasks_1"."name" AS "task" FROM "tasks" AS "tasks_1" WHERE "tasks_1"."project_id" =
  "projects"."id") AS "t") AS "t" ON TRUE ORDER BY "projects"."id" LIMIT :limit OFFSET :offset)
  _row;
