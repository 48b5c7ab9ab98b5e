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

const single = createClient<paths, "application/vnd.pgrst.object+json">({
  baseUrl: process.argv[2],
  headers: { Accept: "application/vnd.pgrst.object+json" },
});
const one = await single.GET("/films", { params: { query: { id: `eq.${films[0].id}` } } });
if (one.data?.title !== films[0].title) {
  throw new Error(`one: ${JSON.stringify(one)}`);
}

const header = { Prefer: "return=representation" };
const inserted = await client.POST("/studios", {
  params: { header },
  body: [{ name: "openapi-fetch", city: "Kiel", founded: 1990 }],
});
if (inserted.data?.length !== 1 || inserted.data[0].founded !== 1990) {
  throw new Error(`inserted: ${JSON.stringify(inserted)}`);
}

const query = { id: `eq.${inserted.data[0].id}` };
const updated = await client.PATCH("/studios", { params: { query, header }, body: { founded: 1991 } });
if (updated.data?.length !== 1 || updated.data[0].founded !== 1991) {
  throw new Error(`updated: ${JSON.stringify(updated)}`);
}

const deleted = await client.DELETE("/studios", { params: { query, header } });
if (deleted.data?.length !== 1 || deleted.data[0].name !== "openapi-fetch") {
  throw new Error(`deleted: ${JSON.stringify(deleted)}`);
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
