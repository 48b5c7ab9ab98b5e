// The console in a real browser, by clicks: scripts/console-test starts the servers that it needs,
// and tells where they are. No test may leave an error in the console of the browser, ask another
// host for anything, or violate the policy of the page.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, beforeEach, afterEach, test } from "node:test";

const { CONSOLE_URL, CONSOLE_ADMIN_URL, CONSOLE_HARD_URL, CONSOLE_SECRET, CONSOLE_CONFIG, CONSOLE_CHROMIUM, CONSOLE_PLAYWRIGHT, CONSOLE_AXE, CONSOLE_IMAGES } = process.env;
const { chromium } = createRequire(import.meta.url)(CONSOLE_PLAYWRIGHT);
const axe = readFileSync(CONSOLE_AXE, "utf8");
const SIZE_BYTES_MAX = 150 << 10;
/** A name of somebody else, which leads here. */
const FOREIGN_NAME = "foreign.example";
const WIDE = { width: 1280, height: 800 };
const NARROW = { width: 390, height: 844 };

let browser;
let context;
let page;
let troubles;

/** A token for customer 7, as the demo prints one. */
function token(claims = {}) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const body = { role: "customer", customer_id: 7, exp: Math.floor(Date.now() / 1000) + 3600, ...claims };
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part(body)}`;
  return `${text}.${createHmac("sha256", CONSOLE_SECRET).update(text).digest("base64url")}`;
}

async function open(url, options = {}) {
  context = await browser.newContext({ viewport: WIDE, ...options });
  page = await context.newPage();
  page.setDefaultTimeout(60_000);
  troubles = [];
  const own = new URL(url).hostname;
  page.on("console", (message) => {
    // Chromium itself notes each answer with an error in it, which is what some tests are about.
    const isAnswer = message.text().startsWith("Failed to load resource: the server responded");
    if (["error", "warning"].includes(message.type()) && !isAnswer) troubles.push(message.text());
  });
  page.on("pageerror", (error) => troubles.push(String(error)));
  page.on("request", (request) => {
    const { hostname, protocol } = new URL(request.url());
    if (protocol !== "data:" && hostname !== own) troubles.push(`asked ${request.url()}`);
  });
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  await page.goto(url);
  await page.waitForSelector("main h1");
}

const address = () => page.inputValue(".address");
const names = () => page.$$eval("table.rows > thead > tr > th", (cells) => cells.map((cell) => cell.textContent));
const answered = () => page.waitForSelector(".answer .status");

/** Waits until the address is that one, and its answer there. */
async function expectAddress(expected) {
  await page.waitForFunction((expected) => document.querySelector(".address")?.value === expected, expected);
  await settled();
}

/** Waits until nothing is being asked. */
async function settled() {
  await page.waitForFunction(() => document.querySelector("[aria-busy]")?.getAttribute("aria-busy") === "false" && performance.now() - (window.lastAsked ?? 0) > 0);
}

/** Clicks, and waits for the answer that comes of it. */
async function click(selector) {
  const answer = page.waitForResponse((response) => response.request().resourceType() === "fetch");
  await page.click(selector);
  await answer;
  await settled();
}

async function useToken(text = token()) {
  await page.click('button:has-text("Role:")');
  await page.fill("#token", text);
  await page.waitForSelector('dialog table[aria-label="Claims of this token"]');
  await page.click('button:text-is("Use token")');
  await page.waitForFunction(() => !document.querySelector("dialog").open);
}

const follow = async (name) => {
  await page.click(`.side a:text-is("${name}")`);
  await page.waitForSelector(`main h1:text-is("${name}")`);
};

async function seriousViolations() {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return violations.filter(({ impact }) => ["serious", "critical"].includes(impact)).map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join("\n  ")}`);
}

before(async () => {
  const args = ["--no-sandbox", `--host-resolver-rules=MAP ${FOREIGN_NAME} 127.0.0.1`];
  browser = await chromium.launch({ executablePath: CONSOLE_CHROMIUM, args });
});

after(() => browser.close());

beforeEach(() => {
  troubles = [];
});

afterEach(async () => {
  if (!page) return;
  troubles.push(...(await page.evaluate(() => window.violations ?? [])));
  const { ran } = await page.evaluate(() => ({ ran: window.ran }));
  await context.close();
  page = null;
  assert.deepEqual(troubles, []);
  assert.equal(ran, undefined);
});

