// A request in the words of other programs: curl, and the clients of Supabase for JavaScript and
// Python, which are those of PostgREST. What they cannot say is said by `requests` in Python, and in
// JavaScript told to be missing. Tokens stay out of it: what is copied is passed on.

import { parseFilter } from "./request.js";

const js = JSON.stringify;

/** Quoted for a shell of POSIX. */
const shell = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

export function curl({ method, address, headers, body, base }) {
  const url = new URL(`./${address}`, base).href;
  const parts = [`curl --globoff ${shell(url)}`];
  if (method !== "GET") parts[0] = `curl --globoff --request ${method} ${shell(url)}`;
  for (const [name, value] of Object.entries(headers)) {
    if (name === "Authorization") parts.push(`--header "Authorization: Bearer $TOKEN"`);
    else parts.push(`--header ${shell(`${name}: ${value}`)}`);
  }
  if (body) parts.push(`--data ${shell(body)}`);
  return parts.join(" \\\n  ");
}

/** What both clients call them; all other operators go by `filter`. */
const METHODS = new Set(["eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike"]);

/** What an answer is to be, where that is another word at the end. */
const ENDINGS = { "application/json": "", "application/vnd.pgrst.object+json": "single", "text/csv": "csv" };

/** The preferences that a method of the clients can express. */
const WISHES = {
  select: ["count"],
  rpc: ["count"],
  insert: ["return", "count", "missing"],
  upsert: ["return", "count", "missing", "resolution"],
  update: ["return", "count"],
  delete: ["return", "count"],
};

const isFilter = ({ word }) => word === "filter" || word === "or";

/** The parameters behind `select`, filters first, in words that both clients have, and those that they have none for. */
function clausesOf(request, isElsewhere) {
  const clauses = [];
  const rest = [];
  for (const [key, value] of request.parameters) {
    if (isElsewhere(key, value)) continue;
    const path = key.split(".");
    const word = path.pop();
    const of = path.join(".");
    const filter = parseFilter(value);
    if (word === "or" && of !== "not") clauses.push({ word, of, text: value.replace(/^\(|\)$/g, "") });
    else if (/^(limit|offset)$/.test(word) && /^\d+$/.test(value)) clauses.push({ word, of, count: Number(value) });
    else if (word === "order") clauses.push(...request.orders(path).map((order) => ({ word, of, ...order })));
    else if (filter) clauses.push({ word: "filter", key, ...filter });
    else rest.push(`${key}=${value}`);
  }
  for (const limit of clauses.filter(({ word }) => word === "limit")) {
    const at = clauses.findIndex(({ word, of }) => word === "offset" && of === limit.of);
    if (at < 0) continue;
    const from = clauses[at].count;
    Object.assign(limit, { word: "range", from, to: from + limit.count - 1 });
    clauses.splice(at, 1);
  }
  clauses.sort((first, second) => isFilter(second) - isFilter(first));
  return { clauses, rest };
}

