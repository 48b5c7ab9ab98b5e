// The console: a page over the API that it comes from. All that it knows it asks that API for, as
// the caller that is chosen; where one is, is in the address behind the `#`.

import { answerPanel, ask, compare, planView } from "./answer.js";
import { builder } from "./builder.js";
import { Caller, callersDialog } from "./callers.js";
import { diagram } from "./diagram.js";
import { choice, h, replace, tabs } from "./dom.js";
import { explain } from "./errors.js";
import { Request, encode, quoteName } from "./request.js";
import { loadPrivileges, loadSchema, loadSettings, permissions } from "./schema.js";

const LIMIT = 25;
const PAUSE_MS = 300;
const HASH_BODY_MAX = 4000;
/** How long to wait for what there is. What somebody asks for themselves can be stopped by them. */
const PATIENCE_MS = 60_000;
const METHODS = ["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"];

const state = {
  settings: { schemas: [], anonymousRole: null, plans: false },
  schemaName: "",
  schema: null,
  privileges: null,
  refused: null,
  callers: [],
  caller: null,
  other: null,
  view: "home",
  part: "request",
  tab: "table",
  search: "",
  /** What the answers below are to, and the plans of that: not what the form says by now. */
  sent: null,
  answers: [],
  plans: new Map(),
  isAsking: false,
  /** On a small screen the form is above the answer, or away. */
  hasForm: false,
};

/** What the builder reads and writes. */
const form = {
  request: new Request(""),
  method: "GET",
  prefer: "",
  accept: "",
  body: "",
  drafts: [],
  get schema() {
    return state.schema;
  },
  get settings() {
    return state.settings;
  },
  commit(redraws, asks = true) {
    const { address } = this.request;
    if (parts.address && document.activeElement !== parts.address) parts.address.value = address;
    history.replaceState(null, "", hash());
    if (redraws) drawBuilder();
    if (asks && this.method === "GET") askSoon();
  },
};

/** The places of the page that are drawn one by one. */
const parts = {
  top: h("header", { class: "top" }),
  side: h("nav", { class: "side", "aria-label": "Relations and functions" }),
  list: h("div"),
  main: h("main", { id: "main", tabindex: "-1" }),
  head: h("div", { class: "head" }),
  builder: h("div"),
  answers: h("div"),
  address: null,
};

let timer = 0;
let asking = new AbortController();
let loading = new AbortController();
let dialog = null;
let hasBegun = false;

// Where one is ----------------------------------------------------------------------------------

/** The part of the page's address behind the `#`. */
function hash(changes = {}) {
  const all = {
    schema: state.settings.schemas.length > 1 ? state.schemaName : "",
    v: state.view === "diagram" ? "diagram" : state.part === "structure" && state.view === "request" ? "structure" : "",
    m: form.method === "GET" ? "" : form.method,
    r: state.view === "request" ? form.request.address : "",
    prefer: form.prefer,
    as: form.accept,
    tab: state.tab === "table" ? "" : state.tab,
    body: form.body.length <= HASH_BODY_MAX ? form.body : "",
    ...changes,
  };
  const pairs = Object.entries(all).filter(([, value]) => value);
  return `#${pairs.map(([key, value]) => `${key}=${encode(value).replaceAll("%3D", "=")}`).join("&")}`;
}

const NOWHERE = { v: "", m: "", r: "", prefer: "", as: "", tab: "", body: "" };

/** Where a link to a request leads. */
const link = (address, changes = {}) => hash({ ...NOWHERE, r: address, ...changes });

/** The first page of a relation, or a function. */
function start(name, isCall) {
  const request = Request.to(name, isCall);
  if (isCall) {
    const methods = state.schema.functions.get(name)?.methods ?? [];
    return link(request.address, { m: methods.includes("GET") ? "" : "POST" });
  }
  request.set("limit", String(LIMIT));
  return link(request.address);
}

