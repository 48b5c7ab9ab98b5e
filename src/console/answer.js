// Sending a request, and showing what came back: as a table, as JSON, its headers, its plan, and the
// same request in other languages.

import { copyButton, h, tabs } from "./dom.js";
import { curl, javascript, python } from "./code.js";
import { explain } from "./errors.js";
import { Exact, inline, parse, plain, pretty } from "./json.js";
import { planTree } from "./plan.js";
import { referenceTo } from "./schema.js";

/** What is kept of an answer; the rest of it is not read. */
const BYTES_MAX = 16 << 20;
const ROWS_AT_ONCE = 200;
const EVENTS_MAX = 500;
/** How deep a cell shows what is inside of it as tables, and how many members; the rest is JSON. */
const DEPTH_MAX = 6;
const MEMBERS_MAX = 200;
const COLUMNS_MAX = 500;
/** What a cell shows of a text before it is opened. */
const LETTERS = 80;
/** What it shows of a value as JSON. */
const LETTERS_INLINE = 800;

/** What the answer to a request is. */
export class Answer {
  constructor(caller) {
    this.caller = caller;
    this.status = 0;
    this.headers = [];
    this.text = "";
    this.value = undefined;
    this.milliseconds = 0;
    this.isCut = false;
    this.events = null;
    this.isOpen = false;
    this.failure = "";
  }

  header(name) {
    return this.headers.find(([known]) => known === name)?.[1] ?? "";
  }

  get isError() {
    // 300 is what an ambiguous request is answered with.
    return this.status >= 300 || Boolean(this.failure);
  }
}

/** Asks as the caller. Events of a stream are told one by one. */
export async function ask({ method, address, headers, body }, caller, signal, onevent) {
  const answer = new Answer(caller);
  let question;
  try {
    question = new Request(`./${address}`, {
      method,
      headers: { ...headers, ...caller.headers },
      body: method === "GET" || method === "HEAD" ? undefined : body || undefined,
      signal,
      cache: "no-store",
    });
  } catch (error) {
    answer.failure = `A browser does not send this: ${error.message}`;
    return answer;
  }
  const began = performance.now();
  try {
    const response = await fetch(question);
    answer.status = response.status;
    answer.headers = [...response.headers];
    answer.milliseconds = performance.now() - began;
    if (answer.header("content-type").startsWith("text/event-stream")) {
      answer.events = [];
      answer.isOpen = true;
      onevent(answer);
      await readEvents(response.body, answer, () => onevent(answer));
    } else await readText(response.body, answer);
    answer.milliseconds = performance.now() - began;
  } catch (error) {
    if (signal.aborted && !answer.events) throw error;
    if (!signal.aborted) answer.failure = `The server could not be reached, or the connection was lost: ${error.message}`;
  }
  answer.isOpen = false;
  if (/json/.test(answer.header("content-type")) && !answer.isCut && answer.text) {
    try {
      answer.value = parse(answer.text);
    } catch {
      // It is shown as the text that it is.
    }
  }
  return answer;
}

async function readText(stream, answer) {
  if (!stream) return;
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  const parts = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    length += value.length;
    if (length > BYTES_MAX) {
      answer.isCut = true;
      await reader.cancel();
      break;
    }
  }
  answer.text = parts.join("");
}

/** Source: the HTML standard, "Server-sent events". It is read by hand: EventSource sends no token. */
async function readEvents(stream, answer, onevent) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let event = { type: "message", data: [], id: "" };
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    if (rest.length > BYTES_MAX || event.data.length > BYTES_MAX) {
      answer.failure = "A line of the stream is too long to show.";
      return reader.cancel();
    }
    for (const line of lines) {
      if (line === "") {
        if (event.data.length) {
          answer.events.push({ ...event, data: event.data.join("\n"), at: new Date() });
          if (answer.events.length > EVENTS_MAX) answer.events.shift();
          onevent();
        }
        event = { type: "message", data: [], id: event.id };
        continue;
      }
      const match = /^([^:]*)(?:: ?([^]*))?$/.exec(line);
      const [, field, content = ""] = match;
      if (field === "data") event.data.push(content);
      else if (field === "event") event.type = content;
      else if (field === "id") event.id = content;
    }
  }
}

