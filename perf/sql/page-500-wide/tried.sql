\set limit 500
\set offset 0
SELECT null::bigint AS total, pg_catalog.count(_row) AS page,
  nullif(current_setting('response.headers', true), '') AS headers,
  nullif(current_setting('response.status', true), '') AS status,
  coalesce(json_agg(_row), '[]') AS body
 FROM (SELECT "projects".* FROM "projects" ORDER BY "projects"."id" LIMIT 500) _row;
