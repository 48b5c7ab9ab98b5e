\set limit 25
\set offset 0
WITH pgrst_source AS (SELECT "projects"."id", "projects"."name" FROM "projects" LEFT JOIN LATERAL
  (SELECT json_agg("t")::jsonb AS "t" FROM (SELECT "tasks_1"."id", "tasks_1"."name" FROM "tasks"
  AS "tasks_1" WHERE "tasks_1"."due" = '2023-05-05' AND "tasks_1"."project_id" = "projects"."id")
  AS "t") AS "t" ON TRUE WHERE "t" IS NOT DISTINCT FROM NULL ORDER BY "projects"."id" LIMIT :limit
  OFFSET :offset)
SELECT null::bigint AS total, pg_catalog.count(_r) AS page,
  coalesce(json_agg(_r), '[]') AS body,
  nullif(current_setting('response.headers', true), '') AS headers,
  nullif(current_setting('response.status', true), '') AS status, '' AS inserted
 FROM (SELECT * FROM pgrst_source) _r;
