\set limit 25
\set offset 0
SELECT (SELECT pg_catalog.count(*) FROM (SELECT 1 FROM "tasks" WHERE "tasks"."hours" > 20)
  _counted) AS total, pg_catalog.count(_row) AS page,
  nullif(current_setting('response.headers', true), '') AS headers,
  nullif(current_setting('response.status', true), '') AS status,
  coalesce(json_agg(_row), '[]') AS body
 FROM (SELECT "tasks".* FROM "tasks" WHERE "tasks"."hours" > 20 ORDER BY "tasks"."id" LIMIT :limit
  OFFSET :offset) _row;
