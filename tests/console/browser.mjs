// The browser that the tests drive. A test acts (`click`, `fill`, `choose`, `press`, `go` …) and says
// what it then expects to `see`. The page itself is not given out: whatever is read of it is read again
// until it is what is expected, for a page is always on its way from one state to the next, and
// a read that does not wait tells which of the two it has met.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { setTimeout as pause } from "node:timers/promises";

const { CONSOLE_SECRET, CONSOLE_CHROMIUM, CONSOLE_PLAYWRIGHT, CONSOLE_AXE } = process.env;
const { chromium } = createRequire(import.meta.url)(CONSOLE_PLAYWRIGHT);
const axe = readFileSync(CONSOLE_AXE, "utf8");
/** So many times slower than it is: what passes by luck alone fails then. */
const SLOWDOWN = Number(process.env.CONSOLE_SLOWDOWN || 1);
const LATENCY_MS = 10;
const PATIENCE_MS = 60_000 * Math.sqrt(SLOWDOWN);
/** How soon to look again. */
const AGAIN_MS = 20;
/** A name of somebody else, which leads here. */
export const FOREIGN_NAME = "foreign.example";
export const WIDE = { width: 1280, height: 800 };
export const NARROW = { width: 390, height: 844 };

let browser;
let context;
let page;
let devtools;
let troubles = [];

export async function launch() {
  const args = ["--no-sandbox", `--host-resolver-rules=MAP ${FOREIGN_NAME} 127.0.0.1`];
  browser = await chromium.launch({ executablePath: CONSOLE_CHROMIUM, args });
}

export const quit = () => browser?.close();

const slowDown = (rate) => devtools?.send("Emulation.setCPUThrottlingRate", { rate });

export async function open(url, options = {}) {
  await context?.close();
  context = await browser.newContext({ viewport: WIDE, ...options });
  page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
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
  if (SLOWDOWN > 1) {
    devtools = await context.newCDPSession(page);
    await slowDown(SLOWDOWN);
    await devtools.send("Network.enable");
    await devtools.send("Network.emulateNetworkConditions", { offline: false, latency: LATENCY_MS * SLOWDOWN, downloadThroughput: -1, uploadThroughput: -1 });
  }
  await page.goto(url, { timeout: PATIENCE_MS });
}

/** Leaves the page, and tells what was wrong with it: errors, strange requests, violations of its policy, and scripts that ran. */
export async function leave() {
  if (!page) return [];
  const { violations = [], ran } = await page.evaluate(() => ({ violations: window.violations, ran: window.ran }));
  await context.close();
  context = page = null;
  return [...troubles, ...violations, ...(ran === undefined ? [] : [`script ${ran} ran`])];
}

/** Tells what was wrong so far where that is what a test is about. */
export const takeTroubles = () => troubles.splice(0);

// Seeing -----------------------------------------------------------------------------------------

// Each makes a way to read the page, for `see`. They take Playwright's selectors.

export const texts = (selector) => () => page.$$eval(selector, (all) => all.map((one) => one.textContent));
/** The text of the first that there is. */
export const text = (selector) => async () => (await texts(selector)())[0];
/** The text as it is laid out, with single blanks. */
export const words = (selector) => () => page.$$eval(selector, ([one]) => one?.innerText.replace(/\s+/g, " "));
export const count = (selector) => () => page.$$eval(selector, (all) => all.length);
export const value = (selector) => () => page.$$eval(selector, ([one]) => one?.value);
export const attribute = (selector, name) => () => page.$$eval(selector, ([one], name) => one?.getAttribute(name), name);
export const json = (selector) => async () => JSON.parse(await text(selector)());
/** Where it is in the window, and how large. */
export const box = (selector) => () => page.$$eval(selector, ([one]) => one && (({ x, y, width, height }) => ({ x, y, width, height }))(one.getBoundingClientRect()));
/** What a script in the page says. */
export const script = (run, argument) => () => page.evaluate(run, argument);
export const title = () => page.title();
export const url = () => page.url();

export const address = value(".address");
export const heading = text("main h1");
export const names = texts("table.rows[aria-label=Rows] > thead > tr > th");
export const rows = count("table.rows[aria-label=Rows] > tbody > tr");
export const focused = script(() => document.activeElement.id || document.activeElement.textContent || document.activeElement.tagName);

function agree(seen, expected) {
  if (expected instanceof RegExp) assert.match(String(seen), expected);
  else if (typeof expected === "function") assert.ok(expected(seen), `${expected} is not so of ${JSON.stringify(seen)}`);
  else assert.deepEqual(seen, expected);
}