test("the page is small, and paints before it has asked for anything", async () => {
  const paints = [];
  for (let round = 0; round < 5; round++) {
    await context?.close();
    await open(CONSOLE_URL);
    // The page can be there before its first frame is.
    await page.waitForFunction(() => performance.getEntriesByName("first-contentful-paint").length > 0);
    paints.push(await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime));
  }
  const sizes = await page.evaluate(() => performance.getEntriesByType("resource").filter(({ name }) => /\.console\/.*\.(js|css)$/.test(name)).map(({ decodedBodySize }) => decodedBodySize));
  const html = await page.evaluate(() => performance.getEntriesByType("navigation")[0].decodedBodySize);
  const bytes = sizes.reduce((sum, size) => sum + size, html);
  console.log(`# first paint after ${paints.map((paint) => paint.toFixed(0)).join(", ")} ms; ${bytes} bytes in ${sizes.length + 1} files`);
  // How soon is for somebody to read who has the machine to himself.
  assert.ok(paints.every((paint) => paint > 0));
  assert.ok(bytes < SIZE_BYTES_MAX);
});

test("relations and functions are listed, and searched", async () => {
  await open(CONSOLE_URL);
  assert.equal(await page.title(), "Film library");
  assert.equal(await page.textContent("main h1"), "Film library");
  assert.ok(await page.isVisible('main a:text-is("films")'));
  await page.keyboard.press("/");
  await page.keyboard.type("decade");
  assert.deepEqual(await page.$$eval(".side li", (items) => items.map((item) => item.textContent)), ["films_per_decade"]);
});

test("a relation shows its rows, and leads to those that it refers to", async () => {
  await open(CONSOLE_URL);
  await follow("films");
  await answered();
  assert.equal(await address(), "films?limit=25");
  assert.equal(await page.locator("table.rows > tbody > tr").count(), 25);
  assert.ok((await names()).includes("title"));
  const row = page.locator("table.rows > tbody > tr").first();
  const at = (await names()).indexOf("studio_id");
  const studio = await row.locator("td").nth(at).textContent();
  await row.locator("td").nth(at).locator("a").click();
  await page.waitForSelector('h1:text-is("studios")');
  assert.equal(await address(), `studios?id=eq.${studio}`);
  await answered();
  assert.equal(await page.locator("table.rows > tbody > tr").count(), 1);
  await page.goBack();
  await page.waitForSelector('h1:text-is("films")');
});

test("columns are told with types, keys, defaults and comments", async () => {
  await open(CONSOLE_URL);
  await follow("films");
  await page.click('[role=tab]:text-is("Columns")');
  const text = (await page.innerText("main")).replace(/\s+/g, " ");
  for (const expected of ["Films in the library", "id int32 key", "studios.id", "everyone, family, teen, adult", "Length in minutes", "rating numeric null", "roles many, by their column film_id", "actors many, through roles"]) {
    assert.ok(text.includes(expected), `${expected}: ${text}`);
  }
});

test("what the role may do is told", async () => {
  await open(CONSOLE_URL);
  const marks = () => page.$$eval("main .badge:not(.good):not(.bad)", (badges) => badges.map((badge) => badge.textContent));
  await follow("films");
  assert.deepEqual(await marks(), ["SELECT", "no INSERT", "no DELETE", "no UPDATE"]);
  await useToken();
  await follow("rentals");
  assert.deepEqual(await marks(), ["SELECT", "INSERT", "no DELETE", "UPDATE returned_on"]);
});

test("a request is built by clicks, and its address is always there", async () => {
  await open(CONSOLE_URL);
  await follow("films");
  await answered();
  await page.click('.chip:text-is("title")');
  await page.click('.chip:text-is("year")');
  await expectAddress("films?select=title,year&limit=25");
  await page.click('button:text-is("+ Filter")');
  await page.selectOption('[aria-label="Column"]', "year");
  await page.selectOption('[aria-label="Operator for year"]', "gte");
  await page.fill('[aria-label="Value for year"]', "1990");
  await page.keyboard.press("Enter");
  await expectAddress("films?select=title,year&limit=25&year=gte.1990");
  await page.click('button:text-is("+ Order")');
  await page.selectOption('[aria-label="Order by"]', "year");
  await page.selectOption('[aria-label="Direction"]', "desc");
  await page.selectOption('label:has-text("count") select', "exact");
  await click('[data-key="number-limit"]').catch(() => {});
  await page.fill('[data-key="number-limit"]', "3");
  await page.keyboard.press("Tab");
  await expectAddress("films?select=title,year&limit=3&year=gte.1990&order=year.desc");
  await page.waitForFunction(() => document.querySelectorAll("table.rows > tbody > tr").length === 3);
  assert.deepEqual(await names(), ["title", "year"]);
  assert.match(await page.textContent(".status"), /rows 1–3 of \d+/);
  await page.click('button:text-is("Next →")');
  await page.waitForFunction(() => document.querySelector(".status").textContent.includes("rows 4–6"));
  // It is all in the link.
  const again = await context.newPage();
  await again.goto(page.url());
  await again.waitForSelector("table.rows");
  assert.match(await again.textContent(".status"), /rows 4–6 of \d+/);
  await again.close();
});

