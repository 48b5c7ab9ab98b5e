\set id random(1, 100000)
\startpipeline
SELECT null::bigint AS total, pg_catalog.count(_row) AS page,
  nullif(current_setting('response.headers', true), '') AS headers,
  nullif(current_setting('response.status', true), '') AS status,
  coalesce(json_agg(_row), '[]') AS body
 FROM (SELECT "items".* FROM "items" WHERE "items"."id" = :id) _row;
\endpipeline
