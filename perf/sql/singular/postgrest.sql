\set id random(1, 100000)
WITH pgrst_source AS (SELECT "projects".* FROM "projects" WHERE "projects"."id" = :id)
SELECT null::bigint AS total, pg_catalog.count(_r) AS page,
  coalesce(json_agg(_r)->0, 'null') AS body,
  nullif(current_setting('response.headers', true), '') AS headers,
  nullif(current_setting('response.status', true), '') AS status, '' AS inserted
 FROM (SELECT * FROM pgrst_source) _r;