test("the address can be written by hand, and the form follows", async () => {
  await open(CONSOLE_URL);
  await follow("films");
  await answered();
  await page.fill(".address", "films?select=title,d:directors(last_name)&d.last_name=not.is.null&rating=not.in.(1,2)&or=(year.eq.1990,year.eq.1991)&limit=2&order=title.desc.nullslast");
  await page.waitForSelector('legend:has-text("d")');
  assert.equal(await page.inputValue('[aria-label="Operator for rating"]'), "not.in");
  assert.equal(await page.inputValue('[aria-label="Value for rating"]'), "1,2");
  assert.equal(await page.inputValue('[aria-label="Nulls"]'), "nullslast");
  await page.waitForFunction(() => document.querySelectorAll("table.rows > tbody > tr").length === 2);
  await page.click('[role=tab]:text-is("JSON")');
  const rows = JSON.parse(await page.textContent("pre.json"));
  assert.equal(Object.keys(rows[0]).join(), "title,d");
  // What is changed by a click leaves what is not understood where it is.
  await page.click('.chip:text-is("year")');
  await expectAddress("films?select=title,year,d:directors(last_name)&d.last_name=not.is.null&rating=not.in.(1,2)&or=(year.eq.1990,year.eq.1991)&limit=2&order=title.desc.nullslast".replaceAll("(", "(").replaceAll(")", ")"));
});

test("from the first page to an embedded, filtered answer for a customer: the clicks in docs/console.md", async () => {
  await open(CONSOLE_URL);
  const began = Date.now();
  assert.equal(await page.locator('.side a:text-is("rentals")').count(), 0);
  await page.click('button:text-is("Use a token")');
  // Pasted where the focus is.
  await page.keyboard.insertText(token());
  await page.click('button:text-is("Use token")');
  await page.waitForFunction(() => document.activeElement.id === "main");
  await follow("rentals");
  await answered();
  await page.click('.chip:text-is("+ films (film_id)")');
  await expectAddress("rentals?select=*,films(*)&limit=25");
  await page.click('button:text-is("+ Filter")');
  await page.selectOption('[aria-label="Column"]', "returned_on");
  await page.selectOption('[aria-label="Operator for returned_on"]', "is");
  await page.waitForFunction(() => document.querySelector(".address").value.endsWith("returned_on=is.null"));
  await page.waitForFunction(() => document.querySelector("table.rows"));
  console.log(`# eight clicks and choices, a program's: ${Date.now() - began} ms`);
  await page.click('[role=tab]:text-is("JSON")');
  await settled();
  await page.waitForFunction(() => JSON.parse(document.querySelector("pre.json").textContent).every((row) => row.returned_on === null));
  const rows = JSON.parse(await page.textContent("pre.json"));
  assert.ok(rows.length > 0 && rows.every((row) => row.customer_id === 7 && row.films.title));
});

test("two roles get the same request side by side", async () => {
  await open(CONSOLE_URL);
  await useToken();
  await useToken(token({ customer_id: 8 }));
  await page.click('button:has-text("Role:")');
  await page.selectOption('[data-key="other"]', { label: "customer (customer_id 7)" });
  await page.click('dialog button:text-is("Close")');
  await follow("rentals");
  await page.waitForSelector(".difference");
  assert.match(await page.textContent(".difference"), /\d+ rows only for customer \(customer_id 8\), \d+ rows only for customer \(customer_id 7\), 0 rows for both/);
  assert.equal(await page.locator(".answer").count(), 2);
  assert.ok((await page.locator("tr.only").count()) > 0);
  // The page forgets it all with itself.
  const stored = await page.evaluate(() => [Object.keys(localStorage), Object.keys(sessionStorage), document.cookie, location.hash.includes("eyJ")]);
  assert.deepEqual(stored, [[], [], "", false]);
});

test("a token that is none, or too old, is told so", async () => {
  await open(CONSOLE_URL);
  await page.click('button:has-text("Role:")');
  await page.fill("#token", "nonsense");
  await page.click('button:text-is("Use token")');
  assert.match(await page.textContent("dialog .problem"), /three parts/);
  await page.fill("#token", `Bearer ${token({ exp: 1000 })}`);
  await page.waitForSelector('dialog caption:text-is("The token has expired.")');
  await page.click('button:text-is("Use token")');
  await page.waitForSelector("main .problem");
  assert.match(await page.textContent("main .problem"), /PGRST303.*expired/s);
});

