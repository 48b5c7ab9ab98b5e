// What the console writes for other languages under "Code" is run, and has to give what the request
// itself gives: with curl, with postgrest-js, and in Python with postgrest, or with requests where
// that has no words for it. The arguments are the server's address and the Python that has both.

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { curl, javascript, python } from "./console/code.js";
import { Request } from "./console/request.js";

const [, , base, interpreter] = process.argv;
const REPRESENTATION = "return=representation";

const OBJECT = "application/vnd.pgrst.object+json";

/** The method, the address, preferences, the body, the type of the answer. */
const REQUESTS = [
  ["GET", "films?select=title,directors(last_name)&year=gte.1990&title=ilike.*e*&order=year.desc,id&limit=3"],
  ["GET", "films?select=id,d:directors!inner(last_name)&d.last_name=neq.Nobody&rating=not.is.null&order=id&limit=4&offset=2"],
  ["GET", "films?select=id&or=(year.lt.1950,year.gt.2000)&id=in.(1,2,3,4,5,6,7,8,9,10,11,12)&order=id"],
  ["GET", "films?select=id,reviews(id,stars)&reviews.order=stars.desc,id&reviews.limit=2&reviews.stars=gt.1&order=id.desc&limit=3"],
  ["GET", 'directors?last_name=not.in.("a,b",c)&order=last_name.desc.nullslast,id&limit=5'],
  ["GET", "films?select=id&title=neq.it%27s%20%22quoted%22%2C%20%5C%20%24HOME%20%60id%60%20%25%26%2B%23&order=id&limit=2"],
  ["GET", "films?select=id,sequels(title),latest_review(stars)&order=id&limit=3"],
  ["GET", "films?select=id&order=id&limit=2", "count=exact"],
  ["GET", "rpc/films_per_decade?from_year=1950&order=decade.desc&limit=2"],
  ["POST", "rpc/films_per_decade", "", { from_year: 1950, to_year: 1999 }],
  ["POST", "reviews?select=film_id,author,stars", REPRESENTATION, { film_id: 1, author: 'it\'s "x" \\', stars: 4 }],
  ["PATCH", "studios?id=eq.1&select=id,founded", REPRESENTATION, { founded: 1901 }],
  ["DELETE", "studios?id=eq.-1&select=id", REPRESENTATION],
  ["GET", 'directors?select="last_name"&last_name=not.like.*a*&last_name=not.is.null&order=last_name.asc.nullsfirst,id'],
  ["GET", "films?select=id,reviews(id,author)&reviews.or=(stars.gt.3,and(stars.eq.1,id.gt.5))&reviews.order=id&order=id&limit=3"],
  ["GET", "films?select=title&id=eq.1", "", undefined, OBJECT],
  ["GET", "films?select=id,title&order=id&limit=2", "", undefined, "text/csv"],
  ["POST", "rpc/films_per_decade?select=decade&decade=gte.1970&order=decade.desc", "", { from_year: 1950, to_year: 1999 }],
  ["POST", "reviews?select=author,stars", REPRESENTATION, [{ film_id: 2, author: "true, null", stars: 1 }, { film_id: 2, author: 'false: "ü"\n', stars: 2 }]],
  ["POST", "studios?on_conflict=id&select=name,founded", `resolution=merge-duplicates, ${REPRESENTATION}`, { id: 2, name: "Two", city: "Bergen", founded: 1902 }],
  ["PUT", "studios?id=eq.3&select=id,name,founded", REPRESENTATION, { id: 3, name: "Three", city: "Bergen", founded: 1903 }],
];

/** What postgrest-js has no words for. */
const NOT_IN_JAVASCRIPT = [["GET", "directors?select=id&order=id&offset=3"]];

/** What neither client of Supabase has words for, and requests has. */
const ONLY_REQUESTS = [
  ["GET", "films?select=id&and=(year.gt.1950,year.lt.1960)&order=id"],
  ["GET", "films?select=id,reviews(id)&reviews.offset=1&reviews.order=id&order=id&limit=2"],
  ["GET", "films?select=id&order=id&limit=2", "timezone=UTC"],
  ["GET", "films?select=id,rating&order=id&limit=9", "", undefined, "application/vnd.pgrst.array+json;nulls=stripped"],
  ["PATCH", "studios?and=(id.eq.1,founded.gt.0)&select=id,founded", REPRESENTATION, { founded: 1904 }],
];

const run = (program, options, input) => execFileSync(program, options, { input, encoding: "utf8" });

/** Each language with what makes its program print the answer as JSON, or as the text that it is. */
const LANGUAGES = {
  curl: (asked) => run("bash", ["-c", `${curl(asked)} --silent --show-error`]),
  JavaScript: (asked) => {
    writeFileSync("snippet.mjs", `${javascript(asked)}\nif (error) throw error;\nconsole.log(typeof data === "string" ? data : JSON.stringify(data));\n`);
    return run(process.execPath, ["snippet.mjs"]);
  },
  Python: (asked) => {
    const shown = /print\((.*)\)$/;
    const program = python(asked).replace(shown, "data = $1\nimport json\nprint(data if isinstance(data, str) else json.dumps(data))");
    return run(interpreter, ["-"], program);
  },
};

const read = (text) => {
  try {
    return JSON.parse(text);
  } catch {
    return text.trimEnd();
  }
};

async function check([method, address, prefer = "", value, type = "application/json"], library, languages) {
  const body = value ? JSON.stringify(value, null, 2) : "";
  const headers = { Accept: type };
  if (prefer) headers.Prefer = prefer;
  if (body) headers["Content-Type"] = "application/json";
  const response = await fetch(new URL(address, base), { method, headers, body: body || undefined });
  const expected = read(await response.text());
  if (!response.ok) throw new Error(`${method} ${address}: ${JSON.stringify(expected)}`);
  const asked = { method, address, headers, body, base, prefer, schema: "api", request: new Request(address) };
  if (!python(asked).startsWith(library)) {
    throw new Error(`${method} ${address}: not by ${library}: ${python(asked)}`);
  }
  for (const language of languages) {
    const got = read(LANGUAGES[language](asked));
    if (!isDeepStrictEqual(got, expected)) {
      throw new Error(`${language}, ${method} ${address}: ${JSON.stringify(got)} instead of ${JSON.stringify(expected)}`);
    }
  }
}

for (const request of REQUESTS) await check(request, "from postgrest import", Object.keys(LANGUAGES));
for (const request of NOT_IN_JAVASCRIPT) await check(request, "from postgrest import", ["curl", "Python"]);
for (const request of ONLY_REQUESTS) await check(request, "import requests", ["curl", "Python"]);
