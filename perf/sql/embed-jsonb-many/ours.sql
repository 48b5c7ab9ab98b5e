SELECT null::bigint AS total, pg_catalog.count(_row) AS page,
  nullif(current_setting('response.headers', true), '') AS headers,
  nullif(current_setting('response.status', true), '') AS status,
  coalesce(json_agg(_row), '[]') AS body
 FROM (SELECT "p"."id", coalesce((SELECT json_agg(t)::jsonb FROM (SELECT "tasks".* FROM "tasks"
  WHERE "tasks"."project_id" = p.id ORDER BY "tasks"."id") t), '[]') AS tasks FROM "projects" p
  WHERE p.id <= 300) _row;