test("an error says what to do about it", async () => {
  await open(CONSOLE_URL);
  await follow("reviews");
  await answered();
  await page.selectOption('[aria-label="Method"]', "DELETE");
  await page.click('button:text-is("+ Filter")');
  await page.fill('[aria-label="Value for id"]', "1");
  await page.keyboard.press("Tab");
  await page.click('button:text-is("Send")');
  await page.waitForSelector(".sql");
  assert.equal(await page.textContent(".sql"), "GRANT DELETE ON api.reviews TO web_anon;");
  assert.match(await page.textContent(".answer .problem"), /permission denied for table reviews.*42501/s);
  assert.match(await page.textContent(".answer .advice"), /a token is missing\. .*let it, as the owner:$/);
  await page.fill(".address", "nowhere");
  await page.selectOption('[aria-label="Method"]', "GET");
  await page.waitForFunction(() => document.querySelector(".answer .problem")?.textContent.includes("PGRST205"));
});

test("a body is made from the types, and can be sent as it stands", async () => {
  await open(CONSOLE_URL);
  await follow("reviews");
  await answered();
  await page.selectOption('[aria-label="Method"]', "POST");
  await page.click('button:text-is("Fill in an example")');
  const body = JSON.parse(await page.inputValue('textarea[aria-label="Body"]'));
  assert.deepEqual(body, { film_id: 1, stars: 1 });
  await page.click('button:text-is("Send")');
  await page.waitForSelector('.badge:text-is("201")');
  assert.match(await page.textContent("table.rows"), /anonymous/);
});

test("a function is called with its arguments", async () => {
  await open(CONSOLE_URL);
  await follow("films_per_decade");
  await answered();
  await page.fill('[data-key="argument-from_year"]', "1990");
  await expectAddress("rpc/films_per_decade?from_year=1990");
  await page.waitForFunction(() => document.querySelector("table.rows > tbody > tr > td")?.textContent === "1990");
  await follow("add_review");
  assert.equal(await page.inputValue('[aria-label="Method"]'), "POST");
  await page.fill('[data-key="argument-film_id"]', "2");
  await page.fill('[data-key="argument-stars"]', "5");
  await page.fill('[data-key="argument-body"]', "12");
  await page.click('button:text-is("Send")');
  await page.waitForSelector('.badge:text-is("200")');
  await page.click('[role=tab]:text-is("JSON")');
  assert.match(await page.textContent("pre.json"), /"body": "12"/);
});

test("the plan is a tree with times, and the headers tell the server's", async () => {
  await open(CONSOLE_URL);
  await follow("films");
  await answered();
  await page.click('[role=tab]:text-is("Plan")');
  await page.waitForSelector(".plan .step");
  const plan = await page.textContent(".plan");
  assert.match(plan, /Planning [\d.]+ ms · Execution [\d.]+ ms/);
  assert.match(plan, /Seq Scan.*on films.*25 rows/s);
  await page.click('[role=tab]:text-is("Headers")');
  assert.match(await page.textContent('table[aria-label="Server-Timing"]'), /transaction.*ms/s);
  assert.match(await page.textContent('table[aria-label="Headers"]'), /content-type.*application\/json/s);
});

test("a request is told in other languages, without the token", async () => {
  await open(CONSOLE_URL);
  await useToken();
  await page.goto(`${CONSOLE_URL}#r=films?select=title,directors(last_name)%26year=gte.1990%26title=ilike.*it's*%26order=year.desc%26limit=3&tab=code`);
  await page.waitForSelector(".code pre");
  const [curl, javascript, python] = await page.$$eval(".code pre", (blocks) => blocks.map((block) => block.textContent));
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
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.click('.code section:has(h3:text-is("Python")) button');
  await page.waitForSelector('.code button:text-is("Copied")');
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), python);
});

test("the diagram leads to relations", async () => {
  await open(CONSOLE_URL);
  await page.click('.top a:text-is("Diagram")');
  await page.waitForFunction(() => document.querySelectorAll("path.reference").length >= 8);
  await page.click('svg a:has(.box-name:text-is("roles")) .box');
  await page.waitForSelector('h1:text-is("roles")');
});

test("keys are enough", async () => {
  await open(CONSOLE_URL);
  await follow("films");
  await answered();
  await page.focus('[role=tab][aria-selected="true"]:text-is("Table")');
  await page.keyboard.press("ArrowRight");
  await page.waitForSelector("pre.json");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "JSON");
  await page.focus(".address");
  await page.keyboard.press("End");
  const sent = page.waitForResponse((response) => response.url().includes("films?limit=25"));
  await page.keyboard.press("Control+Enter");
  await sent;
  await page.focus(".skip");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
});

