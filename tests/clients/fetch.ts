// Types of openapi-typescript, with openapi-fetch. It is compiled with --strict, and then run.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

type Film = components["schemas"]["films"];

const client = createClient<paths, "application/json">({ baseUrl: process.argv[2] });

const read = await client.GET("/films", {
  params: { query: { year: "gte.1990", order: "year.desc,id", limit: 3, select: "*,directors(*)" } },
});
const films: Film[] = read.data ?? [];
if (films.length !== 3 || films.some((film) => film.year < 1990 || !film.directors?.last_name)) {
  throw new Error(`films: ${JSON.stringify(read)}`);
}

const inserted = await client.POST("/reviews", {
  params: { header: { Prefer: "return=representation" } },
  body: [{ film_id: films[0].id, author: "openapi-fetch", stars: 4 }],
});
if (inserted.data?.length !== 1 || inserted.data[0].stars !== 4) {
  throw new Error(`inserted: ${JSON.stringify(inserted)}`);
}

const refused = await client.POST("/reviews", {
  body: [{ film_id: -1, author: "openapi-fetch", stars: 4 }],
});
if (refused.response.status !== 409 || refused.error?.code !== "23503") {
  throw new Error(`refused: ${JSON.stringify(refused)}`);
}

const called = await client.POST("/rpc/films_per_decade", { body: { from_year: 1950 } });
if (!called.data?.length || called.data.some((row) => (row.decade ?? 0) < 1950)) {
  throw new Error(`called: ${JSON.stringify(called)}`);
}
