\set limit 25
\set offset 10000
WITH pgrst_source AS (SELECT "projects"."id", "projects"."name",
  coalesce("projects_tasks_1"."projects_tasks_1", '[]') AS "tasks" FROM "projects" LEFT JOIN
  LATERAL (SELECT json_agg("projects_tasks_1")::jsonb AS "projects_tasks_1" FROM (SELECT
  "tasks_1"."id", "tasks_1"."name" FROM "tasks" AS "tasks_1" WHERE "tasks_1"."project_id" =
  "projects"."id") AS "projects_tasks_1") AS "projects_tasks_1" ON TRUE ORDER BY "projects"."id"
  LIMIT :limit OFFSET :offset)
SELECT null::bigint AS total, pg_catalog.count(_r) AS page,
  coalesce(json_agg(_r), '[]') AS body,
  nullif(current_setting('response.headers', true), '') AS headers,
  nullif(current_setting('response.status', true), '') AS status, '' AS inserted
 FROM (SELECT * FROM pgrst_source) _r;