test("nothing that a database says is run", async () => {
  await open(CONSOLE_HARD_URL);
  await page.selectOption('[aria-label="Schema"]', "hostile");
  await page.waitForSelector('h1:has-text("<img src=x")');
  await page.click('.side a:has-text("<img src=x")');
  await answered();
  await page.waitForSelector("table.rows");
  assert.match(await page.textContent("table.rows"), /9007199254740993.*<img src=x onerror="window\.ran = 8">/s);
  for (const tab of ["JSON", "Headers", "Plan", "Code"]) await page.click(`[role=tab]:text-is("${tab}")`);
  await page.click('[role=tab]:text-is("Columns")');
  assert.ok((await page.textContent("main")).includes('"><img src=x onerror="window.ran = 7">'));
  await page.click('.top a:text-is("Diagram")');
  await page.waitForSelector("svg .box");
  await page.click('.side a:text-is("__proto__")');
  await answered();
  assert.deepEqual(await names(), ["id", "constructor", "a/b?c#d&e=f"]);
  await page.click('.chip:text-is("a/b?c#d&e=f")');
  await page.waitForFunction(() => document.querySelectorAll("table.rows > thead th").length === 1);
  assert.deepEqual(await names(), ["a/b?c#d&e=f"]);
});

test("odd tokens are shown as what they are, and run nothing", async () => {
  await open(CONSOLE_URL);
  await page.click('button:has-text("Role:")');
  const odd = { "<img src=x onerror=window.ran=1>": "<b>", __proto__x: { a: [null] }, sub: '"><script>window.ran = 2</script>', exp: 1e300, role: "customer", nbf: "soon" };
  for (const [claims, words] of [
    [odd, /expires on Invalid Date/],
    [{ exp: "soon" }, /has an exp that is no number/],
    [{ exp: -1, role: { a: 1 } }, /has expired/],
    [{ exp: undefined, role: "" }, /never expires/],
  ]) {
    await page.fill("#token", "");
    await page.fill("#token", token(claims));
    await page.waitForSelector('dialog table[aria-label="Claims of this token"]');
    assert.match(await page.innerText("dialog caption"), words);
  }
  for (const [text, words] of [
    ["ä.ö.ü", /letters and digits of ASCII/],
    ["a.bnVsbA.c", /not JSON/],
    [".".repeat(100_000), /three parts/],
  ]) {
    await page.fill("#token", text);
    await page.click('button:text-is("Use token")');
    assert.match(await page.textContent("dialog .problem"), words);
  }
  await page.fill("#token", token(odd));
  await page.click('button:text-is("Use token")');
  // The server refuses it, for whatever reason, and the page says so.
  await page.waitForSelector("main .problem, main h1");
});

test("links with nonsense behind the # are borne", async () => {
  await open(CONSOLE_URL);
  for (const hash of ["tab=constructor&r=films", "tab=__proto__&r=films?limit=1", "r=%", "r=films?select=<script>window.ran=1</script>", "m=constructor&r=films", "v=toString", "schema=__proto__&r=films", "r=javascript:window.ran=1", "r=//example.com/x", `r=films&prefer=${encodeURIComponent("a\r\nX-Y: z")}`, `r=${"a(".repeat(2000)}`, "as=text/html&r=films"]) {
    await page.goto(`${CONSOLE_URL}#${hash}`);
    await page.waitForFunction(() => document.querySelector("main h1") && !document.querySelector("[aria-busy=true]"));
  }
});

/** Asks the function of the hostile schema, and looks at its answer in all ways. */
async function lookAtAll(name, query, words) {
  await page.goto(`${CONSOLE_HARD_URL}#schema=hostile&r=rpc/${name}${query}`);
  await expectAddress(`rpc/${name}${query}`);
  assert.match(await page.textContent(".status"), words);
  for (const tab of ["JSON", "Headers", "Plan", "Code", "Table"]) {
    await page.click(`[role=tab]:text-is("${tab}")`);
    await page.waitForSelector(`[role=tab][aria-selected=true]:text-is("${tab}")`);
  }
}

const openHostile = async () => {
  await open(CONSOLE_HARD_URL);
  await page.selectOption('[aria-label="Schema"]', "hostile");
  await page.waitForSelector('.side a:text-is("deep")');
};

/** How many letters of the answer are shown, and whether that is said to be the beginning only. */
const shownOf = (tab) => page.click(`[role=tab]:text-is("${tab}")`).then(() => page.$eval(".answer", (answer) => [answer.querySelector("pre").textContent.length, answer.textContent.includes("Only the beginning is shown.")]));