/** Rows that can be shown as a table; null if it is something else. */
function rowsOf(value) {
  const rows = Array.isArray(value) ? value : [value];
  const isRow = (row) => row !== null && typeof row === "object" && !Array.isArray(row) && !(row instanceof Exact);
  return rows.every(isRow) ? rows : null;
}

function names(rows) {
  const found = new Set();
  for (const row of rows) for (const name of Object.keys(row)) found.add(name);
  return [...found];
}

function cell(value, column, link, depth = 0) {
  if (depth > DEPTH_MAX) return inline(value, LETTERS_INLINE);
  if (value === null) return h("span", { class: "null" }, "null");
  if (value instanceof Exact) return value.text;
  if (Array.isArray(value)) {
    if (value.length === 0) return h("span", { class: "null" }, "[]");
    const rows = rowsOf(value);
    if (!rows) {
      const items = value.slice(0, MEMBERS_MAX).map((item) => (typeof item === "string" ? item : inline(item, LETTERS_INLINE)));
      return items.join(", ") + (value.length > MEMBERS_MAX ? `, … ${value.length - MEMBERS_MAX} more` : "");
    }
    return h(
      "details",
      { open: rows.length <= 3 },
      h("summary", {}, `${rows.length} ${rows.length === 1 ? "row" : "rows"}`),
      grid(rows.slice(0, 50), { label: "Embedded rows", depth: depth + 1 }),
    );
  }
  if (typeof value === "object") {
    const entries = Object.entries(value);
    if (entries.length === 0) return h("span", { class: "null" }, "{}");
    const more = entries.length > MEMBERS_MAX && [h("dt", {}, "…"), h("dd", {}, `${entries.length - MEMBERS_MAX} more`)];
    const list = h("dl", { class: "object" }, entries.slice(0, MEMBERS_MAX).map(([name, item]) => [h("dt", {}, name), h("dd", {}, cell(item, undefined, undefined, depth + 1))]), more);
    if (entries.length <= 4) return list;
    return h("details", {}, h("summary", {}, summary(entries)), list);
  }
  const text = String(value);
  if (link && column?.references) return h("a", { href: link(referenceTo(column, value)) }, text);
  return text.length > LETTERS ? h("details", {}, h("summary", {}, `${text.slice(0, LETTERS)}…`), text) : text;
}

/** What tells an embedded row from others: its key, and its first words. */
function summary(entries) {
  const simple = entries.filter(([, value]) => value !== null && (typeof value !== "object" || value instanceof Exact));
  const words = simple.filter(([name, value]) => /^(id|name|title|label|.*_name)$/.test(name) || (typeof value === "string" && value.length < 24));
  const chosen = words.length ? words : simple;
  return chosen.slice(0, 3).map(([, value]) => (value instanceof Exact ? value.text : String(value).slice(0, LETTERS))).join(" · ") || "{…}";
}

function grid(rows, { label, relation, link, order, only, depth = 0 }) {
  const all = names(rows);
  const columns = all.slice(0, COLUMNS_MAX);
  const known = new Map(relation?.columns.map((column) => [column.name, column]));
  const isNumber = (value) => typeof value === "number" || value instanceof Exact;
  const own = (name) => rows.filter((row) => Object.hasOwn(row, name)).map((row) => row[name]);
  const isOfNumbers = (values) => values.some(isNumber) && values.every((value) => isNumber(value) || value === null);
  const numbers = new Set(columns.filter((name) => isOfNumbers(own(name))));
  const head = (name) => {
    const sorted = order?.sorted(name);
    const text = order && known.has(name)
      ? h("button", { type: "button", "data-key": `sort-${name}`, title: "Order by it", onclick: () => order.toggle(name) }, name)
      : name;
    return h("th", { scope: "col", class: numbers.has(name) && "number", "aria-sort": sorted || null }, text);
  };
  const body = h("tbody");
  let shown = 0;
  const more = () => {
    for (const row of rows.slice(shown, shown + ROWS_AT_ONCE)) {
      const isOnly = only?.has(inline(row));
      const cells = columns.map((name) => {
        const has = Object.hasOwn(row, name);
        return h("td", { class: numbers.has(name) && "number", "data-name": has && name }, has && cell(row[name], known.get(name), link, depth));
      });
      body.append(h("tr", { class: isOnly && "only", title: isOnly ? "Only this role gets this row" : null }, cells));
    }
    shown += ROWS_AT_ONCE;
  };
  more();
  const table = h("table", { class: "rows of-cards", "aria-label": label }, h("thead", {}, h("tr", {}, columns.map(head), all.length > columns.length && h("th", { scope: "col" }, `… ${all.length - columns.length} more`))), body);
  if (rows.length <= shown) return table;
  const button = h("button", { type: "button", class: "small" }, "");
  const say = () => (button.textContent = `Show ${Math.min(ROWS_AT_ONCE, rows.length - shown)} more of ${rows.length} rows`);
  say();
  button.addEventListener("click", () => {
    more();
    if (rows.length <= shown) button.remove();
    else say();
  });
  return h("div", {}, table, button);
}

