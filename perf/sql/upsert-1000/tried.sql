WITH pgrst_source AS (INSERT INTO "written"("id", "name", "price", "stock", "created_at", "note",
  "flags") SELECT "pgrst_body"."id", "pgrst_body"."name", "pgrst_body"."price",
  "pgrst_body"."stock", "pgrst_body"."created_at", "pgrst_body"."note", "pgrst_body"."flags" FROM
  (SELECT "id", "name", "price", "stock", "created_at", "note", "flags" FROM
  json_to_recordset(:payload::json) AS _("id" integer, "name" text, "price" numeric, "stock"
  integer, "created_at" timestamp with time zone, "note" text, "flags" jsonb)) AS "pgrst_body"
  WHERE true ON CONFLICT("id") DO UPDATE SET "name" = EXCLUDED."name", "price" = EXCLUDED."price",
  "stock" = EXCLUDED."stock", "created_at" = EXCLUDED."created_at", "note" = EXCLUDED."note",
  "flags" = EXCLUDED."flags" RETURNING ("written".xmax = 0) AS _new) SELECT pg_catalog.count(*)
  FILTER (WHERE _row._new) AS total, pg_catalog.count(_row) AS page,
  nullif(current_setting('response.headers', true), '') AS headers,
  nullif(current_setting('response.status', true), '') AS status, ''::text AS body FROM (SELECT *
  FROM pgrst_source) _row;
