\set limit 25
\set offset 0
WITH pgrst_source AS (SELECT "projects"."id", coalesce("t"."t", '[]') AS "tags" FROM "projects"
  LEFT JOIN LATERAL (SELECT json_agg("t")::jsonb AS "t" FROM (SELECT "tags_1"."id",
  "tags_1"."name" FROM "tags" AS "tags_1", "project_tags" WHERE "project_tags"."project_id" =
  "projects"."id" AND "project_tags"."tag_id" = "tags_1"."id") AS "t") AS "t" ON TRUE ORDER BY
  "projects"."id" LIMIT :limit OFFSET :offset)
SELECT null::bigint AS total, pg_catalog.count(_r) AS page,
  coalesce(json_agg(_r), '[]') AS body,
  nullif(current_setting('response.headers', true), '') AS headers,
  nullif(current_setting('response.status', true), '') AS status, '' AS inserted
 FROM (SELECT * FROM pgrst_source) _r;
