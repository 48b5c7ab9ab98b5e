\set limit 25
\set offset 0
WITH pgrst_source AS (SELECT "tasks".* FROM "tasks" WHERE "tasks"."hours" > 20 ORDER BY
  "tasks"."id" LIMIT :limit OFFSET :offset), pgrst_source_count AS (SELECT 1 FROM "tasks" WHERE
  "tasks"."hours" > 20)
SELECT (SELECT pg_catalog.count(*) FROM pgrst_source_count) AS total, pg_catalog.count(_r) AS page,
  coalesce(json_agg(_r), '[]') AS body,
  nullif(current_setting('response.headers', true), '') AS headers,
  nullif(current_setting('response.status', true), '') AS status, '' AS inserted
 FROM (SELECT * FROM pgrst_source) _r;