/** Both clients take away blanks that stand in no quotes, so names with blanks get theirs. */
function withoutBlanks(select) {
  const quoted = (name) => (name.startsWith('"') || !/\s/.test(name.trim()) ? name.trim() : `"${name.trim()}"`);
  return select?.replace(/"[^"\\]*(?:\\.[^"\\]*)*"|[^",():.!>]+/g, quoted);
}

/** A request as the clients of Supabase see one. */
function understood({ method, request, headers, prefer }) {
  const wishes = new Map(prefer.split(",").map((wish) => wish.trim().split("=")).filter(([name]) => name));
  const isRead = method === "GET" || method === "HEAD";
  const writes = { POST: wishes.has("resolution") ? "upsert" : "insert", PUT: "upsert", PATCH: "update", DELETE: "delete" };
  const isKnown = isRead || Object.hasOwn(writes, method);
  const verb = request.isCall ? "rpc" : isRead || !isKnown ? "select" : writes[method];
  const isArgument = (key, value) => request.isCall && isRead && !parseFilter(value) && !/(^|\.)(select|order|limit|offset|and|or)$/.test(key);
  const given = request.parameters.filter(([key, value]) => isArgument(key, value));
  const isElsewhere = (key, value) =>
    key === "select" ||
    isArgument(key, value) ||
    (verb === "upsert" && key === "on_conflict") ||
    // The row of a PUT has its key in it, too.
    (method === "PUT" && Boolean(parseFilter(value)));
  const { clauses, rest } = clausesOf(request, isElsewhere);
  if (!isKnown) rest.push(method);
  const options = { count: wishes.get("count"), onConflict: verb === "upsert" ? request.value("on_conflict") : undefined };
  if (wishes.get("resolution") === "ignore-duplicates") options.ignoreDuplicates = true;
  if (wishes.get("missing") === "default") options.defaultToNull = false;
  if (request.isCall && isRead) options.get = true;
  const wanted = wishes.get("return") ?? "minimal";
  for (const [name, value] of wishes) {
    if (!WISHES[verb].includes(name) || value === "headers-only") rest.push(`Prefer: ${name}${value === undefined ? "" : `=${value}`}`);
  }
  const ending = Object.hasOwn(ENDINGS, headers.Accept) ? ENDINGS[headers.Accept] : null;
  if (ending === null || (ending === "csv" && !["select", "rpc"].includes(verb))) rest.push(`Accept: ${headers.Accept}`);
  return {
    verb,
    given: Object.fromEntries(given),
    options,
    clauses,
    rest,
    returnsRows: wanted === "representation",
    select: withoutBlanks(request.value("select")),
    ending,
  };
}

/** JSON that goes on in a line that is indented. */
const indented = (json, indent) => json.trim().replaceAll("\n", `\n${indent}`);

// JavaScript ------------------------------------------------------------------------------------

const objectInJs = (pairs) => (pairs.length ? `{ ${pairs.map(([name, value]) => `${name}: ${js(value)}`).join(", ")} }` : "");

const callInJs = (name, ...values) => `  .${name}(${values.filter((value) => value !== "").join(", ")})`;

/** One of the clauses; null if postgrest-js has no words for it. */
function clauseInJs({ word, of, ...clause }) {
  const ofThat = of ? [["referencedTable", of]] : [];
  if (word === "or") return callInJs("or", js(clause.text), objectInJs(ofThat));
  if (word === "limit") return callInJs("limit", clause.count, objectInJs(ofThat));
  if (word === "range") return callInJs("range", clause.from, clause.to, objectInJs(ofThat));
  if (word === "offset") return null;
  if (word === "order") {
    const nulls = clause.nulls ? [["nullsFirst", clause.nulls === "nullsfirst"]] : [];
    return callInJs("order", js(clause.column), objectInJs([["ascending", !clause.isDescending], ...nulls, ...ofThat]));
  }
  const { key, not, operator, modifier, value } = clause;
  if (not) return callInJs("not", js(key), js(operator + modifier), js(value));
  if (!modifier && METHODS.has(operator)) return callInJs(operator, js(key), js(value));
  if (operator === "is" && /^(null|true|false)$/.test(value)) return callInJs("is", js(key), value);
  return callInJs("filter", js(key), js(operator + modifier), js(value));
}

/** With postgrest-js, which is what `supabase.from(…)` is. */
export function javascript(asked) {
  const { request, headers, body, base, schema } = asked;
  const { verb, given, options, clauses, rest, returnsRows, select, ending } = understood(asked);
  const lines = [
    `import { PostgrestClient } from "@supabase/postgrest-js";`,
    "",
    `const api = new PostgrestClient(${js(new URL("./", base).href.replace(/\/$/, ""))}, {`,
    `  schema: ${js(schema)},`,
    ...(Object.hasOwn(headers, "Authorization") ? ["  headers: { Authorization: `Bearer ${process.env.TOKEN}` },"] : []),
    "});",
    "const { data, error } = await api",
  ];
  const written = objectInJs(Object.entries(options).filter(([, value]) => value !== undefined));
  const row = indented(body || "{}", "  ");
  if (verb === "rpc") lines.push(callInJs("rpc", js(request.name), options.get ? js(given) : row, written));
  else {
    lines.push(callInJs("from", js(request.name)));
    if (verb === "select") lines.push(callInJs("select", js(select ?? "*"), written));
    else lines.push(callInJs(verb, verb === "delete" ? "" : row, written));
  }
  for (const clause of clauses) {
    const line = clauseInJs(clause);
    if (line) lines.push(line);
    else rest.push(`${clause.of ? `${clause.of}.` : ""}${clause.word}=${clause.count}`);
  }
  if (verb === "rpc" ? select : verb !== "select" && returnsRows) lines.push(callInJs("select", js(select ?? "*")));
  if (ending) lines.push(callInJs(ending));
  lines[lines.length - 1] += ";";
  if (rest.length) lines.push(`// postgrest-js has no words for: ${rest.join(", ")}`);
  return lines.join("\n");
}

// Python ----------------------------------------------------------------------------------------

/** A string of Python: those of JSON are. */
const py = JSON.stringify;

const WORDS = { true: "True", false: "False", null: "None" };

/** JSON as Python writes it, with numbers as they stand; null if it is none. */
function jsonInPython(json) {
  try {
    JSON.parse(json);
  } catch {
    return null;
  }
  return json.replace(/"[^"\\]*(?:\\.[^"\\]*)*"|\b(?:true|false|null)\b/g, (token) => WORDS[token] ?? py(JSON.parse(token)));
}

const NAMED = {
  count: (value) => `count=CountMethod.${value}`,
  onConflict: (value) => `on_conflict=${py(value)}`,
  ignoreDuplicates: () => "ignore_duplicates=True",
  defaultToNull: () => "default_to_null=False",
  get: () => "get=True",
};

const callInPython = (name, ...values) => `    .${name}(${values.filter((value) => value !== "").join(", ")})`;

/** Names that the client puts into quotes, which have theirs already where they need some. */
const isQuoted = (name) => /[,:()]/.test(name);

/** One of the clauses; null if `postgrest` has no words for it. */
function clauseInPython({ word, of, ...clause }) {
  const ofThat = of ? `foreign_table=${py(of)}` : "";
  if (word === "or") return isQuoted(of) ? null : callInPython("or_", py(clause.text), of && `reference_table=${py(of)}`);
  if (word === "limit") return callInPython("limit", clause.count, ofThat);
  if (word === "range") return callInPython("range", clause.from, clause.to, ofThat);
  if (word === "offset") return of ? null : callInPython("offset", clause.count);
  if (word === "order") {
    const nulls = clause.nulls && `nullsfirst=${clause.nulls === "nullsfirst" ? "True" : "False"}`;
    return callInPython("order", py(clause.column), clause.isDescending ? "desc=True" : "", nulls, ofThat);
  }
  const { key, not, operator, modifier, value } = clause;
  if (isQuoted(key)) return null;
  const name = (method) => (not ? `not_.${method}` : method);
  if (!modifier && METHODS.has(operator)) return callInPython(name(operator), py(key), py(value));
  if (operator === "is") return callInPython(name("is_"), py(key), py(value));
  return callInPython(name("filter"), py(key), py(operator + modifier), py(value));
}

/** With `postgrest`, which is what `supabase.table(…)` is; null if it has no words for all of it. */
function withPostgrest(asked) {
  const { request, headers, body, base, schema } = asked;
  const { verb, given, options, clauses, rest, returnsRows, select, ending } = understood(asked);
  const row = verb === "delete" ? "" : jsonInPython(options.get ? JSON.stringify(given) : body || "{}");
  const lines = clauses.map(clauseInPython);
  const canHave = { insert: () => false, upsert: () => false, update: isFilter, delete: isFilter }[verb] ?? (() => true);
  if (rest.length || row === null || lines.includes(null) || !clauses.every(canHave) || request.name.includes("/")) return null;
  const named = Object.entries(options).filter(([, value]) => value !== undefined).map(([name, value]) => NAMED[name](value));
  const imports = ["SyncPostgrestClient"];
  const isWrite = !["select", "rpc"].includes(verb);
  if (isWrite && !returnsRows) {
    named.push("returning=ReturnMethod.minimal");
    imports.unshift("ReturnMethod");
  }
  if (options.count) imports.unshift("CountMethod");
  const value = indented(row, "    ");
  const first = verb === "rpc" ? `    api.rpc(${[py(request.name), value, ...named].join(", ")})` : `    api.from_(${py(request.name)})`;
  if (verb === "select") lines.unshift(callInPython("select", py(select ?? "*"), ...named));
  else if (isWrite) lines.unshift(callInPython(verb, value, ...named));
  if (select && (verb === "rpc" || (isWrite && returnsRows))) lines.push(callInPython("select", py(select)));
  if (ending) lines.push(callInPython(ending));
  const hasToken = Object.hasOwn(headers, "Authorization");
  return [
    ...(hasToken ? ["import os", ""] : []),
    `from postgrest import ${imports.join(", ")}`,
    "",
    "api = SyncPostgrestClient(",
    `    ${py(new URL("./", base).href.replace(/\/$/, ""))},`,
    `    schema=${py(schema)},`,
    ...(hasToken ? [`    headers={"Authorization": "Bearer " + os.environ["TOKEN"]},`] : []),
    ")",
    "answer = (",
    first,
    ...lines,
    "    .execute()",
    ")",
    "print(answer.data)",
  ].join("\n");
}

/** With `requests`, the library that nearly everybody has. */
function withRequests({ method, request, headers, body, base }) {
  const url = new URL(`./${request.path}`, base).href;
  const lines = ["import os", "import requests", "", `answer = requests.request(`, `    ${py(method)},`, `    ${py(url)},`];
  if (!Object.hasOwn(headers, "Authorization")) lines.splice(0, 1);
  if (request.parameters.length) {
    lines.push("    params=[");
    for (const [key, value] of request.parameters) lines.push(`        (${py(key)}, ${py(value)}),`);
    lines.push("    ],");
  }
  lines.push("    headers={");
  for (const [name, value] of Object.entries(headers)) {
    const written = name === "Authorization" ? `"Bearer " + os.environ["TOKEN"]` : py(value);
    lines.push(`        ${py(name)}: ${written},`);
  }
  lines.push("    },");
  if (body) lines.push(`    data=${py(body)}.encode(),`);
  lines.push(")", "answer.raise_for_status()", /json/.test(headers.Accept) ? "print(answer.json())" : "print(answer.text)");
  return lines.join("\n");
}

export const python = (asked) => withPostgrest(asked) ?? withRequests(asked);
