\set limit 25
\set offset 0
SELECT null::bigint AS total, pg_catalog.count(_row) AS page,
  nullif(current_setting('response.headers', true), '') AS headers,
  nullif(current_setting('response.status', true), '') AS status,
  coalesce(json_agg(_row), '[]') AS body
 FROM (SELECT "projects"."id", coalesce("t"."t", '[]') AS "tags" FROM "projects" LEFT JOIN LATERAL
  (SELECT json_agg("t")::jsonb AS "t" FROM (SELECT "tags_1"."id", "tags_1"."name" FROM "tags" AS
  "tags_1", "project_tags" WHERE "project_tags"."project_id" = "projects"."id" AND
  "project_tags"."tag_id" = "tags_1"."id") AS "t") AS "t" ON TRUE ORDER BY "projects"."id" LIMIT
  25) _row;
