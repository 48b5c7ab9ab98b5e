WITH pgrst_source AS (INSERT INTO "written"("name", "price", "stock", "created_at", "note",
  "flags") SELECT "pgrst_body"."name", "pgrst_body"."price", "pgrst_body"."stock",
  "pgrst_body"."created_at", "pgrst_body"."note", "pgrst_body"."flags" FROM (SELECT "name",
  "price", "stock", "created_at", "note", "flags" FROM jsonb_to_recordset(:payload::jsonb) AS
  _("name" text, "price" numeric, "stock" integer, "created_at" timestamp with time zone, "note"
  text, "flags" jsonb)) AS "pgrst_body" RETURNING 1) SELECT null::bigint AS total,
  pg_catalog.count(_row) AS page, nullif(current_setting('response.headers', true), '') AS
  headers, nullif(current_setting('response.status', true), '') AS status, ''::text AS body FROM
  (SELECT * FROM pgrst_source) _row;