const LETTERS_MAX = 1 << 20;
const A_LINE = 2000;

test("an answer of 100 MB is cut off, and one of 15 MB is shown as far as a page can", async () => {
  await openHostile();
  const began = Date.now();
  await lookAtAll("large", "?rows=100000", /^200 .*cut off: too large to show$/);
  console.log(`# 100 MB: asked and looked at in ${Date.now() - began} ms`);
  for (const tab of ["JSON", "Table"]) assert.deepEqual(await shownOf(tab), [LETTERS_MAX, true], tab);
  const again = Date.now();
  await lookAtAll("large", "?rows=15000", /^200 .*MiB$/);
  console.log(`# 15 MB: asked and looked at in ${Date.now() - again} ms`);
  const [letters, isCut] = await shownOf("JSON");
  assert.ok(isCut && letters > LETTERS_MAX && letters < LETTERS_MAX + A_LINE, String(letters));
  await page.click('.side a:text-is("games")');
  await page.waitForSelector('main h1:text-is("games")');
});

test("an answer that is nested 3,000 deep is shown, and compared", async () => {
  await openHostile();
  await lookAtAll("deep", "?levels=3000", /^200 /);
  assert.equal(await page.locator(".answer .problem").count(), 0);
  assert.equal(await page.locator("table.rows").count(), 8);
  await page.click('[role=tab]:text-is("JSON")');
  const text = await page.textContent("pre.json");
  assert.ok(text.startsWith('[\n  {\n    "a": [\n      {'), text.slice(0, 100));
  await useToken();
  await page.click('button:has-text("Role:")');
  await page.selectOption('[data-key="other"]', { index: 1 });
  await page.click('dialog button:text-is("Close")');
  await page.waitForSelector(".difference");
  assert.equal(await page.textContent(".difference"), "Both get the same 1 row.");
});

test("an answer with many members, and an error with a script in it, are borne", async () => {
  await openHostile();
  await lookAtAll("wide", "?members=20000", /^200 /);
  await page.waitForSelector('th:text-is("… 19500 more")');
  await lookAtAll("failing", "?words=x", /^400 /);
  assert.match(await page.textContent(".answer .problem"), /window\.ran = 10/);
});

test("where there is more than one way, a hint is given, or offered", async () => {
  await open(CONSOLE_HARD_URL);
  await page.selectOption('[aria-label="Schema"]', "hostile");
  await page.click('.side a:text-is("games")');
  await answered();
  await page.click('.chip:text-is("+ teams (home)")');
  await expectAddress("games?select=*,teams!home(*)&limit=25");
  await page.click('.chip:text-is("+ teams (away)")');
  await expectAddress("games?select=*,teams!home(*),teams_by_away:teams!away(*)&limit=25");
  await page.waitForFunction(() => document.querySelectorAll("table.rows > thead th").length === 5);
  await page.fill(".address", "games?select=id,teams(name)");
  await page.waitForSelector('button:text-is("games_away_fkey")');
  await page.click('button:text-is("games_away_fkey")');
  await expectAddress("games?select=id,teams!games_away_fkey(name)");
  await page.waitForFunction(() => document.querySelector("table.rows")?.textContent.includes("blue"));
});

test("events are shown as they come", async () => {
  await open(CONSOLE_HARD_URL);
  await page.selectOption('[aria-label="Schema"]', "hostile");
  await page.click('.side a:text-is("ticks")');
  await answered();
  await page.selectOption('[data-key="accept"]', "text/event-stream");
  await page.waitForSelector('.answer .empty:has-text("Listening")');
  for (const word of ["one", "two\nlines", "<img src=x onerror='window.ran = 13'>"]) {
    const body = JSON.stringify({ word });
    const told = await fetch(new URL("rpc/tick", CONSOLE_HARD_URL), { method: "POST", headers: { "Content-Profile": "hostile", "Content-Type": "application/json" }, body });
    assert.equal(told.status, 204);
  }
  await page.waitForSelector(".events li >> nth=2");
  const events = await page.$$eval(".events li", (items) => items.map((item) => [item.querySelector("strong").textContent, item.querySelector("pre").textContent]));
  assert.deepEqual(events, [["ticks", "<img src=x onerror='window.ran = 13'>"], ["ticks", "two\nlines"], ["ticks", "one"]]);
  assert.deepEqual(await seriousViolations(), []);
});

