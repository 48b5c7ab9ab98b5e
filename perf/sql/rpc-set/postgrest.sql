\set id random(1, 100000)
\set p random(0, 999)
WITH pgrst_source AS (SELECT pgrst_call.* FROM "open_projects"("p" := :p::int) pgrst_call) SELECT
  null::bigint AS total, pg_catalog.count(_r) AS page,
  nullif(current_setting('response.headers', true), '') AS headers,
  nullif(current_setting('response.status', true), '') AS status,
  coalesce(json_agg(_r), '[]') AS body
 FROM (SELECT "projects".* FROM pgrst_source AS "projects" WHERE "projects"."id" <= 2000) _r;