function asTable(answer, view) {
  if (answer.events) return asEvents(answer);
  if (answer.value === undefined) {
    if (!answer.text) return h("p", { class: "empty" }, "The answer has no body.");
    return plain(answer.text);
  }
  const rows = answer.value !== null && typeof answer.value === "object" ? rowsOf(answer.value) : null;
  if (!rows) return pretty(answer.value);
  if (rows.length === 0) return h("p", { class: "empty" }, "No rows. Nothing fits the filters, or this role may see none of what does.");
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Rows" }, grid(rows, { ...view, label: "Rows" }));
}

function asEvents(answer) {
  if (answer.events.length === 0) return h("p", { class: "empty", role: "status" }, answer.isOpen ? "Nothing has come yet." : "Nothing has come.");
  const event = ({ at, type, data }) => h("li", {}, h("time", {}, at.toLocaleTimeString()), " ", h("strong", {}, type), h("pre", {}, data));
  return h("div", { role: "log", "aria-label": "Events" }, h("ol", { class: "events" }, answer.events.toReversed().map(event)));
}

function timings(answer) {
  const parts = answer.header("server-timing").split(",").map((part) => /^\s*([^;\s]+);dur=([\d.]+)/.exec(part)).filter(Boolean);
  if (parts.length === 0) return null;
  const most = Math.max(...parts.map((part) => Number(part[2])));
  return h(
    "table",
    { class: "facts", "aria-label": "Server-Timing" },
    h("tbody", {}, parts.map(([, name, time]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, h("meter", { min: "0", max: String(most || 1), value: time, "aria-label": name }), ` ${time} ms`)))),
  );
}

function asHeaders(answer) {
  return h(
    "div",
    {},
    timings(answer),
    h("table", { class: "facts", "aria-label": "Headers" }, h("tbody", {}, answer.headers.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, value))))),
    h("p", { class: "hint" }, "Those that the browser shows to a page."),
  );
}

function asCode(sent) {
  const part = (title, text) => h("section", {}, h("div", { class: "bar" }, h("h3", {}, title), copyButton(() => text)), h("pre", { tabindex: "0", "aria-label": title }, text));
  const { asOthers } = sent;
  return h(
    "div",
    { class: "code" },
    part("curl", curl(asOthers)),
    part("JavaScript", javascript(asOthers)),
    part("Python", python(asOthers)),
    Object.hasOwn(asOthers.headers, "Authorization") && h("p", { class: "hint" }, "The token is left out: put it into the environment as TOKEN."),
  );
}

function problem(answer, context, onhint) {
  if (answer.failure) return h("div", { class: "problem", role: "alert" }, answer.failure);
  if (!answer.isError) return null;
  const body = answer.value && typeof answer.value === "object" ? answer.value : null;
  const advice = explain(answer.status, body, context);
  return h(
    "div",
    { class: "problem", role: "alert" },
    h("p", {}, h("strong", {}, body?.message ?? `The server answered with ${answer.status}.`), " ", body?.code && h("code", {}, body.code)),
    typeof body?.details === "string" && h("p", {}, body.details),
    body?.hint && h("p", {}, h("em", {}, "Hint: "), body.hint),
    advice.words && h("p", { class: "advice" }, advice.words),
    advice.sql && h("div", { class: "bar" }, h("code", { class: "sql" }, advice.sql), copyButton(() => advice.sql)),
    advice.hints.length > 0 && h("p", {}, "Use: ", advice.hints.map((hint) => h("button", { type: "button", class: "small", onclick: () => onhint(hint) }, hint))),
  );
}

