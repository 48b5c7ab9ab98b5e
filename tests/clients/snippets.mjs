// What the console writes for other languages under "Code" is run, and has to give what the request
// itself gives: with curl, with postgrest-js, and with Python's requests. The arguments are the
// server's address and the Python that has requests.

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { curl, javascript, pythonCode } from "./console/code.js";
import { Request } from "./console/request.js";

const [, , base, python] = process.argv;
const REPRESENTATION = "return=representation";

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
];

const run = (program, options, input) => execFileSync(program, options, { input, encoding: "utf8" });

/** Each language with what makes its program print the answer as JSON. */
const LANGUAGES = {
  curl: (asked) => run("bash", ["-c", `${curl(asked)} --silent --show-error`]),
  JavaScript: (asked) => {
    writeFileSync("snippet.mjs", `${javascript(asked)}\nif (error) throw error;\nconsole.log(JSON.stringify(data));\n`);
    return run(process.execPath, ["snippet.mjs"]);
  },
  Python: (asked) => {
    const program = pythonCode(asked).replace("print(answer.json())", "import json\nprint(json.dumps(answer.json()))");
    return run(python, ["-"], program);
  },
};

for (const [method, address, prefer = "", value] of REQUESTS) {
  const body = value ? JSON.stringify(value, null, 2) : "";
  const headers = { Accept: "application/json" };
  if (prefer) headers.Prefer = prefer;
  if (body) headers["Content-Type"] = "application/json";
  const response = await fetch(new URL(address, base), { method, headers, body: body || undefined });
  const expected = await response.json();
  if (!response.ok) throw new Error(`${method} ${address}: ${JSON.stringify(expected)}`);
  const asked = { method, address, headers, body, base, prefer, schema: "api", request: new Request(address) };
  for (const [language, answer] of Object.entries(LANGUAGES)) {
    const got = JSON.parse(answer(asked));
    if (!isDeepStrictEqual(got, expected)) {
      throw new Error(`${language}, ${method} ${address}: ${JSON.stringify(got)} instead of ${JSON.stringify(expected)}`);
    }
  }
}
