// The page of the admin server: how the server is, from `/ready`, `/metrics` and its own state, asked
// for every two seconds while somebody looks. What it draws is kept in this page, and begins when it
// is opened. All that it can do to the server is to make it load again what it has loaded.

import { h, replace, s } from "./dom.js";

const EVERY_MS = 2000;
/** How soon to look again while something is being loaded. */
const SOON_MS = 250;
/** How long to wait for an answer: `/ready` may look at each core for five seconds. */
const PATIENCE_MS = 20_000;
const POINTS = 150;

const parts = { state: h("div"), cards: h("div", { class: "cards" }) };
const history = [];
/** What was asked to be loaded again, with when it had been loaded before. */
const reloads = new Map();
let problem = "";
/** Why the server could not be asked to load something again. */
let refusal = "";
let wake = () => {};

/** The samples of a family by their labels, from Prometheus' text format. */
function parse(text) {
  const samples = new Map();
  for (const line of text.split("\n")) {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!match) continue;
    const labels = Object.fromEntries([...(match[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, name, value]) => [name, value]));
    if (!samples.has(match[1])) samples.set(match[1], []);
    samples.get(match[1]).push({ labels, value: Number(match[3]) });
  }
  return samples;
}

const sum = (point, name, wanted = () => true) =>
  (point?.samples.get(name) ?? []).filter(({ labels }) => wanted(labels)).reduce((total, { value }) => total + value, 0);

/** How fast a counter grows between two points, a second. */
function rate(now, before, name, wanted) {
  if (!before) return 0;
  return Math.max(0, sum(now, name, wanted) - sum(before, name, wanted)) / ((now.at - before.at) / 1000);
}

/** A quantile of what was counted between two points, as its bucket's upper bound, in ms. */
function quantile(now, before, name, part) {
  if (!before) return 0;
  const buckets = (point) => new Map((point.samples.get(`${name}_bucket`) ?? []).map(({ labels, value }) => [labels.le, value]));
  const [later, earlier] = [buckets(now), buckets(before)];
  const grown = [...later].map(([bound, value]) => [Number(bound.replace("+Inf", "Infinity")), value - (earlier.get(bound) ?? 0)]);
  const all = grown.at(-1)?.[1] ?? 0;
  if (all <= 0) return 0;
  const [bound] = grown.find(([, count]) => count >= all * part);
  return Number.isFinite(bound) ? bound * 1000 : grown.at(-2)[0] * 1000;
}

const format = (value) => value.toLocaleString(undefined, { maximumFractionDigits: value < 10 ? 2 : 0 });

