SELECT count(*) AS total FROM (SELECT 1 FROM "projects" WHERE EXISTS (SELECT 1 FROM "clients" AS
  "c" WHERE "c"."id" = "projects"."client_id" AND "c"."city" = 'city 7')) _counted;
