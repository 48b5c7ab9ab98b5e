\set limit 25
\set offset 0
SELECT null::bigint AS total, pg_catalog.count(_row) AS page,
  nullif(current_setting('response.headers', true), '') AS headers,
  nullif(current_setting('response.status', true), '') AS status,
  coalesce(json_agg(_row), '[]') AS body
 FROM (SELECT "projects"."id", "projects"."name", coalesce("projects_tasks_1"."projects_tasks_1",
  '[]') AS "tasks" FROM (SELECT * FROM "projects" ORDER BY "projects"."budget", "projects"."id"
  LIMIT 25) AS "projects" LEFT JOIN LATERAL (SELECT json_agg("projects_tasks_1")::jsonb AS
  "projects_tasks_1" FROM (SELECT "tasks_1"."id", "tasks_1"."name" FROM "tasks" AS "tasks_1" WHERE
  "tasks_1"."project_id" = "projects"."id") AS "projects_tasks_1") AS "projects_tasks_1" ON TRUE
  ORDER BY "projects"."budget", "projects"."id") _row;
