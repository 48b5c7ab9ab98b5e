\set id random(1, 100000)
\set p random(0, 999)
WITH pgrst_source AS (SELECT pgrst_call.pgrst_scalar FROM (SELECT "add_them"("a" := :id::int, "b"
  := '2'::int) pgrst_scalar) pgrst_call) SELECT null::bigint AS total, 1::bigint AS page,
  nullif(current_setting('response.headers', true), '') AS headers,
  nullif(current_setting('response.status', true), '') AS status,
  coalesce(json_agg(_row.pgrst_scalar)->0, 'null') AS body FROM (SELECT "add_them".* FROM
  pgrst_source AS "add_them") _row;
