\set id random(1, 100000)
SELECT null::bigint AS total, pg_catalog.count(_row) AS page,
  nullif(current_setting('response.headers', true), '') AS headers,
  nullif(current_setting('response.status', true), '') AS status, coalesce(json_agg(_row)->0,
  'null') AS body FROM (SELECT "projects".* FROM "projects" WHERE "projects"."id" = :id) _row;