/** To where the address of the page says. */
async function go() {
  const values = new Map();
  for (const pair of location.hash.slice(1).split("&").filter(Boolean)) {
    const at = pair.indexOf("=");
    try {
      values.set(pair.slice(0, at), decodeURIComponent(pair.slice(at + 1)));
    } catch {
      // Somebody has cut the link.
    }
  }
  const value = (key) => values.get(key) ?? "";
  const { schemas } = state.settings;
  const schemaName = schemas.includes(value("schema")) ? value("schema") : (schemas[0] ?? "");
  const method = value("m").toUpperCase();
  form.request = new Request(value("r"));
  form.method = METHODS.includes(method) ? method : "GET";
  form.prefer = value("prefer");
  form.accept = value("as");
  form.body = value("body");
  form.drafts = [];
  state.tab = value("tab") || "table";
  state.view = value("v") === "diagram" ? "diagram" : value("r") ? "request" : "home";
  state.part = value("v") === "structure" ? "structure" : "request";
  state.hasForm = form.method !== "GET" || form.request.isCall;
  forget();
  parts.side.classList.remove("open");
  if ((!state.schema || schemaName !== state.schemaName) && !(await load(schemaName))) return;
  enter();
}

/** Draws where one is, and asks what is to be asked there. */
function enter() {
  draw();
  // What had the focus may be gone, and who has only a keyboard does not begin at the top again.
  if (hasBegun && document.activeElement === document.body) parts.main.focus({ preventScroll: true });
  hasBegun = true;
  if (state.view === "request" && state.part === "request" && form.method === "GET" && state.schema && isComplete()) send();
}

/** Whether a function has got the arguments that it must have. */
function isComplete() {
  if (!form.request.isCall) return true;
  const routine = state.schema?.functions.get(form.request.name);
  return !routine || routine.parameters.every((parameter) => !parameter.isRequired || form.request.argument(parameter.name) !== undefined);
}

// Asking ----------------------------------------------------------------------------------------

/**
 * Asks what there is for the caller in a schema. False if meanwhile something else is to be loaded: that
 * is drawn then, whichever of the two is answered first.
 */
async function load(schemaName) {
  loading.abort();
  loading = new AbortController();
  const { signal } = loading;
  const inTime = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]);
  const { headers } = state.caller;
  Object.assign(state, { schemaName, schema: null, privileges: null, refused: null });
  draw();
  try {
    const [schema, privileges] = await Promise.all([
      loadSchema(schemaName, headers, inTime),
      loadPrivileges(schemaName, headers, inTime).catch(() => null),
    ]);
    if (signal.aborted) return false;
    schema.addComputed(privileges?.computed ?? []);
    Object.assign(state, { schema, privileges });
    document.title = schema.title || "Console";
  } catch (error) {
    if (signal.aborted) return false;
    state.refused = error;
  }
  return true;
}

/** Gives up what is being asked. */
function stop() {
  clearTimeout(timer);
  asking.abort();
  state.isAsking = false;
}

/** Gives up what is being asked, and what was answered: they are about something else than what comes now. */
function forget() {
  stop();
  state.answers = [];
  state.sent = null;
}

/** The headers that are sent, but for the caller's. */
function headersOf(accept) {
  const headers = { Accept: accept || "application/json" };
  const isRead = form.method === "GET" || form.method === "HEAD";
  if (state.settings.schemas.length > 1) headers[isRead ? "Accept-Profile" : "Content-Profile"] = state.schemaName;
  if (form.prefer) headers.Prefer = form.prefer;
  if (!isRead && form.body) headers["Content-Type"] = "application/json";
  return headers;
}

/** Asks when nobody has changed anything for a moment. What is shown until then is of before. */
function askSoon() {
  stop();
  if (isComplete()) {
    timer = setTimeout(send, PAUSE_MS);
    parts.answers.setAttribute("aria-busy", "true");
  } else {
    forget();
    drawAnswers();
  }
}

