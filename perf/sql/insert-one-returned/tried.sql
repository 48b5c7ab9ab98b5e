WITH pgrst_source AS (INSERT INTO "written"("name", "price", "stock", "created_at", "note",
  "flags") VALUES ('item', '12.5', '3', '2024-01-01T00:00:00Z', 'some note', '{"a":[1,2]}')
  RETURNING "written".*) SELECT null::bigint AS total, pg_catalog.count(_row) AS page,
  nullif(current_setting('response.headers', true), '') AS headers,
  nullif(current_setting('response.status', true), '') AS status, coalesce(json_agg(_row), '[]')
  AS body FROM (SELECT "written".* FROM pgrst_source AS "written") _row;
