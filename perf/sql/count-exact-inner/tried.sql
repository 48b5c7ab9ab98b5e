SELECT count(*) AS total FROM "projects", "clients" c WHERE c.id = projects.client_id AND c.city =
  'city 7';