/** Reads until that is what is expected: a value, a pattern, or what a function says yes to. Gives what was read; fails with what was read last. */
export async function see(read, expected) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      const seen = await read();
      agree(seen, expected);
      return seen;
    } catch (failure) {
      if (Date.now() > deadline) throw failure;
    }
    await pause(AGAIN_MS);
  }
}

/** Waits until something is there. */
export const seeSome = (selector) => see(count(selector), (count) => count > 0);

/** Waits until nothing is being asked, nor will be by itself. */
export const settled = () => see(attribute("[aria-busy]", "aria-busy"), "false");

/** Waits until an answer is there, and is that to what stands in the address. */
export async function answered() {
  await settled();
  await seeSome(".answer .status");
}

export async function seeAddress(expected) {
  await see(address, expected);
  await settled();
}

export async function seeNoViolations(where) {
  await page.evaluate(axe);
  // It looks for long, and it is not what is slowed down.
  await slowDown(1);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  await slowDown(SLOWDOWN);
  const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  assert.deepEqual(serious.map(({ id, nodes }) => `${where}, ${id}: ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join("\n  ")}`), []);
}

// Acting -----------------------------------------------------------------------------------------

// What they act on may still be on its way: Playwright waits for it.

export const click = (selector) => page.click(selector);
export const fill = (selector, text) => page.fill(selector, text);
export const choose = (selector, option) => page.selectOption(selector, option);
export const focus = (selector) => page.focus(selector);
export const press = (...keys) => keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());
export const type = (text) => page.keyboard.type(text);
/** As by pasting. */
export const paste = (text) => page.keyboard.insertText(text);
export const go = (url) => page.goto(url);
/** Does something as a script in the page, and gives what comes of it. */
export const run = (script, argument) => page.evaluate(script, argument);
export const picture = (path) => page.screenshot({ path });
export const allow = (...permissions) => context.grantPermissions(permissions);
/** Answers `confirm` and the like, and tells what they asked. */
export function answerQuestions(isYes) {
  const questions = [];
  page.on("dialog", (dialog) => {
    questions.push(dialog.message());
    return isYes ? dialog.accept() : dialog.dismiss();
  });
  return questions;
}

/** Takes the page's clock, and gives what makes it go on by so many ms. */
export async function takeClock() {
  await page.clock.install();
  return (ms) => page.clock.runFor(ms);
}

export async function back() {
  await run(() => history.back());
}

export async function forward() {
  await run(() => history.forward());
}

/** Opens the same link in a page of its own, for as long as `look` looks at it. */
export async function inAnotherPage(look) {
  const first = page;
  page = await context.newPage();
  await page.goto(first.url());
  await look();
  await page.close();
  page = first;
}

export async function follow(name) {
  await click(`.side a:text-is("${name}")`);
  await see(heading, name);
}

/** A token for customer 7, as the demo prints one. */
export function token(claims = {}) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const body = { role: "customer", customer_id: 7, exp: Math.floor(Date.now() / 1000) + 3600, ...claims };
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part(body)}`;
  return `${text}.${createHmac("sha256", CONSOLE_SECRET).update(text).digest("base64url")}`;
}

export const openCallers = () => click('button:has-text("Role:")');

export async function useToken(text = token()) {
  await openCallers();
  await fill("#token", text);
  await seeSome('dialog table[aria-label="Claims of this token"]');
  await click('button:text-is("Use token")');
  await see(count("dialog[open]"), 0);
}

// The network -------------------------------------------------------------------------------------

/** Has the page's requests with this in their address wait until they are released; tells how many do. */
export async function hold(part, isWanted = () => true) {
  const held = [];
  const pattern = (url) => url.href.includes(part);
  await page.route(pattern, (route) => (isWanted(route.request()) ? void held.push(route) : route.continue()));
  const release = async () => {
    await page.unroute(pattern);
    // The page may have given up some of them.
    await Promise.all(held.splice(0).map((route) => route.continue().catch(() => {})));
  };
  return { waiting: () => held.length, release };
}

/** Has something else answer requests with this in their address, until it is told to stop. */
export async function instead(part, answer) {
  const pattern = (url) => url.href.includes(part);
  await page.route(pattern, answer);
  return () => page.unroute(pattern);
}

/** Notes the method and the path of what the page sends from now on. */
export function listen() {
  const sent = [];
  page.on("request", (request) => sent.push(`${request.method()} ${new URL(request.url()).pathname}`));
  return sent;
}