async function send() {
  stop();
  asking = new AbortController();
  const { signal } = asking;
  const message = { method: form.method, address: form.request.address, headers: headersOf(form.accept), body: form.body };
  const callers = [state.caller, state.other].filter(Boolean);
  const sent = sentOf(message);
  const show = (answers) => {
    if (state.sent !== sent) {
      Object.assign(state, { sent, plans: new Map() });
      drawHead();
      drawList();
    }
    state.answers = answers;
    state.isAsking = false;
    drawAnswers();
  };
  state.isAsking = true;
  drawAnswers();
  // Streams do not end. They are shown once for each picture of the screen, however many events come
  // between two of them.
  const streams = callers.map(() => null);
  let isDue = false;
  const onevent = (at) => (answer) => {
    streams[at] = answer;
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => {
      isDue = false;
      if (!signal.aborted) show(streams.filter(Boolean));
    });
  };
  try {
    const answers = await Promise.all(callers.map((caller, at) => ask(message, caller, signal, onevent(at))));
    if (!signal.aborted) show(answers);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** What the other languages are told of it. */
function sentOf(message) {
  const asOthers = {
    ...message,
    headers: { ...message.headers, ...state.caller.headers },
    body: ["GET", "HEAD"].includes(message.method) ? "" : message.body,
    request: new Request(message.address),
    base: document.baseURI.split("#")[0],
    prefer: form.prefer,
    accept: form.accept,
    schema: state.schemaName,
  };
  return { ...message, asOthers };
}

/** The plan for a caller, which is asked for when somebody looks at it. */
function plan(caller) {
  const key = caller.id;
  if (!state.plans.has(key)) {
    state.plans.set(key, null);
    const { plans, sent } = state;
    const { accept } = sent.asOthers;
    const options = sent.method === "GET" ? "options=analyze|buffers" : "options=verbose";
    const kind = accept && !accept.includes("event-stream") ? accept : "application/json";
    const headers = { ...sent.headers, Accept: `application/vnd.pgrst.plan+json; for="${kind}"; ${options}` };
    const { signal } = asking;
    const show = (answer) => {
      plans.set(key, answer);
      if (plans === state.plans) drawAnswers();
    };
    ask({ ...sent, headers }, caller, signal, () => {}).then(show, () => {});
  }
  return planView(state.plans.get(key));
}

// Drawing ---------------------------------------------------------------------------------------

function drawTop() {
  const { settings, schemaName, caller, other } = state;
  replace(
    parts.top,
    h("a", { class: "skip", href: "#main", onclick: (event) => { event.preventDefault(); parts.main.focus(); } }, "Skip to the content"),
    h("button", { type: "button", class: "menu", "aria-label": "Relations and functions", onclick: () => parts.side.classList.toggle("open") }, "☰"),
    h("span", { class: "title" }, h("a", { href: hash(NOWHERE), "data-key": "home" }, document.title)),
    settings.schemas.length > 1 &&
      choice({ "aria-label": "Schema", "data-key": "schema", value: schemaName, onchange: (event) => (location.hash = hash({ ...NOWHERE, schema: event.target.value })) }, settings.schemas),
    h("a", { href: hash({ ...NOWHERE, v: "diagram" }), "data-key": "diagram", "aria-current": state.view === "diagram" ? "page" : null }, "Diagram"),
    settings.adminPort && h("a", { href: `${location.protocol}//${location.hostname}:${settings.adminPort}/`, rel: "noreferrer" }, "Server"),
    h("span", { class: "space" }),
    caller && h("button", { type: "button", "data-key": "callers", "aria-haspopup": "dialog", onclick: () => dialog.showModal() }, `Role: ${caller.label}${other ? ` and ${other.label}` : ""}`),
  );
}

function drawSide() {
  const field = h("input", { type: "search", placeholder: "Search  ( / )", "aria-label": "Search relations and functions", "data-key": "search", value: state.search, oninput: (event) => { state.search = event.target.value; drawList(); } });
  replace(parts.side, field, parts.list);
  drawList();
}

function drawList() {
  const { schema } = state;
  const wanted = state.search.toLowerCase();
  const group = (title, subjects, isCall) => {
    const found = [...subjects.values()].filter(({ name, comment }) => name.toLowerCase().includes(wanted) || comment.toLowerCase().includes(wanted));
    if (subjects.size === 0) return null;
    const item = ({ name, comment }) => {
      const isCurrent = state.view === "request" && form.request.isCall === isCall && form.request.name === name;
      return h("li", {}, h("a", { href: start(name, isCall), title: comment || null, "data-key": `to-${isCall}-${name}`, "aria-current": isCurrent ? "page" : null }, name || "(no name)"));
    };
    return [h("h2", {}, title, h("span", {}, String(found.length))), h("ul", {}, found.map(item))];
  };
  if (!schema) return replace(parts.list, state.refused && h("p", { class: "hint" }, "Nothing to list."));
  replace(parts.list, group("Tables and views", schema.relations, false), group("Functions", schema.functions, true));
}

function drawBuilder() {
  if (state.view !== "request" || !state.schema) return;
  replace(parts.builder, builder(form));
}

/** The order by the heads of the table's columns. */
const order = {
  sorted(name) {
    const first = form.request.orders([])[0];
    if (first?.column !== quoteName(name)) return "";
    return first.isDescending ? "descending" : "ascending";
  },
  toggle(name) {
    const now = this.sorted(name);
    const next = { column: quoteName(name), isDescending: now === "ascending", nulls: "" };
    form.request.setOrders([], now === "descending" ? [] : [next]);
    form.commit(true);
  },
};

function drawAnswers() {
  const { answers, sent, isAsking } = state;
  parts.answers.setAttribute("aria-busy", String(isAsking));
  const giveUp = () => {
    stop();
    for (const answer of answers) answer.isOpen = false;
    drawAnswers();
  };
  const isListening = answers.some((answer) => answer.isOpen);
  const asking = (isAsking || isListening) && h("p", { class: isAsking ? "asking" : "listening", role: "status" }, isAsking ? "Asking … " : "Listening … ", h("button", { type: "button", class: "small", "data-key": "stop", onclick: giveUp }, "Stop"));
  if (answers.length === 0) {
    const words = isComplete() ? "Nothing has been sent yet." : "Fill in the arguments that are not optional.";
    return replace(parts.answers, asking || h("p", { class: "empty", role: "status" }, words));
  }
  const { request } = sent.asOthers;
  const relation = request.isCall ? undefined : state.schema?.relations.get(request.name);
  const view = {
    tab: state.tab,
    ontab: (tab) => {
      state.tab = tab;
      history.replaceState(null, "", hash());
      drawAnswers();
    },
    relation,
    link,
    order: relation && sent.method === "GET" ? order : null,
    isCompared: answers.length > 1,
    hasPlans: state.settings.plans,
    plan,
    contextOf: (caller) => ({ method: sent.method, schema: state.schemaName, role: caller.role, hasToken: Boolean(caller.token) }),
    onhint: useHint,
  };
  const [first, second] = answers;
  const difference = second && !first.events && compare(first, second);
  const stay = keepPlace(parts.answers);
  replace(
    parts.answers,
    asking,
    difference && h("p", { class: "difference", role: "status" }, difference.words),
    h("div", { class: "answers" }, answerPanel(first, sent, view, difference?.onlyA), second && answerPanel(second, sent, view, difference?.onlyB)),
    pages(first, sent),
  );
  stay();
}

/** Where tables stand is where they stand when they are drawn again; but a column that is new is one that somebody wants to see. */
function keepPlace(parent) {
  const tables = () => [...parent.querySelectorAll('.scroll[aria-label="Rows"]')];
  const heads = (table) => [...table.querySelectorAll(":scope > * > thead > tr > th, :scope > thead > tr > th")];
  const before = tables().map((table) => [table.scrollLeft, new Set(heads(table).map((head) => head.textContent))]);
  return () =>
    tables().forEach((table, at) => {
      if (!before[at]) return;
      const [left, names] = before[at];
      const all = heads(table);
      const added = all.find((head) => !names.has(head.textContent));
      // If all are new, it is another table.
      const isSame = all.some((head) => names.has(head.textContent));
      table.scrollLeft = left;
      if (added && isSame) table.scrollLeft = Math.max(left, added.offsetLeft + added.offsetWidth - table.clientWidth);
    });
}

/** To the rows before and behind. */
function pages(answer, { method, asOthers: { request } }) {
  const limit = Number(request.value("limit"));
  if (method !== "GET" || !limit || !Array.isArray(answer.value)) return null;
  const offset = Number(request.value("offset") ?? 0);
  const turn = (to) => {
    form.request.set("offset", to > 0 ? String(to) : "");
    form.commit(true);
  };
  return h(
    "p",
    { class: "bar" },
    h("button", { type: "button", "data-key": "previous", disabled: offset === 0, onclick: () => turn(Math.max(0, offset - limit)) }, "← Previous"),
    h("button", { type: "button", "data-key": "next", disabled: answer.value.length < limit, onclick: () => turn(offset + limit) }, "Next →"),
  );
}

/** Gives the embedded relation that is ambiguous the hint that somebody has chosen. */
function useHint(hint) {
  const items = form.request.items;
  const seen = (items) => {
    for (const item of items) {
      if (!item.target) continue;
      const hinted = item.modifiers.some((modifier) => !["inner", "left"].includes(modifier));
      if (!hinted) {
        item.modifiers.unshift(quoteName(hint));
        return true;
      }
      if (seen(item.items)) return true;
    }
    return false;
  };
  seen(items);
  form.request.items = items;
  form.commit(true);
}

function drawMain() {
  if (!state.schema) return replace(parts.main, failure());
  if (state.view === "diagram") return replace(parts.main, h("h1", {}, "Diagram"), diagram(state.schema, (name) => start(name, false)));
  if (state.view === "home") return replace(parts.main, home());
  const subject = subjectNow();
  replace(parts.main, parts.head, state.part === "structure" && subject ? structure(subject) : workshop());
  drawHead();
  drawBuilder();
  drawAnswers();
}

/** What the request is about, if the role knows it. */
function subjectNow() {
  const { isCall, name } = form.request;
  return (isCall ? state.schema.functions : state.schema.relations).get(name);
}

/** The name of what the request is about, and what is known of it. */
function drawHead() {
  const { request } = form;
  const subject = subjectNow();
  const show = (part) => {
    state.part = part;
    history.replaceState(null, "", hash());
    drawMain();
    if (part === "request" && !state.sent && form.method === "GET" && isComplete()) send();
  };
  replace(
    parts.head,
    h("header", {}, h("div", { class: "crumbs" }, h("h1", {}, request.name), subject && marks(subject)), subject?.comment && h("p", {}, subject.comment)),
    subject && tabs("About", [["request", "Request"], ["structure", request.isCall ? "Arguments" : "Columns"]], state.part, show),
    !subject && h("p", { class: "problem" }, `The role ${state.caller.role} knows nothing of this name in ${state.schemaName}. Another role might: “Role” above takes a token.`),
  );
}

/** What the role may do with it. */
function marks(subject) {
  if (!subject.columns) return subject.methods.map((method) => h("span", { class: "badge" }, method));
  return permissions(subject, state.privileges).map(({ words, may }) => h("span", { class: may ? "badge" : "badge off" }, words));
}

function workshop() {
  const { request } = form;
  parts.address = h("input", { class: "address", "aria-label": "Address", "data-key": "address", spellcheck: "false", autocomplete: "off", value: request.address });
  parts.address.addEventListener("input", () => {
    form.request = new Request(parts.address.value.trim().replace(/^\/+/, ""));
    history.replaceState(null, "", hash());
    drawBuilder();
    if (form.method === "GET") askSoon();
  });
  const methods = request.isCall ? ["GET", "POST"] : METHODS.filter((method) => method !== "HEAD");
  const method = choice({ "aria-label": "Method", "data-key": "method", value: form.method, onchange: (event) => { form.method = event.target.value; onMethod(); } }, methods);
  const onsubmit = (event) => {
    event.preventDefault();
    // Who presses twice does not mean two rows.
    if (state.isAsking && form.method !== "GET") return;
    if (!isDangerous() || confirm("This has no filter, so it is about all rows. Send it?")) send();
  };
  const work = h("div", { class: "work" }, parts.builder, parts.answers);
  const toForm = h("button", { type: "button", class: "to-form", "data-key": "form", onclick: () => showForm(!state.hasForm) });
  const showForm = (isShown) => {
    state.hasForm = isShown;
    work.classList.toggle("with-form", isShown);
    toForm.textContent = isShown ? "To the answer" : "Columns, filters, …";
  };
  showForm(state.hasForm);
  return h("div", {}, h("form", { class: "request", onsubmit }, method, parts.address, h("button", { type: "submit", class: "primary", "data-key": "send" }, "Send"), toForm), work);
}

const isDangerous = () => ["PATCH", "DELETE"].includes(form.method) && form.request.conditions([]).length === 0;

function onMethod() {
  forget();
  state.hasForm ||= form.method !== "GET";
  if (form.method !== "GET" && !form.request.isCall) {
    for (const key of ["limit", "offset", "order"]) form.request.set(key, "");
    if (!form.prefer.includes("return=")) form.prefer = [form.prefer, "return=representation"].filter(Boolean).join(", ");
  } else form.prefer = form.prefer.split(/,\s*/).filter((word) => !word.startsWith("return=")).join(", ");
  if (form.method === "GET" && !form.request.isCall) form.request.set("limit", String(LIMIT));
  form.commit(false);
  drawMain();
}

function home() {
  const { schema } = state;
  const row = (relation) =>
    h("tr", {}, h("th", { scope: "row" }, h("a", { href: start(relation.name, false) }, relation.name)), h("td", {}, relation.comment.split("\n")[0]), h("td", { class: "number" }, String(relation.columns.length)));
  const routine = ({ name, comment, parameters }) =>
    h("tr", {}, h("th", { scope: "row" }, h("a", { href: start(name, true) }, name)), h("td", {}, comment.split("\n")[0]), h("td", { class: "number" }, String(parameters.length)));
  const table = (label, unit, rows) => h("table", { class: "facts", "aria-label": label }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, label), h("th", { scope: "col" }, "Comment"), h("th", { scope: "col", class: "number" }, unit))), h("tbody", {}, rows));
  return h(
    "div",
    {},
    h("header", {}, h("h1", {}, schema.title || schema.name), schema.description && h("p", {}, schema.description)),
    h("p", { class: "hint" }, `What ${state.caller.label} sees of the schema ${schema.name}. Choose a table or view to see its rows.`),
    !state.caller.token && h("p", {}, h("button", { type: "button", onclick: () => dialog.showModal() }, "Use a token"), h("span", { class: "hint" }, " to see what its role sees.")),
    schema.relations.size === 0 && schema.functions.size === 0 && h("p", { class: "empty" }, "This role may use nothing here. Give it a token, or the role a privilege."),
    schema.relations.size > 0 && table("Tables and views", "Columns", [...schema.relations.values()].map(row)),
    schema.functions.size > 0 && table("Functions", "Arguments", [...schema.functions.values()].map(routine)),
  );
}

