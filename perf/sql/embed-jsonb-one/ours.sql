SELECT null::bigint AS total, pg_catalog.count(_row) AS page,
  nullif(current_setting('response.headers', true), '') AS headers,
  nullif(current_setting('response.status', true), '') AS status,
  coalesce(json_agg(_row), '[]') AS body
 FROM (SELECT row_to_json(x.*)::jsonb AS client FROM (SELECT "clients".* FROM "clients" WHERE
  "clients"."id" <= 1000) x) _row;
