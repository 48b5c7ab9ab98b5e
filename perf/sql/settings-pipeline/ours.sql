\set id random(1, 100000)
\startpipeline
SELECT set_config('transaction_read_only', 'on', true), set_config('search_path', :p, true),
  set_config('role', :r, true), set_config('request.jwt.claims', :c, true),
  set_config('request.method', :m, true), set_config('request.path', :path, true),
  set_config('request.headers', :h, true), set_config('request.cookies', :k, true);
SELECT null::bigint AS total, pg_catalog.count(_row) AS page,
  nullif(current_setting('response.headers', true), '') AS headers,
  nullif(current_setting('response.status', true), '') AS status,
  coalesce(json_agg(_row), '[]') AS body
 FROM (SELECT "items".* FROM "items" WHERE "items"."id" = :id) _row;
\endpipeline