function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB"];
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${format(value)} ${units[unit]}`;
}

function duration(seconds) {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

/** A curve of a number over the last minutes, as a picture that is also told in words. */
function curve(values, label) {
  const most = Math.max(...values, 1e-9);
  const points = values.map((value, at) => `${((POINTS - values.length + at) / (POINTS - 1)) * 300},${40 - (value / most) * 38}`);
  return s(
    "svg",
    { viewBox: "0 0 300 42", preserveAspectRatio: "none", role: "img", "aria-label": `${label}, at most ${format(most)}` },
    s("polyline", { points: points.join(" "), class: "curve" }),
  );
}

function card(title, value, detail, of) {
  return h("section", { class: "card", "aria-label": title }, h("h2", {}, title), h("strong", {}, value), detail && h("small", {}, detail), of && curve(history.map((point, at) => of(point, history[at - 1])), title));
}

/** What was loaded last, what was wrong with it, and a button that loads it again. */
function loaded(title, what, attempt, fine, detail) {
  const isUnderWay = reloads.has(what);
  const error = attempt?.error;
  const words = isUnderWay ? "loading …" : error ? "the last load failed" : fine;
  return h(
    "section",
    { class: "card", "aria-label": title },
    h("h2", {}, title),
    h("strong", { role: "status" }, words),
    h("small", {}, attempt && h("time", { datetime: new Date(attempt.at * 1000).toISOString() }, `${new Date(attempt.at * 1000).toLocaleString()}. `), detail),
    error && h("p", { class: "problem" }, inWords(error)),
    h("button", { type: "button", "data-key": `reload-${what}`, disabled: isUnderWay, onclick: () => reload(what) }, what === "schema" ? "Load the schema again" : "Read the configuration again"),
  );
}

/** An error as the log has it: the document that a client would get, or a text. */
function inWords(error) {
  try {
    const { message, details, hint, code } = JSON.parse(error);
    return [message, details, hint].filter((part) => typeof part === "string").join(" ") + (code ? ` (${code})` : "");
  } catch {
    return error;
  }
}

async function reload(what) {
  const before = history.at(-1)?.[what]?.at ?? 0;
  reloads.set(what, before);
  refusal = "";
  draw();
  try {
    const response = await fetch(`./.console/reload/${what}`, { method: "POST", headers: { "CoreREST-Console": "reload" } });
    if (!response.ok) throw new Error(`The server answers with ${response.status}.`);
  } catch (error) {
    reloads.delete(what);
    refusal = `The server could not be asked to load it again: ${error.message}`;
  }
  wake();
}

const isFailure = (labels) => labels.status === "FAIL";
const isError = (labels) => labels.status === "5xx";
const REQUESTS = "corerest_http_requests_total";
const TIME = "corerest_http_request_duration_seconds";

function draw() {
  const now = history.at(-1);
  const before = history.at(-2);
  const state = now?.ready === 200 ? "ready" : now?.ready === 503 ? "not ready" : "not well";
  const words = {
    200: "The database is there, the schema is loaded, and all cores answer.",
    503: "The database is away, the schema is not loaded, or the server ends. Clients may get 503.",
    500: "The database is there, but a core does not answer.",
  };
  replace(
    parts.state,
    h("h1", {}, "Server ", now && h("span", { class: now.ready === 200 ? "badge good" : "badge bad" }, state)),
    now && h("p", { role: "status" }, words[now.ready] ?? `/ready says ${now.ready}.`),
    [problem, refusal].filter(Boolean).map((words) => h("p", { class: "problem", role: "alert" }, words)),
  );
  if (!now) return;
  const version = now.samples.get("corerest_build_info")?.[0]?.labels ?? {};
  const counts = (name) => `${format(sum(now, name, (labels) => !isFailure(labels)))} well, ${format(sum(now, name, isFailure))} failed`;
  replace(
    parts.cards,
    card("Requests a second", format(rate(now, before, REQUESTS)), `${format(sum(now, REQUESTS))} in all, ${format(sum(now, "corerest_http_requests_in_flight"))} in flight`, (point, last) => rate(point, last, REQUESTS)),
    card("Errors a second", format(rate(now, before, REQUESTS, isError)), "Answers with 5xx", (point, last) => rate(point, last, REQUESTS, isError)),
    card("Half are faster than", `${format(quantile(now, before, TIME, 0.5))} ms`, "p50, by the bounds of the histogram", (point, last) => quantile(point, last, TIME, 0.5)),
    card("99 of 100 are faster than", `${format(quantile(now, before, TIME, 0.99))} ms`, "p99", (point, last) => quantile(point, last, TIME, 0.99)),
    card("Connections in use", `${format(sum(now, "corerest_db_connections_in_use"))} of ${format(sum(now, "pgrst_db_pool_max"))}`, `${format(sum(now, "corerest_db_connections"))} are open, ${format(sum(now, "pgrst_db_pool_timeouts_total"))} timeouts`, (point) => sum(point, "corerest_db_connections_in_use")),
    card("Requests waiting", format(sum(now, "pgrst_db_pool_waiting")), "For a connection to PostgreSQL", (point) => sum(point, "pgrst_db_pool_waiting")),
    card("Slow readers", format(sum(now, "corerest_slow_readers")), `${bytes(sum(now, "corerest_spool_bytes"))} of answers in files`, (point) => sum(point, "corerest_slow_readers")),
    card("Clients", `${format(sum(now, "corerest_clients"))} of ${format(sum(now, "corerest_clients_max"))}`, `${bytes(sum(now, "corerest_client_memory_bytes"))} of memory for them`, (point) => sum(point, "corerest_clients")),
    card("CPU", `${format(rate(now, before, "process_cpu_seconds_total") * 100)} %`, "of one CPU", (point, last) => rate(point, last, "process_cpu_seconds_total") * 100),
    card("Memory", bytes(sum(now, "process_resident_memory_bytes")), `${format(sum(now, "process_open_fds"))} of ${format(sum(now, "process_max_fds"))} file descriptors`, (point) => sum(point, "process_resident_memory_bytes")),
    loaded("Schema cache", "schema", now.schema, "loaded", `${counts("pgrst_schema_cache_loads_total")}; the query took ${format(sum(now, "pgrst_schema_cache_query_time_seconds") * 1000)} ms.`),
    loaded("Configuration", "config", now.config, "in effect", `${counts("corerest_config_reloads_total")}.${now.config?.error ? " The one before stays in effect." : ""}`),
    card("Running for", duration(Date.now() / 1000 - sum(now, "process_start_time_seconds")), `Version ${version.version ?? "?"}${version.commit ? `, ${version.commit.slice(0, 12)}` : ""}`),
  );
}

async function look() {
  try {
    const get = (path) => fetch(path, { signal: AbortSignal.timeout(PATIENCE_MS) });
    const [ready, metrics, state] = await Promise.all([get("./ready"), get("./metrics"), get("./.console/state.json")]);
    if (!metrics.ok) throw new Error(`/metrics says ${metrics.status}`);
    const { schemaCache: schema, configuration: config } = await state.json();
    const point = { at: performance.now(), ready: ready.status, samples: parse(await metrics.text()), schema, config };
    history.push(point);
    if (history.length > POINTS) history.shift();
    for (const [what, before] of reloads) {
      if ((point[what]?.at ?? 0) !== before) reloads.delete(what);
    }
    problem = "";
  } catch (error) {
    problem = `The admin server does not answer: ${error.message}`;
  }
  draw();
}

/** One question at a time, and none while nobody looks. */
async function watch() {
  for (;;) {
    if (!document.hidden) await look();
    const wait = reloads.size > 0 ? SOON_MS : EVERY_MS;
    await new Promise((resolve) => {
      wake = resolve;
      setTimeout(resolve, wait);
    });
  }
}

document.body.replaceChildren(
  h("header", { class: "top" }, h("span", { class: "title" }, "Server"), h("span", { class: "space" }), h("a", { href: "./metrics" }, "Metrics"), h("a", { href: "./schema_cache" }, "Schema cache")),
  h("main", {}, parts.state, parts.cards),
);
watch();
