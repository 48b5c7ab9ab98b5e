\set limit 25
\set offset 0
WITH pgrst_source AS (SELECT "projects".* FROM "projects" ORDER BY "projects"."id" LIMIT :limit
  OFFSET :offset)
SELECT null::bigint AS total, pg_catalog.count(_r) AS page,
  coalesce(json_agg(_r), '[]') AS body,
  nullif(current_setting('response.headers', true), '') AS headers,
  nullif(current_setting('response.status', true), '') AS status, '' AS inserted
 FROM (SELECT * FROM pgrst_source) _r;
