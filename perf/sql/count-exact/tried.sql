\set limit 25
\set offset 0
SELECT null::bigint AS total, pg_catalog.count(_row) AS page,
  nullif(current_setting('response.headers', true), '') AS headers,
  nullif(current_setting('response.status', true), '') AS status,
  coalesce(json_agg(_row), '[]') AS body
 FROM (SELECT "_w".* FROM (SELECT "tasks".*, count(*) OVER () AS _n FROM "tasks" WHERE
  "tasks"."hours" > 20 ORDER BY "tasks"."id" LIMIT :limit OFFSET :offset) _w) _row;
