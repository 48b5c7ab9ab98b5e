// The console in a real browser, by clicks: scripts/console-test starts the servers that it needs,
// and tells where they are. No test may leave an error in the console of the browser, ask another
// host for anything, or violate the policy of the page.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { after, afterEach, before, test } from "node:test";
import {
  FOREIGN_NAME, NARROW, WIDE,
  address, allow, answerQuestions, answered, attribute, back, box, choose, click, count, fill, focus, focused, follow, forward, go, heading, hold,
  inAnotherPage, instead, json, launch, leave, listen, names, open, openCallers, paste, picture, press, quit, rows, run, script, see, seeAddress,
  seeNoViolations, seeSome, settled, takeClock, takeTroubles, text, texts, title, token, type, url, useToken, value, words,
} from "./browser.mjs";

const { CONSOLE_URL, CONSOLE_ADMIN_URL, CONSOLE_HARD_URL, CONSOLE_CONFIG, CONSOLE_IMAGES } = process.env;
const SIZE_BYTES_MAX = 150 << 10;

before(launch);

after(quit);

afterEach(async () => assert.deepEqual(await leave(), []));

const tab = (name) => click(`[role=tab]:text-is("${name}")`);

const cells = texts("table.rows[aria-label=Rows] > tbody > tr > td");

const openSchema = async (name, relation) => {
  await open(CONSOLE_HARD_URL);
  await choose('[aria-label="Schema"]', name);
  await seeSome(`.side a:text-is("${relation}")`);
};

test("the page is small, and paints before it has asked for anything", async () => {
  const paints = [];
  for (let round = 0; round < 5; round++) {
    await open(CONSOLE_URL);
    // The page can be there before its first frame is.
    paints.push(await see(script(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime), (time) => time > 0));
  }
  await see(heading, "Film library");
  const sizes = await run(() => performance.getEntriesByType("resource").filter(({ name }) => /\.console\/.*\.(js|css)$/.test(name)).map(({ decodedBodySize }) => decodedBodySize));
  const html = await run(() => performance.getEntriesByType("navigation")[0].decodedBodySize);
  const bytes = sizes.reduce((sum, size) => sum + size, html);
  // How soon is for somebody to read who has the machine to himself.
  console.log(`# first paint after ${paints.map((paint) => paint.toFixed(0)).join(", ")} ms; ${bytes} bytes in ${sizes.length + 1} files`);
  assert.ok(bytes < SIZE_BYTES_MAX);
});

test("relations and functions are listed, and searched", async () => {
  await open(CONSOLE_URL);
  await see(heading, "Film library");
  await see(title, "Film library");
  await seeSome('main a:text-is("films")');
  await press("/");
  await type("decade");
  await see(texts(".side li"), ["films_per_decade"]);
});

test("a relation shows its rows, and leads to those that it refers to", async () => {
  await open(CONSOLE_URL);
  await follow("films");
  await see(address, "films?limit=25");
  await see(rows, 25);
  await see(names, (names) => names.includes("title"));
  const link = 'table.rows > tbody > tr:first-child > td[data-name="studio_id"] a';
  const studio = await see(text(link), /^\d+$/);
  await click(link);
  await see(heading, "studios");
  await see(address, `studios?id=eq.${studio}`);
  await see(rows, 1);
  await back();
  await see(heading, "films");
  await see(rows, 25);
});

test("columns are told with types, keys, defaults and comments", async () => {
  await open(CONSOLE_URL);
  await follow("films");
  await tab("Columns");
  for (const expected of ["Films in the library", "id int32 key", "studios.id", "everyone, family, teen, adult", "Length in minutes", "rating numeric null", "roles many, by their column film_id", "actors many, through roles"]) {
    await see(words("main"), (text) => text.includes(expected));
  }
});

test("what the role may do is told", async () => {
  await open(CONSOLE_URL);
  const marks = texts("main .crumbs .badge");
  await follow("films");
  await see(marks, ["SELECT", "no INSERT", "no DELETE", "no UPDATE"]);
  await useToken();
  await follow("rentals");
  await see(marks, ["SELECT", "INSERT", "no DELETE", "UPDATE returned_on"]);
});

test("a request is built by clicks, and its address is always there", async () => {
  await open(CONSOLE_URL);
  await follow("films");
  await click('.chip:text-is("title")');
  await click('.chip:text-is("year")');
  await seeAddress("films?select=title,year&limit=25");
  await click('button:text-is("+ Filter")');
  await choose('[aria-label="Column"]', "year");
  await choose('[aria-label="Operator for year"]', "gte");
  await fill('[aria-label="Value for year"]', "1990");
  await press("Enter");
  await seeAddress("films?select=title,year&limit=25&year=gte.1990");
  await click('button:text-is("+ Order")');
  await choose('[aria-label="Order by"]', "year");
  await choose('[aria-label="Direction"]', "desc");
  await choose('label:has-text("count") select', "exact");
  await fill('[data-key="number-limit"]', "3");
  await press("Tab");
  await seeAddress("films?select=title,year&limit=3&year=gte.1990&order=year.desc");
  await see(rows, 3);
  await see(names, ["title", "year"]);
  await see(text(".status"), /rows 1–3 of \d+/);
  await click('button:text-is("Next →")');
  await see(text(".status"), /rows 4–6 of \d+/);
  // It is all in the link.
  await inAnotherPage(() => see(text(".status"), /rows 4–6 of \d+/));
});

