\set limit 25
\set offset 0
SELECT null::bigint AS total, pg_catalog.count(_row) AS page,
  nullif(current_setting('response.headers', true), '') AS headers,
  nullif(current_setting('response.status', true), '') AS status,
  coalesce(json_agg(_row), '[]') AS body
 FROM (SELECT "projects"."id", "projects"."name", coalesce((SELECT json_agg("t")::jsonb FROM
  (SELECT "tasks_1"."id", "tasks_1"."name" FROM "tasks" AS "tasks_1" WHERE "tasks_1"."hours" =
  39.99 AND "tasks_1"."due" = '2023-05-05' AND "tasks_1"."project_id" = "projects"."id") AS "t"),
  '[]') AS "tasks" FROM "projects" WHERE EXISTS (SELECT 1 FROM "tasks" AS "tasks_1" WHERE
  "tasks_1"."hours" = 39.99 AND "tasks_1"."due" = '2023-05-05' AND "tasks_1"."project_id" =
  "projects"."id") ORDER BY "projects"."id" LIMIT 25) _row;
