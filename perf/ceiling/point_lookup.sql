-- The ceiling: the statements of one request, sent by a client that does nothing else. One
-- flush, one Sync, hence one implicit transaction. Run with `pgbench --protocol=prepared`; the
-- settings come as variables (`--define`), so that they are parameters here, too. The texts are
-- those of src/api/query/{settings,read}.rs; change them together.
\set id random(1, 100000)
\startpipeline
SELECT set_config('transaction_read_only', 'on', true),
       set_config('search_path', :search_path, true), set_config('role', :role, true),
       set_config('request.jwt.claims', :claims, true), set_config('request.method', :method, true),
       set_config('request.path', :path, true), set_config('request.headers', :headers, true),
       set_config('request.cookies', :cookies, true);
SELECT null::bigint AS total, pg_catalog.count(_row) AS page,
       nullif(current_setting('response.headers', true), '') AS headers,
       nullif(current_setting('response.status', true), '') AS status,
       coalesce(json_agg(_row), '[]') AS body
  FROM (SELECT "items".* FROM "bench"."items" WHERE "items"."id" = :id) _row;
\endpipeline