function structure(subject) {
  const columns = subject.columns ?? subject.parameters;
  const isFunction = Boolean(subject.parameters);
  if (columns.length === 0) return h("p", { class: "empty" }, isFunction ? "It takes no arguments." : "It has no columns.");
  const row = (column) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, column.name),
      h("td", { "data-name": "Type" }, h("code", {}, column.type), column.values && h("div", { class: "hint" }, column.values.join(", "))),
      h("td", { "data-name": "Null" }, isFunction ? !column.isRequired && "optional" : column.isNullable && "null"),
      h("td", { "data-name": "Default" }, column.default !== undefined && h("code", {}, String(column.default))),
      h("td", { "data-name": "Key" }, column.isKey && [h("span", { class: "badge" }, "key"), " "], column.references && h("a", { href: start(column.references.table, false) }, `${column.references.table}.${column.references.column}`)),
      h("td", { "data-name": "Comment" }, column.comment || null),
    );
  const words = { one: (via) => `one, by its column ${via}`, many: (via) => `many, by their column ${via}`, through: (via) => `many, through ${via}`, computed: (via) => `one, by the function ${via}`, computedMany: (via) => `many, by the function ${via}` };
  const related = ({ kind, target, via }) => h("li", {}, h("a", { href: start(target, false) }, target), " ", h("small", {}, words[kind](via)));
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "Structure" },
    h("table", { class: "facts of-cards", "aria-label": "Columns" }, h("thead", {}, h("tr", {}, ["Name", "Type", isFunction ? "" : "Null", "Default", "Key", "Comment"].map((name) => (name ? h("th", { scope: "col" }, name) : h("td"))))), h("tbody", {}, columns.map(row))),
    subject.relationships?.length > 0 && [h("h2", {}, "Related"), h("ul", {}, subject.relationships.map(related))],
  );
}

