// The client of openapi-generator, typescript-fetch.
import { Configuration, FilmsApi, ReviewsApi, RpcApi } from "./typescript-fetch/index";

const configuration = new Configuration({ basePath: process.argv[2] });

const films = await new FilmsApi(configuration).readFilms({
  year: "gte.1990",
  order: "year.desc,id",
  limit: 3,
});
if (films.length !== 3 || films.some((film) => film.year < 1990)) {
  throw new Error(`films: ${JSON.stringify(films)}`);
}

const inserted = await new ReviewsApi(configuration).insertReviews({
  prefer: "return=representation",
  reviewsInsert: [{ filmId: films[0].id, author: "typescript-fetch", stars: 4 }],
});
if (inserted.length !== 1 || inserted[0].stars !== 4) {
  throw new Error(`inserted: ${JSON.stringify(inserted)}`);
}

const rows = await new RpcApi(configuration).callFilmsPerDecade({
  filmsPerDecadeArgs: { fromYear: 1950 },
});
if (!rows.length || rows.some((row) => (row.decade ?? 0) < 1950)) {
  throw new Error(`called: ${JSON.stringify(rows)}`);
}