test("the address can be written by hand, and the form follows", async () => {
  await open(CONSOLE_URL);
  await follow("films");
  await fill(".address", "films?select=title,d:directors(last_name)&d.last_name=not.is.null&rating=not.in.(1,2)&or=(year.eq.1990,year.eq.1991)&limit=2&order=title.desc.nullslast");
  await seeSome('legend:has-text("d")');
  await see(value('[aria-label="Operator for rating"]'), "not.in");
  await see(value('[aria-label="Value for rating"]'), "1,2");
  await see(value('[aria-label="Nulls"]'), "nullslast");
  await see(rows, 2);
  await tab("JSON");
  await see(json("pre.json"), ([first]) => Object.keys(first).join() === "title,d");
  // What is changed by a click leaves what is not understood where it is.
  await click('.chip:text-is("year")');
  await seeAddress("films?select=title,year,d:directors(last_name)&d.last_name=not.is.null&rating=not.in.(1,2)&or=(year.eq.1990,year.eq.1991)&limit=2&order=title.desc.nullslast");
  // Another name is another relation, also above.
  await fill(".address", "studios?limit=1");
  await see(heading, "studios");
  await see(text(".side [aria-current]"), "studios");
});

test("from the first page to an embedded, filtered answer for a customer: the clicks in docs/console.md", async () => {
  await open(CONSOLE_URL);
  const began = Date.now();
  await seeSome('.side a:text-is("films")');
  await see(count('.side a:text-is("rentals")'), 0);
  await click('button:text-is("Use a token")');
  // Pasted where the focus is.
  await see(focused, "token");
  await paste(token());
  await click('button:text-is("Use token")');
  await see(focused, "main");
  await follow("rentals");
  await seeSome("table.rows");
  await click('.chip:text-is("+ films (film_id)")');
  await seeAddress("rentals?select=*,films(*)&limit=25");
  await click('button:text-is("+ Filter")');
  await choose('[aria-label="Column"]', "returned_on");
  await choose('[aria-label="Operator for returned_on"]', "is");
  await seeAddress("rentals?select=*,films(*)&limit=25&returned_on=is.null");
  console.log(`# eight clicks and choices, a program's: ${Date.now() - began} ms`);
  await tab("JSON");
  const isWanted = (row) => row.returned_on === null && row.customer_id === 7 && row.films.title;
  await see(json("pre.json"), (rows) => rows.length > 0 && rows.every(isWanted));
});

test("two roles get the same request side by side", async () => {
  await open(CONSOLE_URL);
  await useToken();
  await useToken(token({ customer_id: 8 }));
  await openCallers();
  await choose('[data-key="other"]', { label: "customer (customer_id 7)" });
  await click('dialog button:text-is("Close")');
  await follow("rentals");
  await see(text(".difference"), /\d+ rows only for customer \(customer_id 8\), \d+ rows only for customer \(customer_id 7\), 0 rows for both/);
  await see(count(".answer"), 2);
  await seeSome("tr.only");
  // The page forgets it all with itself.
  assert.deepEqual(await run(() => [Object.keys(localStorage), Object.keys(sessionStorage), document.cookie, location.hash.includes("eyJ")]), [[], [], "", false]);
});

test("a token that is none, or too old, is told so", async () => {
  await open(CONSOLE_URL);
  await openCallers();
  await fill("#token", "nonsense");
  await click('button:text-is("Use token")');
  await see(text("dialog .problem"), /three parts/);
  await fill("#token", `Bearer ${token({ exp: 1000 })}`);
  await see(text('dialog table[aria-label="Claims of this token"] caption'), "The token has expired.");
  await click('button:text-is("Use token")');
  await see(text("main .problem"), /PGRST303.*expired/s);
});

test("an error says what to do about it", async () => {
  await open(CONSOLE_URL);
  await follow("reviews");
  await choose('[aria-label="Method"]', "DELETE");
  await click('button:text-is("+ Filter")');
  await fill('[aria-label="Value for id"]', "1");
  await press("Tab");
  await click('button:text-is("Send")');
  await see(text(".sql"), "GRANT DELETE ON api.reviews TO web_anon;");
  await see(text(".answer .problem"), /permission denied for table reviews.*42501/s);
  await see(text(".answer .advice"), /a token is missing\. .*let it, as the owner:$/);
  await fill(".address", "nowhere");
  await choose('[aria-label="Method"]', "GET");
  await see(text(".answer .problem"), /PGRST205/);
});

test("a body is made from the types, and can be sent as it stands", async () => {
  await open(CONSOLE_URL);
  await follow("reviews");
  await choose('[aria-label="Method"]', "POST");
  await click('button:text-is("Fill in an example")');
  const body = value('textarea[aria-label="Body"]');
  await see(async () => JSON.parse(await body()), { film_id: 1, stars: 1 });
  await click('button:text-is("Send")');
  await see(text(".answer .badge"), "201");
  await see(text("table.rows"), /anonymous/);
});

test("a function is called with its arguments", async () => {
  await open(CONSOLE_URL);
  await follow("films_per_decade");
  await fill('[data-key="argument-from_year"]', "1990");
  await seeAddress("rpc/films_per_decade?from_year=1990");
  await see(cells, ([first]) => first === "1990");
  await follow("add_review");
  await see(value('[aria-label="Method"]'), "POST");
  await fill('[data-key="argument-film_id"]', "2");
  await fill('[data-key="argument-stars"]', "5");
  await fill('[data-key="argument-body"]', "12");
  await click('button:text-is("Send")');
  await see(text(".answer .badge"), "200");
  await tab("JSON");
  await see(text("pre.json"), /"body": "12"/);
});

test("the plan is a tree with times, and the headers tell the server's", async () => {
  await open(CONSOLE_URL);
  await follow("films");
  await tab("Plan");
  await see(text(".plan"), /Planning [\d.]+ ms · Execution [\d.]+ ms.*Seq Scan.*on films.*25 rows/s);
  // Of what is asked now, and not of what was.
  await fill(".address", "films?limit=3");
  await see(text(".plan"), /Seq Scan.*on films.*3 rows/s);
  await tab("Headers");
  await see(text('table[aria-label="Server-Timing"]'), /transaction.*ms/s);
  await see(text('table[aria-label="Headers"]'), /content-type.*application\/json/s);
});

