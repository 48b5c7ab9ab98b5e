\set id random(1, 100000)
\set p random(0, 999)
SELECT null::bigint AS total, 1::bigint AS page, nullif(current_setting('response.headers', true),
  '') AS headers, nullif(current_setting('response.status', true), '') AS status,
  coalesce(to_json(_row.pgrst_scalar), 'null') AS body FROM (SELECT "add_them"("a" := :id::int,
  "b" := '2'::int) AS pgrst_scalar OFFSET 0) _row;