test("a thousand tables are listed, drawn and searched", async () => {
  await open(CONSOLE_HARD_URL);
  const began = Date.now();
  await page.selectOption('[aria-label="Schema"]', "many");
  await page.waitForFunction(() => document.querySelectorAll(".side li").length === 1000);
  const listed = Date.now() - began;
  const drawing = Date.now();
  await page.click('.top a:text-is("Diagram")');
  await page.waitForFunction(() => document.querySelectorAll("svg .box").length === 1000);
  const drawn = Date.now() - drawing;
  const searching = Date.now();
  await page.fill(".side input", "table_777");
  await page.waitForFunction(() => document.querySelectorAll(".side li").length === 1);
  const found = Date.now() - searching;
  console.log(`# 1,000 tables: listed after ${listed} ms, drawn after ${drawn} ms, searched after ${found} ms`);
  assert.match(await page.textContent(".side li"), /table_777/);
});

test("what a function makes of a row is embedded like a relation", async () => {
  await open(CONSOLE_URL);
  await follow("films");
  await answered();
  await page.click('.chip:text-is("+ latest_review (one of reviews, computed)")');
  await expectAddress("films?select=*,latest_review(*)&limit=25");
  await page.click('.chip:text-is("+ sequels (many of films, computed)")');
  await expectAddress("films?select=*,latest_review(*),sequels(*)&limit=25");
  // Its columns are those of the relation that its rows are of.
  await page.click('fieldset.embed:has(legend:text-is("sequels")) .chip:text-is("title")');
  await expectAddress("films?select=*,latest_review(*),sequels(title)&limit=25");
  await page.waitForFunction(() => [...document.querySelectorAll("table.rows > thead > tr > th")].some((cell) => cell.textContent === "sequels"));
  await page.click('[role=tab]:text-is("Columns")');
  assert.match(await page.innerText("main"), /reviews one, by the function latest_review/);
});

test("the server's state is on the admin server", async () => {
  await open(CONSOLE_URL);
  const link = await page.getAttribute('.top a:text-is("Server")', "href");
  assert.equal(new URL(link).port, new URL(CONSOLE_ADMIN_URL).port);
  await context.close();
  await open(CONSOLE_ADMIN_URL);
  await page.waitForSelector('.badge:text-is("ready")');
  const cards = await page.$$eval(".card h2", (titles) => titles.map((title) => title.textContent));
  for (const title of ["Requests a second", "Connections in use", "Requests waiting", "Slow readers", "Schema cache", "Configuration"]) {
    assert.ok(cards.includes(title), title);
  }
  await page.waitForFunction(() => document.querySelector("polyline")?.getAttribute("points").includes(" "));
  assert.deepEqual(await seriousViolations(), []);
});

test("the schema and the configuration are loaded again from there, and what is wrong is told", async () => {
  await open(CONSOLE_ADMIN_URL);
  const card = (title) => `.card[aria-label="${title}"]`;
  const when = (title) => page.getAttribute(`${card(title)} time`, "datetime");
  /** Waits for an attempt after this one, whose words are shown then. */
  const again = async (title, before) => {
    await page.waitForFunction(([selector, before]) => {
      const time = document.querySelector(`${selector} time`)?.getAttribute("datetime");
      return time && time !== before && !document.querySelector(`${selector} button`).disabled;
    }, [card(title), before]);
    return page.innerText(`${card(title)} strong`);
  };
  await page.waitForSelector(`${card("Schema cache")} time`);
  let before = await when("Schema cache");
  await page.click('button:text-is("Load the schema again")');
  assert.equal(await again("Schema cache", before), "loaded");
  before = await when("Configuration");
  writeFileSync(CONSOLE_CONFIG, "db-max-rows = many\n");
  try {
    await page.click('button:text-is("Read the configuration again")');
    assert.equal(await again("Configuration", before), "the last load failed");
    assert.match(await page.innerText(`${card("Configuration")} .problem`), /expected a value/);
    assert.deepEqual(await seriousViolations(), []);
    before = await when("Configuration");
  } finally {
    writeFileSync(CONSOLE_CONFIG, "");
  }
  await page.click('button:text-is("Read the configuration again")');
  assert.equal(await again("Configuration", before), "in effect");
  assert.equal(await page.locator(`${card("Configuration")} .problem`).count(), 0);
});

test("a page of somebody else cannot give the admin server orders", async () => {
  const lastLoads = () => fetch(new URL(".console/state.json", CONSOLE_ADMIN_URL)).then((response) => response.text());
  const before = await lastLoads();
  await open(CONSOLE_URL);
  // Another port is another origin, and this page has no policy that would keep it from asking.
  await page.route("**/foreign", (route) => route.fulfill({ contentType: "text/html", body: "<h1>Foreign</h1>" }));
  await page.goto(`${CONSOLE_URL}foreign`);
  const url = new URL(".console/reload/schema", CONSOLE_ADMIN_URL).href;
  const order = (options) => page.evaluate(([url, options]) => fetch(url, { method: "POST", ...options }).then((response) => response.type, (error) => error.name), [url, options]);
  assert.equal(await order({ headers: { "CoreREST-Console": "reload" } }), "TypeError");
  // Without the header it is sent, and refused, and the page may not see how.
  await order({ mode: "no-cors" });
  assert.equal(await lastLoads(), before);
  assert.ok(troubles.length > 0 && troubles.every((trouble) => /CORS policy|ERR_FAILED/.test(trouble)), troubles.join());
  troubles = [];
});

