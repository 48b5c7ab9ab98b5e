// The client of openapi-generator, typescript-fetch.
import { Configuration, FilmsApi, RpcApi, StudiosApi } from "./typescript-fetch/index";

const configuration = new Configuration({ basePath: process.argv[2] });

const films = await new FilmsApi(configuration).readFilms({
  year: "gte.1990",
  order: "year.desc,id",
  limit: 3,
});
if (films.length !== 3 || films.some((film) => film.year < 1990)) {
  throw new Error(`films: ${JSON.stringify(films)}`);
}

const [one] = await new FilmsApi(configuration).readFilms({ id: `eq.${films[0].id}` });
if (one.title !== films[0].title) {
  throw new Error(`one: ${JSON.stringify(one)}`);
}

const studios = new StudiosApi(configuration);
const prefer = "return=representation";
const inserted = await studios.insertStudios({
  prefer,
  studiosInsert: [{ name: "typescript-fetch", city: "Kiel", founded: 1990 }],
});
if (inserted.length !== 1 || inserted[0].founded !== 1990) {
  throw new Error(`inserted: ${JSON.stringify(inserted)}`);
}

const id = `eq.${inserted[0].id}`;
const updated = await studios.updateStudios({ id, prefer, studiosUpdate: { founded: 1991 } });
if (updated?.length !== 1 || updated[0].founded !== 1991 || updated[0].city !== "Kiel") {
  throw new Error(`updated: ${JSON.stringify(updated)}`);
}

const deleted = await studios.deleteStudios({ id, prefer });
if (deleted?.length !== 1 || deleted[0].id !== inserted[0].id) {
  throw new Error(`deleted: ${JSON.stringify(deleted)}`);
}

const rows = await new RpcApi(configuration).callFilmsPerDecade({
  filmsPerDecadeArgs: { fromYear: 1950 },
});
if (!rows.length || rows.some((row) => (row.decade ?? 0) < 1950)) {
  throw new Error(`called: ${JSON.stringify(rows)}`);
}