function range(answer) {
  const match = /^(\*|(\d+)-(\d+))\/(\*|\d+)$/.exec(answer.header("content-range"));
  if (!match) return "";
  const total = match[4] === "*" ? "" : ` of ${match[4]}`;
  return match[1] === "*" ? `no rows${total}` : `rows ${Number(match[2]) + 1}–${Number(match[3]) + 1}${total}`;
}

function size(answer) {
  const bytes = answer.text.length;
  if (!bytes) return "";
  if (bytes < 1 << 20) return bytes < 1024 ? `${bytes} B` : `${(bytes / 1024).toFixed(1)} KiB`;
  return `${(bytes / (1 << 20)).toFixed(1)} MiB`;
}

/** Shows it, or as the text that it is when it is too much of something to be shown so. */
function shownOrText(answer, show) {
  try {
    return show();
  } catch (error) {
    return h("div", {}, h("p", { class: "problem" }, `This cannot be shown so: ${error.message}`), plain(answer.text));
  }
}

/** One answer. `view` has what it is shown with: tab, relation, link, order, context. */
export function answerPanel(answer, sent, view, only) {
  const shown = {
    table: () => asTable(answer, { ...view, only }),
    json: () => (answer.value === undefined ? plain(answer.text) : pretty(answer.value)),
    headers: () => asHeaders(answer),
    plan: () => view.plan(answer.caller),
    code: () => asCode(sent),
  };
  const status = answer.failure ? "no answer" : `${answer.status}`;
  const facts = [`${answer.milliseconds.toFixed(answer.milliseconds < 10 ? 1 : 0)} ms`, range(answer), size(answer), answer.isCut && "cut off: too large to show"];
  return h(
    "section",
    { class: "answer", "aria-label": `Answer to ${answer.caller.label}` },
    view.isCompared && h("h3", { class: "caller" }, answer.caller.label),
    h(
      "p",
      { class: "status", role: "status" },
      h("span", { class: answer.isError ? "badge bad" : "badge good" }, status),
      " ",
      facts.filter(Boolean).join(" · "),
    ),
    problem(answer, view.contextOf(answer.caller), view.onhint),
    tabs("Answer", [["table", answer.events ? "Events" : "Table"], ["json", "JSON"], ["headers", "Headers"], ...(view.hasPlans ? [["plan", "Plan"]] : []), ["code", "Code"]], view.tab, view.ontab),
    answer.isError && view.tab === "table" ? null : shownOrText(answer, Object.hasOwn(shown, view.tab) ? shown[view.tab] : shown.table),
  );
}

/** What one role gets and the other does not, in words, and the rows that only one of them gets. */
export function compare(first, second) {
  const rows = (answer) => (Array.isArray(answer.value) ? answer.value.map((row) => inline(row)) : []);
  const [a, b] = [rows(first), rows(second)];
  const [inA, inB] = [new Set(a), new Set(b)];
  const onlyA = new Set(a.filter((row) => !inB.has(row)));
  const onlyB = new Set(b.filter((row) => !inA.has(row)));
  const count = (number) => `${number} ${number === 1 ? "row" : "rows"}`;
  let words;
  if (first.isError !== second.isError) {
    const [allowed, refused] = first.isError ? [second, first] : [first, second];
    words = `${allowed.caller.label} gets an answer, and ${refused.caller.label} is refused.`;
  } else if (first.isError) words = "Both are refused.";
  else if (onlyA.size === 0 && onlyB.size === 0) words = `Both get the same ${count(a.length)}.`;
  else words = `${count(onlyA.size)} only for ${first.caller.label}, ${count(onlyB.size)} only for ${second.caller.label}, ${count(a.length - onlyA.size)} for both.`;
  return { words, onlyA, onlyB };
}

/** The plan of what was sent. */
export function planView(answer) {
  if (!answer) return h("p", { class: "empty", role: "status" }, "Asking for the plan …");
  if (answer.isError) return h("p", { class: "problem" }, answer.failure || answer.value?.message || `The server answered with ${answer.status}.`);
  return planTree(answer.value);
}