test("nor can one whose name was made to point to it (DNS rebinding)", async () => {
  const lastLoads = () => fetch(new URL(".console/state.json", CONSOLE_ADMIN_URL)).then((response) => response.text());
  const before = await lastLoads();
  await open(CONSOLE_URL);
  const url = new URL(CONSOLE_ADMIN_URL);
  url.hostname = FOREIGN_NAME;
  await page.goto(url.href);
  assert.match(await page.textContent("body"), /does not answer to this name.*Open it by IP address/s);
  // For the browser what it shows is of that server, so a script there may ask and read whatever it likes.
  await page.goto(`${url.href}metrics`);
  const ask = (path, options) => page.evaluate(([path, options]) => fetch(path, options).then((response) => response.status), [path, options]);
  assert.equal(await ask("/ready"), 200);
  assert.equal(await ask("/.console/state.json"), 403);
  for (const what of ["schema", "config"]) {
    assert.equal(await ask(`/.console/reload/${what}`, { method: "POST", headers: { "CoreREST-Console": "reload" } }), 403);
  }
  assert.equal(await lastLoads(), before);
  // That it is asked at all is what this is about.
  assert.ok(troubles.length > 0 && troubles.every((trouble) => trouble.startsWith(`asked ${url.origin}/`)), troubles.join());
  troubles = [];
});

for (const colorScheme of ["light", "dark"]) {
  test(`it can be used by everybody, ${colorScheme}`, async () => {
    await open(CONSOLE_URL, { colorScheme });
    const look = async (where) => assert.deepEqual([where, await seriousViolations()], [where, []]);
    await look("home");
    await follow("films");
    await answered();
    await page.click('.chip:has-text("+ directors")');
    await page.click('button:text-is("+ Filter")');
    await page.click('button:text-is("+ Order")');
    await settled();
    await look("request");
    for (const tab of ["JSON", "Headers", "Plan", "Code", "Columns"]) {
      await page.click(`[role=tab]:text-is("${tab}")`);
      if (tab === "Plan") await page.waitForSelector(".plan");
      await look(tab);
    }
    await page.click('.top a:text-is("Diagram")');
    await look("diagram");
    await page.click('button:has-text("Role:")');
    await page.fill("#token", token());
    await page.waitForSelector('dialog table[aria-label="Claims of this token"]');
    await look("callers");
    await page.click('button:text-is("Use token")');
    await page.goto(`${CONSOLE_URL}#r=nowhere`);
    await page.waitForSelector(".answer .problem");
    await look("error");
  });
}

test("it is made for small screens, too", async () => {
  await open(CONSOLE_URL, { viewport: NARROW });
  await page.click(".menu");
  await follow("films");
  await answered();
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.equal(width, NARROW.width);
  assert.deepEqual(await seriousViolations(), []);
});

/** The pictures of the documents. */
test("pictures", { skip: !CONSOLE_IMAGES }, async () => {
  const picture = (name) => page.screenshot({ path: `${CONSOLE_IMAGES}/${name}.png` });
  await open(CONSOLE_URL);
  await useToken();
  await page.goto(`${CONSOLE_URL}#r=rentals?select=id,loan,returned_on,films(title,year)%26returned_on=is.null%26limit=25`);
  await page.waitForSelector("table.rows");
  await picture("console");
  await page.click('.top a:text-is("Diagram")');
  await page.waitForSelector("svg .box");
  await picture("console-diagram");
  await context.close();
  await open(CONSOLE_URL, { colorScheme: "dark", viewport: { ...WIDE, height: 640 } });
  await page.goto(`${CONSOLE_URL}#r=films?select=title,year,roles(character,actors(last_name))%26year=gte.1990%26limit=25&tab=plan`);
  await page.waitForSelector(".plan .step");
  await picture("console-plan");
  await context.close();
  await open(CONSOLE_URL, { viewport: NARROW });
  await page.goto(`${CONSOLE_URL}#r=films?select=title,year,rating%26order=rating.desc.nullslast%26limit=25`);
  await page.waitForSelector("table.rows");
  await picture("console-narrow");
});