test("a request is told in other languages, without the token", async () => {
  await open(CONSOLE_URL);
  await useToken();
  await go(`${CONSOLE_URL}#r=films?select=title,directors(last_name)%26year=gte.1990%26title=ilike.*it's*%26order=year.desc%26limit=3&tab=code`);
  const [curl, javascript, python] = await see(texts(".code pre"), (blocks) => blocks.length === 3);
  assert.match(curl, /^curl --globoff 'http.*films\?select=title,directors\(last_name\)&year=gte\.1990&title=ilike\.\*it%27s\*/);
  for (const line of [`.from("films")`, `.select("title,directors(last_name)")`, `.gte("year", "1990")`, `.ilike("title", "*it's*")`, `.order("year", { ascending: false })`, ".limit(3)"]) {
    assert.ok(javascript.includes(line), `${line}: ${javascript}`);
  }
  for (const line of ["from postgrest import SyncPostgrestClient", `api.from_("films")`, `.gte("year", "1990")`, `.ilike("title", "*it's*")`, `.order("year", desc=True)`, ".limit(3)"]) {
    assert.ok(python.includes(line), `${line}: ${python}`);
  }
  for (const text of [curl, javascript, python]) {
    assert.ok(!text.includes("eyJ"));
  }
  await allow("clipboard-read", "clipboard-write");
  await click('.code section:has(h3:text-is("Python")) button');
  await seeSome('.code button:text-is("Copied")');
  assert.equal(await run(() => navigator.clipboard.readText()), python);
});

test("the diagram leads to relations", async () => {
  await open(CONSOLE_URL);
  await click('.top a:text-is("Diagram")');
  await see(count("path.reference"), (lines) => lines >= 8);
  await click('svg a:has(.box-name:text-is("roles")) .box');
  await see(heading, "roles");
});

test("keys are enough", async () => {
  await open(CONSOLE_URL);
  await seeSome('.side a:text-is("films")');
  // From the search to the list: what is there has the focus until one goes on.
  await press("/");
  await type("decade");
  await see(texts(".side li"), ["films_per_decade"]);
  await press("Tab", "Enter");
  await see(heading, "films_per_decade");
  await see(focused, "films_per_decade");
  await press("Shift+Tab");
  await fill(".side input", "");
  await follow("films");
  await answered();
  await focus('[role=tab][aria-selected="true"]:text-is("Table")');
  await press("ArrowRight");
  await seeSome("pre.json");
  await see(focused, "JSON");
  await press("ArrowLeft");
  await focus('table.rows td[data-name="studio_id"] a');
  await press("Enter");
  await see(heading, "studios");
  // What had the focus is gone with its row.
  await see(focused, "main");
  await answered();
  await focus(".address");
  await press("End");
  const sent = listen();
  await press("Control+Enter");
  await see(() => sent, ["GET /studios"]);
  await answered();
  await focus(".skip");
  await press("Enter");
  await see(focused, "main");
});

test("nothing that a database says is run", async () => {
  await openSchema("hostile", "games");
  await see(heading, /<img src=x/);
  await click('.side a:has-text("<img src=x")');
  await see(text("table.rows"), /9007199254740993.*<img src=x onerror="window\.ran = 8">/s);
  for (const name of ["JSON", "Headers", "Plan", "Code"]) {
    await tab(name);
    await seeSome(`[role=tab][aria-selected=true]:text-is("${name}")`);
  }
  await tab("Columns");
  await see(text("main"), /"><img src=x onerror="window\.ran = 7">/);
  await click('.top a:text-is("Diagram")');
  await seeSome("svg .box");
  await follow("__proto__");
  await see(names, ["id", "constructor", "a/b?c#d&e=f"]);
  await click('.chip:text-is("a/b?c#d&e=f")');
  await see(names, ["a/b?c#d&e=f"]);
});

test("names of all kinds are chosen, filtered, ordered and embedded by clicks", async () => {
  await openSchema("hostile", "odd.names (all)!x");
  const columns = ["select", "order", "and", "dot.ted", "a->b", "a::b", "a:b", 'say "hi"', "back\\slash", "blank ", "f(x)", "1st", "ünï", "a,b"];
  await follow("odd.names (all)!x");
  await see(cells, (cells) => columns.every((name) => cells.includes(name)));
  for (const name of columns) {
    await follow("odd.names (all)!x");
    await answered();
    const chip = `.chip[data-key=${JSON.stringify(`column--${name}`)}]`;
    await click(chip);
    await see(attribute(chip, "aria-pressed"), "true");
    await click('button:text-is("+ Filter")');
    await choose('[aria-label="Column"]', name);
    await fill(`[aria-label=${JSON.stringify(`Value for ${name}`)}]`, name);
    await click('button:text-is("+ Order")');
    await choose('[aria-label="Order by"]', name);
    await see(value('[aria-label="Order by"]'), name);
    await settled();
    await see(text(".answer .badge"), "200");
    await see(names, [name]);
    await see(cells, [name]);
    await see(value('[aria-label="Column"]'), name);
  }
  await follow("referring");
  await click('.chip:has-text("+ odd.names (all)!x")');
  await click('fieldset.embed button:has-text("+ Filter")');
  await choose('fieldset.embed [aria-label="Column"]', "dot.ted");
  await fill('fieldset.embed [aria-label^="Value for"]', "other");
  await settled();
  await see(text(".answer .badge"), "200");
  await see(cells, (cells) => cells.at(-1) === "null");
});

test("odd tokens are shown as what they are, and run nothing", async () => {
  await open(CONSOLE_URL);
  await openCallers();
  const odd = { "<img src=x onerror=window.ran=1>": "<b>", __proto__x: { a: [null] }, sub: '"><script>window.ran = 2</script>', exp: 1e300, role: "customer", nbf: "soon" };
  for (const [claims, words] of [
    [odd, /expires on Invalid Date/],
    [{ exp: "soon" }, /has an exp that is no number/],
    [{ exp: -1, role: { a: 1 } }, /has expired/],
    [{ exp: undefined, role: "" }, /never expires/],
  ]) {
    await fill("#token", token(claims));
    await see(text("dialog caption"), words);
  }
  for (const [token, words] of [
    ["ä.ö.ü", /letters and digits of ASCII/],
    ["a.bnVsbA.c", /not JSON/],
    [".".repeat(100_000), /three parts/],
  ]) {
    await fill("#token", token);
    await click('button:text-is("Use token")');
    await see(text("dialog .problem"), words);
  }
  await fill("#token", token(odd));
  await click('button:text-is("Use token")');
  // The server refuses it, for whatever reason, and the page says so.
  await see(text("main .problem"), /PGRST30\d/);
});

test("links with nonsense behind the # are borne", async () => {
  await open(CONSOLE_URL);
  const deep = `films?select=${"directors(films(".repeat(300)}id${"))".repeat(300)}`;
  for (const hash of ["tab=constructor&r=films", "tab=__proto__&r=films?limit=1", "r=%", "r=films?select=<script>window.ran=1</script>", "m=constructor&r=films", "v=toString", "schema=__proto__&r=films", "r=javascript:window.ran=1", "r=//example.com/x", `r=films&prefer=${encodeURIComponent("a\r\nX-Y: z")}`, "r=films&prefer=ä→", `r=${"a(".repeat(2000)}`, `r=films?select=${"a(".repeat(5000)}${")".repeat(5000)}`, `r=${deep}`, "as=text/html&r=films"]) {
    await go(`${CONSOLE_URL}#${hash}`);
    // Without an address there is nothing that would be asked.
    if (/(^|&)r=[^%]/.test(hash)) await answered();
    await go(`${CONSOLE_URL}#`);
    await see(heading, "Film library");
  }
});

/** Asks the function of the hostile schema, and looks at its answer in all ways. */
async function lookAtAll(name, query, words) {
  await go(`${CONSOLE_HARD_URL}#schema=hostile&r=rpc/${name}${query}`);
  await seeAddress(`rpc/${name}${query}`);
  await see(text(".status"), words);
  for (const name of ["JSON", "Headers", "Plan", "Code", "Table"]) {
    await tab(name);
    await seeSome(`[role=tab][aria-selected=true]:text-is("${name}")`);
  }
}

const LETTERS_MAX = 1 << 20;
const A_LINE = 2000;
const BEGINNING = "Only the beginning is shown.";

/** How many letters of the answer are shown. */
const lettersShown = script(() => document.querySelector(".answer pre").textContent.length);

test("an answer of 100 MB is cut off, and one of 15 MB is shown as far as a page can", async () => {
  await openSchema("hostile", "deep");
  const began = Date.now();
  await lookAtAll("large", "?rows=100000", /^200 .*cut off: too large to show$/);
  console.log(`# 100 MB: asked and looked at in ${Date.now() - began} ms`);
  for (const name of ["JSON", "Table"]) {
    await tab(name);
    await see(text(".answer .hint"), BEGINNING);
    await see(lettersShown, LETTERS_MAX);
  }
  const again = Date.now();
  await lookAtAll("large", "?rows=15000", /^200 .*MiB$/);
  console.log(`# 15 MB: asked and looked at in ${Date.now() - again} ms`);
  await tab("JSON");
  await see(text(".answer .hint"), BEGINNING);
  await see(lettersShown, (letters) => letters > LETTERS_MAX && letters < LETTERS_MAX + A_LINE);
  await follow("games");
});

test("an answer that is nested 3,000 deep is shown, and compared", async () => {
  await openSchema("hostile", "deep");
  await lookAtAll("deep", "?levels=3000", /^200 /);
  await see(count("table.rows"), 8);
  await see(count(".answer .problem"), 0);
  await tab("JSON");
  await see(text("pre.json"), (text) => text.startsWith('[\n  {\n    "a": [\n      {'));
  await useToken();
  await openCallers();
  await choose('[data-key="other"]', { index: 1 });
  await click('dialog button:text-is("Close")');
  await see(text(".difference"), "Both get the same 1 row.");
});

test("an answer with many members, and an error with a script in it, are borne", async () => {
  await openSchema("hostile", "wide");
  await lookAtAll("wide", "?members=20000", /^200 /);
  await seeSome('th:text-is("… 19500 more")');
  await lookAtAll("failing", "?words=x", /^400 /);
  await see(text(".answer .problem"), /window\.ran = 10/);
});

test("rows that differ in their members are shown with what each one has", async () => {
  await openSchema("hostile", "mixed");
  await follow("mixed");
  await see(names, ["constructor", "__proto__", "a"]);
  await see(cells, ["1", "2", "", "", "", "3"]);
});

test("where there is more than one way, a hint is given, or offered", async () => {
  await openSchema("hostile", "games");
  await follow("games");
  await click('.chip:text-is("+ teams (home)")');
  await seeAddress("games?select=*,teams!home(*)&limit=25");
  await click('.chip:text-is("+ teams (away)")');
  await seeAddress("games?select=*,teams!home(*),teams_by_away:teams!away(*)&limit=25");
  await see(names, ["id", "home", "away", "teams", "teams_by_away"]);
  await fill(".address", "games?select=id,teams(name)");
  await click('button:text-is("games_away_fkey")');
  await seeAddress("games?select=id,teams!games_away_fkey(name)");
  await see(text("table.rows"), /blue/);
});

test("one row has no order and no limit, and many have", async () => {
  await openSchema("hostile", "games");
  const clauses = (name) => texts(`fieldset.embed:has(> legend:text-matches("^${name}")) > .clauses :is(button, label)`);
  await follow("games");
  await click('.chip:text-is("+ teams (home)")');
  await see(clauses("teams"), ["+ Filter teams"]);
  await follow("teams");
  await click('.chip:text-is("+ games (many, home)")');
  await see(clauses("games"), ["+ Filter games", "+ Order games", "Limit "]);
  // A key that refers to another one belongs to one row, from either side.
  await follow("teams");
  await click('.chip:text-is("+ crests (team)")');
  await see(clauses("crests"), ["+ Filter crests"]);
  await follow("crests");
  await click('.chip:text-is("+ teams (team)")');
  await see(clauses("teams"), ["+ Filter teams"]);
  await follow("games");
  // What stands in the address can be taken away.
  await fill(".address", "games?select=*,teams!home(*)&teams.limit=1");
  await see(clauses("teams"), ["+ Filter teams", "Limit "]);
  await fill('fieldset.embed input[type="number"]', "");
  await seeAddress("games?select=*,teams!home(*)");
  // Of a constraint nobody here knows which way it goes, but both ways lead to one row.
  await fill(".address", "games?select=*,teams!games_home_fkey(*)");
  await see(clauses("teams"), ["+ Filter teams"]);
  // What a function makes of a row is one as the function says.
  await go(`${CONSOLE_HARD_URL}#schema=api&r=films?select=*,latest_review(*),sequels(*)%26limit=2`);
  await see(clauses("latest_review"), ["+ Filter latest_review"]);
  await see(clauses("sequels"), ["+ Filter sequels", "+ Order sequels", "Limit "]);
});

test("events are shown as they come", async () => {
  await openSchema("hostile", "games");
  await follow("ticks");
  await answered();
  await choose('[data-key="accept"]', "text/event-stream");
  await see(text(".answer .empty"), /Nothing has come yet/);
  await see(text(".listening"), /Listening/);
  for (const word of ["one", "two\nlines", "<img src=x onerror='window.ran = 13'>"]) {
    const body = JSON.stringify({ word });
    const told = await fetch(new URL("rpc/tick", CONSOLE_HARD_URL), { method: "POST", headers: { "Content-Profile": "hostile", "Content-Type": "application/json" }, body });
    assert.equal(told.status, 204);
  }
  await see(texts(".events li pre"), ["<img src=x onerror='window.ran = 13'>", "two\nlines", "one"]);
  await see(texts(".events li strong"), ["ticks", "ticks", "ticks"]);
  await click('[data-key="stop"]');
  await see(count(".listening"), 0);
  await see(count(".events li"), 3);
  await seeNoViolations("events");
});

test("a thousand tables are listed, drawn and searched", async () => {
  await open(CONSOLE_HARD_URL);
  const began = Date.now();
  await choose('[aria-label="Schema"]', "many");
  await see(count(".side li"), 1000);
  const listed = Date.now() - began;
  const drawing = Date.now();
  await click('.top a:text-is("Diagram")');
  await see(count("svg .box"), 1000);
  const drawn = Date.now() - drawing;
  const searching = Date.now();
  await fill(".side input", "table_777");
  await see(texts(".side li"), ["table_777"]);
  const found = Date.now() - searching;
  console.log(`# 1,000 tables: listed after ${listed} ms, drawn after ${drawn} ms, searched after ${found} ms`);
});

test("what a function makes of a row is embedded like a relation", async () => {
  await open(CONSOLE_URL);
  await follow("films");
  await click('.chip:text-is("+ latest_review (one of reviews, computed)")');
  await seeAddress("films?select=*,latest_review(*)&limit=25");
  await click('.chip:text-is("+ sequels (many of films, computed)")');
  await seeAddress("films?select=*,latest_review(*),sequels(*)&limit=25");
  // Its columns are those of the relation that its rows are of.
  await click('fieldset.embed:has(legend:text-is("sequels")) .chip:text-is("title")');
  await seeAddress("films?select=*,latest_review(*),sequels(title)&limit=25");
  await see(names, (names) => names.includes("sequels"));
  await tab("Columns");
  await see(words("main"), /reviews one, by the function latest_review/);
});

// What comes late, or not at all --------------------------------------------------------------------

test("a late answer is not shown for what is asked since, also by back and forward", async () => {
  await open(CONSOLE_URL);
  const { waiting, release } = await hold("/films?");
  await follow("films");
  await see(waiting, 1);
  // What asks for nothing by itself does not get it either.
  await choose('[aria-label="Method"]', "POST");
  await see(text(".empty"), "Nothing has been sent yet.");
  await follow("add_review");
  await follow("studios");
  await see(names, (names) => names.includes("city"));
  await back();
  await see(heading, "add_review");
  await back();
  await see(heading, "films");
  await see(value('[aria-label="Method"]'), "POST");
  await forward();
  await see(heading, "add_review");
  await forward();
  await see(heading, "studios");
  await release();
  await answered();
  await see(names, (names) => names.includes("city"));
  await back();
  await see(heading, "add_review");
  await settled();
  await see(text("main .empty"), "Fill in the arguments that are not optional.");
});

test("what is shown belongs together: address, rows, pages and code are of one request", async () => {
  await open(CONSOLE_URL);
  await go(`${CONSOLE_URL}#r=films?select=id%26order=id%26limit=2`);
  await see(cells, ["1", "2"]);
  const { waiting, release } = await hold("/films?");
  await fill(".address", "films?select=id&order=id&limit=3");
  await see(waiting, 1);
  // The answer before stays, and is marked as such.
  await see(attribute("[aria-busy]", "aria-busy"), "true");
  await see(cells, ["1", "2"]);
  await tab("Code");
  await see(text(".code pre"), /limit=2/);
  await fill(".address", "films?select=id&order=id&limit=4");
  await see(waiting, 2);
  await release();
  await see(text(".code pre"), /limit=4/);
  await tab("Table");
  await see(cells, ["1", "2", "3", "4"]);
});

test("a function that lacks an argument shows no answer to other arguments", async () => {
  await open(CONSOLE_HARD_URL);
  await go(`${CONSOLE_HARD_URL}#schema=hostile&r=rpc/wide?members=2`);
  await see(rows, 1);
  const { waiting, release } = await hold("rpc/wide");
  await fill('[data-key="argument-members"]', "3");
  await see(waiting, 1);
  await fill('[data-key="argument-members"]', "");
  await see(text("main .empty"), "Fill in the arguments that are not optional.");
  await release();
  await settled();
  await see(text("main .empty"), "Fill in the arguments that are not optional.");
});

test("what is written is sent by Send alone, and once", async () => {
  await open(CONSOLE_URL);
  const questions = answerQuestions(false);
  const sent = listen();
  await follow("reviews");
  await answered();
  // In the moment in which a read would be sent, it is made something else.
  const pass = await takeClock();
  await run(() => {
    const field = document.querySelector(".address");
    field.value = "reviews";
    field.dispatchEvent(new Event("input"));
    const method = document.querySelector('[aria-label="Method"]');
    method.value = "DELETE";
    method.dispatchEvent(new Event("change"));
  });
  await see(value('[aria-label="Method"]'), "DELETE");
  await pass(1000);
  await click('button:text-is("Send")');
  await see(() => questions, (questions) => questions.length === 1);
  // Neither the case of letters nor what stands behind a # makes that a request without a question.
  await go(`${CONSOLE_URL}#m=delete&r=reviews`);
  await see(value('[aria-label="Method"]'), "DELETE");
  await click('button:text-is("Send")');
  await see(() => questions, (questions) => questions.length === 2);
  await go(`${CONSOLE_URL}#m=DELETE&r=reviews%23?id=eq.1`);
  await see(address, "reviews%23?id=eq.1");
  await openCallers();
  await focus("#token");
  await press("Control+Enter");
  await press("Escape");
  await see(count("dialog[open]"), 0);
  assert.deepEqual(sent.filter((line) => !line.startsWith("GET")), []);
  await go(`${CONSOLE_URL}#m=POST&r=reviews&body={"film_id":1,"stars":1}`);
  const { waiting, release } = await hold("/reviews");
  await focus(".address");
  await press("Control+Enter", "Enter", "Control+Enter");
  await see(waiting, 1);
  await release();
  await see(text(".answer .badge"), "201");
  assert.deepEqual(sent.filter((line) => !line.startsWith("GET")), ["POST /reviews"]);
});

test("who asks is who is told above, however the answers come", async () => {
  await open(CONSOLE_URL);
  await useToken();
  await useToken(token({ customer_id: 8 }));
  await follow("rentals");
  await see(cells, (cells) => cells.length > 0);
  const customers = texts('table.rows td[data-name="customer_id"]');
  const isOf = (id) => (cells) => cells.length > 0 && cells.every((cell) => cell === id);
  await see(customers, isOf("8"));
  const customerOf = ({ authorization }) => authorization && JSON.parse(Buffer.from(authorization.split(".")[1], "base64url")).customer_id;
  // What seven asks hangs: the description of the schema first.
  const { waiting, release } = await hold(CONSOLE_URL, (request) => customerOf(request.headers()) === 7);
  await openCallers();
  await click('dialog label:has-text("customer_id 7")');
  await see(waiting, (count) => count > 0);
  // What eight was answered is gone, and what eight may do, too.
  await see(count("table.rows, .side li"), 0);
  await see(text("main .empty"), "Asking what customer (customer_id 7) may see …");
  await see(text('[data-key="callers"]'), "Role: customer (customer_id 7)");
  await click('dialog label:has-text("anonymous")');
  await press("Escape");
  await see(text('[data-key="callers"]'), "Role: anonymous (web_anon)");
  await see(text("main .problem"), /web_anon knows nothing of this name/);
  await release();
  await settled();
  await see(count('.side a:text-is("rentals")'), 0);
  await openCallers();
  await click('dialog label:has-text("customer_id 7")');
  await press("Escape");
  await see(customers, isOf("7"));
  // Forgotten while being asked for.
  const again = await hold("/rentals?");
  await click('button:text-is("Send")');
  await see(again.waiting, 1);
  await openCallers();
  await click('[aria-label="Forget customer (customer_id 7)"]');
  await press("Escape");
  await see(text('[data-key="callers"]'), "Role: anonymous (web_anon)");
  await again.release();
  await answered();
  await see(text(".answer .problem"), /42501/);
});

test("of two schemas the one that was chosen last is shown", async () => {
  await openSchema("hostile", "games");
  const { waiting, release } = await hold(CONSOLE_HARD_URL, (request) => request.headers()["accept-profile"] === "many");
  await choose('[aria-label="Schema"]', "many");
  await see(waiting, (count) => count > 0);
  await see(value('[aria-label="Schema"]'), "many");
  await back();
  await seeSome('.side a:text-is("games")');
  await see(value('[aria-label="Schema"]'), "hostile");
  await release();
  await follow("teams");
  await see(rows, 2);
  // The first page has no schema in its address, and is of the first one.
  await back();
  await see(heading, /<img/);
  await back();
  await see(heading, "Film library");
  await see(value('[aria-label="Schema"]'), "api");
});

test("a server that hangs is not waited for longer than somebody wants to", async () => {
  await open(CONSOLE_URL);
  await follow("films");
  await see(rows, 25);
  const { waiting, release } = await hold("/films?");
  await fill(".address", "films?limit=2");
  await see(waiting, 1);
  await click('button:text-is("Stop")');
  await settled();
  // It says what it is the answer to.
  await see(rows, 25);
  await release();
  await click('button:text-is("Send")');
  await see(rows, 2);
});

test("a server that is away is told, and asked again", async () => {
  await open(CONSOLE_URL);
  const away = (route) => route.abort("connectionrefused");
  await follow("films");
  await see(rows, 25);
  let comeBack = await instead("/films?", away);
  await click('button:text-is("Send")');
  await see(text(".answer .problem"), /could not be reached/);
  await seeNoViolations("away");
  await comeBack();
  await click('button:text-is("Send")');
  await see(rows, 25);
  // Also at the very beginning, and with what is no description of a schema.
  comeBack = await instead("settings.json", away);
  await go(`${CONSOLE_URL}?again#r=films?limit=3`);
  await see(text("main .problem"), /could not be reached/);
  await comeBack();
  comeBack = await instead("?again", (route) => (route.request().resourceType() === "document" ? route.continue() : route.fulfill({ body: "<h1>Bad Gateway</h1>", status: 502 })));
  await instead("/.console/privileges.json", (route) => route.fulfill({ body: "[", status: 200 }));
  await click('button:text-is("Try again")');
  await see(rows, 3);
  await see(text('[data-key="callers"]'), "Role: anonymous (web_anon)");
  await comeBack();
  assert.ok(takeTroubles().every((trouble) => /ERR_CONNECTION_REFUSED/.test(trouble)));
});

test("the server's state is on the admin server", async () => {
  await open(CONSOLE_URL);
  await see(attribute('.top a:text-is("Server")', "href"), (link) => new URL(link).port === new URL(CONSOLE_ADMIN_URL).port);
  assert.deepEqual(await leave(), []);
  await open(CONSOLE_ADMIN_URL);
  await seeSome('.badge:text-is("ready")');
  const cards = ["Requests a second", "Connections in use", "Requests waiting", "Slow readers", "Schema cache", "Configuration"];
  await see(texts(".card h2"), (titles) => cards.every((card) => titles.includes(card)));
  await see(attribute("polyline", "points"), / /);
  await seeNoViolations("admin server");
});

test("the schema and the configuration are loaded again from there, and what is wrong is told", async () => {
  await open(CONSOLE_ADMIN_URL);
  const card = (title) => `.card[aria-label="${title}"]`;
  /** What is told of the last attempt, unless it is under way: when it was, and how it went. */
  const attempt = (title) => script((selector) => {
    const card = document.querySelector(selector);
    return card && !card.querySelector("button").disabled && [card.querySelector("time").dateTime, card.querySelector("strong").textContent];
  }, card(title));
  const isAny = (attempt) => Boolean(attempt);
  const isAfter = ([before], words) => (attempt) => attempt && attempt[0] !== before && attempt[1] === words;
  let before = await see(attempt("Schema cache"), isAny);
  await click('button:text-is("Load the schema again")');
  await see(attempt("Schema cache"), isAfter(before, "loaded"));
  before = await see(attempt("Configuration"), isAny);
  writeFileSync(CONSOLE_CONFIG, "db-max-rows = many\n");
  try {
    await click('button:text-is("Read the configuration again")');
    before = await see(attempt("Configuration"), isAfter(before, "the last load failed"));
    await see(text(`${card("Configuration")} .problem`), /expected a value/);
    await seeNoViolations("failed load");
  } finally {
    writeFileSync(CONSOLE_CONFIG, "");
  }
  await click('button:text-is("Read the configuration again")');
  await see(attempt("Configuration"), isAfter(before, "in effect"));
  await see(count(`${card("Configuration")} .problem`), 0);
});

test("a page of somebody else cannot give the admin server orders", async () => {
  const lastLoads = () => fetch(new URL(".console/state.json", CONSOLE_ADMIN_URL)).then((response) => response.text());
  const before = await lastLoads();
  await open(CONSOLE_URL);
  // Another port is another origin, and this page has no policy that would keep it from asking.
  await instead("/foreign", (route) => route.fulfill({ contentType: "text/html", body: "<h1>Foreign</h1>" }));
  await go(`${CONSOLE_URL}foreign`);
  const reload = new URL(".console/reload/schema", CONSOLE_ADMIN_URL).href;
  const order = (options) => run(([url, options]) => fetch(url, { method: "POST", ...options }).then((response) => response.type, (error) => error.name), [reload, options]);
  assert.equal(await order({ headers: { "CoreREST-Console": "reload" } }), "TypeError");
  // Without the header it is sent, and refused, and the page may not see how.
  await order({ mode: "no-cors" });
  assert.equal(await lastLoads(), before);
  const troubles = takeTroubles();
  assert.ok(troubles.length > 0 && troubles.every((trouble) => /CORS policy|ERR_FAILED/.test(trouble)), troubles.join());
});

test("nor can one whose name was made to point to it (DNS rebinding)", async () => {
  const lastLoads = () => fetch(new URL(".console/state.json", CONSOLE_ADMIN_URL)).then((response) => response.text());
  const before = await lastLoads();
  await open(CONSOLE_URL);
  const foreign = new URL(CONSOLE_ADMIN_URL);
  foreign.hostname = FOREIGN_NAME;
  await go(foreign.href);
  await see(text("body"), /does not answer to this name.*Open it by IP address/s);
  // For the browser what it shows is of that server, so a script there may ask and read whatever it likes.
  await go(`${foreign.href}metrics`);
  const ask = (path, options) => run(([path, options]) => fetch(path, options).then((response) => response.status), [path, options]);
  assert.equal(await ask("/ready"), 200);
  assert.equal(await ask("/.console/state.json"), 403);
  for (const what of ["schema", "config"]) {
    assert.equal(await ask(`/.console/reload/${what}`, { method: "POST", headers: { "CoreREST-Console": "reload" } }), 403);
  }
  assert.equal(await lastLoads(), before);
  // That it is asked at all is what this is about.
  const troubles = takeTroubles();
  assert.ok(troubles.length > 0 && troubles.every((trouble) => trouble.startsWith(`asked ${foreign.origin}/`)), troubles.join());
});

for (const colorScheme of ["light", "dark"]) {
  test(`it can be used by everybody, ${colorScheme}`, async () => {
    await open(CONSOLE_URL, { colorScheme });
    await see(heading, "Film library");
    await seeNoViolations("home");
    await follow("films");
    await click('.chip:has-text("+ directors")');
    await click('button:text-is("+ Filter")');
    await click('button:text-is("+ Order")');
    await answered();
    await seeNoViolations("request");
    for (const name of ["JSON", "Headers", "Plan", "Code", "Columns"]) {
      await tab(name);
      await seeSome(`[role=tab][aria-selected=true]:text-is("${name}")`);
      if (name === "Plan") await seeSome(".plan");
      await seeNoViolations(name);
    }
    await click('.top a:text-is("Diagram")');
    await seeSome("svg .box");
    await seeNoViolations("diagram");
    await openCallers();
    await fill("#token", token());
    await seeSome('dialog table[aria-label="Claims of this token"]');
    await seeNoViolations("callers");
    await click('button:text-is("Use token")');
    await see(count("dialog[open]"), 0);
    await go(`${CONSOLE_URL}#r=nowhere`);
    await seeSome(".answer .problem");
    await seeNoViolations("error");
  });
}

test("on a small screen all of a row is seen, with what is embedded", async () => {
  await open(CONSOLE_URL, { viewport: NARROW });
  await click(".menu");
  await follow("films");
  await answered();
  await see(count(".builder:visible"), 0);
  await click('button:text-is("Columns, filters, …")');
  await click('.chip:text-is("+ studios (studio_id)")');
  await answered();
  // The button stays in sight, and leads back.
  await click('button:text-is("To the answer")');
  await see(count(".builder:visible"), 0);
  const embedded = 'table.rows > tbody > tr:first-child > td[data-name="studios"]';
  const isInside = ({ x, width }) => x >= 0 && width > 0 && x + width <= NARROW.width;
  await see(box(embedded), (box) => box && isInside(box));
  await see(box(`${embedded} dl, ${embedded} details`), (box) => box && isInside(box));
  await see(script(() => document.documentElement.scrollWidth), NARROW.width);
  await see(script(() => [...document.querySelectorAll(".scroll")].every((one) => one.scrollWidth <= one.clientWidth)), true);
  // What the heads of a table are for is still there.
  await click('table.rows th button:text-is("year")');
  await see(address, /order=year/);
  await answered();
  await seeNoViolations("small screen");
  await tab("Columns");
  await see(box('[aria-label="Structure"] td[data-name="Comment"] >> text=Length in minutes'), (box) => box && isInside(box));
  await seeNoViolations("small screen, columns");
  // What is sent by hand begins with the form.
  await go(`${CONSOLE_URL}#m=POST&r=rpc/add_review`);
  await seeSome('[data-key="argument-stars"]:visible');
});

test("a column that is new is in sight, and a table stays where it was moved to", async () => {
  await open(CONSOLE_URL);
  await follow("films");
  await answered();
  const left = script(() => document.querySelector('.scroll[aria-label="Rows"]')?.scrollLeft);
  await see(left, 0);
  await click('.chip:text-is("+ studios (studio_id)")');
  const isInSight = ([head]) => head && head.right <= head.edge;
  await see(script(() => [...document.querySelectorAll("table.rows > thead > tr > th")].filter((head) => head.textContent === "studios").map((head) => ({ right: head.getBoundingClientRect().right, edge: head.closest(".scroll").getBoundingClientRect().right + 1 }))), isInSight);
  const there = await see(left, (left) => left > 0);
  // By a script, for a click would scroll to what is clicked.
  await run(() => document.querySelector('[data-key="sort-year"]').click());
  await seeSome('th[aria-sort="ascending"]');
  await answered();
  await see(left, there);
});

/** The pictures of the documents. */
test("pictures", { skip: !CONSOLE_IMAGES }, async () => {
  await open(CONSOLE_URL);
  await useToken();
  await go(`${CONSOLE_URL}#r=rentals?select=id,loan,returned_on,films(title,year)%26returned_on=is.null%26limit=25`);
  await seeSome("table.rows");
  await picture(`${CONSOLE_IMAGES}/console.png`);
  await click('.top a:text-is("Diagram")');
  await seeSome("svg .box");
  await picture(`${CONSOLE_IMAGES}/console-diagram.png`);
  assert.deepEqual(await leave(), []);
  await open(CONSOLE_URL, { colorScheme: "dark", viewport: { ...WIDE, height: 640 } });
  await go(`${CONSOLE_URL}#r=films?select=title,year,roles(character,actors(last_name))%26year=gte.1990%26limit=25&tab=plan`);
  await seeSome(".plan .step");
  await picture(`${CONSOLE_IMAGES}/console-plan.png`);
  assert.deepEqual(await leave(), []);
  await open(CONSOLE_URL, { viewport: NARROW });
  await useToken();
  await go(`${CONSOLE_URL}#r=rentals?select=id,loan,returned_on,films(title,year)%26returned_on=is.null%26limit=25`);
  await seeSome("table.rows");
  await picture(`${CONSOLE_IMAGES}/console-narrow.png`);
});