/** Why there is nothing to show. */
function failure() {
  const { refused, caller } = state;
  if (!refused) return h("p", { class: "empty", role: "status" }, state.caller ? `Asking what ${state.caller.label} may see …` : "Loading …");
  const context = { method: "GET", schema: state.schemaName, role: caller?.role ?? "", hasToken: Boolean(caller?.token) };
  const unreached = refused.name === "TimeoutError" ? "The server does not answer." : "The server could not be reached.";
  const words = refused.status ? explain(refused.status, refused.body, context).words : unreached;
  return h(
    "div",
    { class: "problem", role: "alert" },
    h("p", {}, h("strong", {}, refused.message), " ", refused.body?.code && h("code", {}, refused.body.code)),
    refused.body?.hint && h("p", {}, refused.body.hint),
    words && h("p", {}, words),
    h("button", { type: "button", onclick: begin }, "Try again"),
  );
}

function draw() {
  drawTop();
  drawSide();
  drawMain();
}

// Beginning -------------------------------------------------------------------------------------

/** Somebody else asks: what others were answered is not for them. */
async function onCallers() {
  forget();
  if (await load(state.schemaName)) enter();
}

async function begin() {
  state.refused = null;
  draw();
  try {
    state.settings = await loadSettings(AbortSignal.timeout(PATIENCE_MS));
  } catch (error) {
    state.refused = error;
    return draw();
  }
  if (state.callers.length === 0) {
    const { anonymousRole } = state.settings;
    state.callers = [new Caller(null, anonymousRole)];
    state.caller = state.callers[0];
    dialog = callersDialog(state, anonymousRole, onCallers);
    document.body.append(dialog);
  }
  await go();
}

document.addEventListener("keydown", (event) => {
  const isTyping = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName ?? "");
  if (event.key === "/" && !isTyping && !dialog?.open) {
    event.preventDefault();
    parts.side.classList.add("open");
    parts.side.querySelector("input")?.focus();
  }
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && state.view === "request" && !dialog?.open) document.querySelector(".request")?.requestSubmit();
});
window.addEventListener("hashchange", () => state.caller && go());
document.body.replaceChildren(parts.top, h("div", { class: "frame" }, parts.side, parts.main));
begin();
