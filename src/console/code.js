// A request in the words of other programs. Tokens stay out of it: what is copied is passed on.

import { parseFilter } from "./request.js";

const js = JSON.stringify;

/** Quoted for a shell of POSIX. */
const shell = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** A string of Python: those of JSON are. */
const python = (text) => JSON.stringify(text);

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

/** With `requests`, the library that nearly everybody has. */
export function pythonCode({ method, request, headers, body, base }) {
  const url = new URL(`./${request.path}`, base).href;
  const lines = ["import os", "import requests", "", `answer = requests.request(`, `    ${python(method)},`, `    ${python(url)},`];
  if (!Object.hasOwn(headers, "Authorization")) lines.splice(0, 1);
  if (request.parameters.length) {
    lines.push("    params=[");
    for (const [key, value] of request.parameters) lines.push(`        (${python(key)}, ${python(value)}),`);
    lines.push("    ],");
  }
  lines.push("    headers={");
  for (const [name, value] of Object.entries(headers)) {
    const written = name === "Authorization" ? `"Bearer " + os.environ["TOKEN"]` : python(value);
    lines.push(`        ${python(name)}: ${written},`);
  }
  lines.push("    },");
  if (body) lines.push(`    data=${python(body)}.encode(),`);
  lines.push(")", "answer.raise_for_status()", "print(answer.json())");
  return lines.join("\n");
}

/** What postgrest-js calls them; all others go by `filter`. */
const METHODS = {
  eq: "eq",
  neq: "neq",
  gt: "gt",
  gte: "gte",
  lt: "lt",
  lte: "lte",
  like: "like",
  ilike: "ilike",
};

function condition(key, value) {
  const filter = parseFilter(value);
  if (!filter) return null;
  const { not, operator, modifier, value: right } = filter;
  if (not) return `  .not(${js(key)}, ${js(operator + modifier)}, ${js(right)})`;
  if (!modifier && METHODS[operator]) return `  .${METHODS[operator]}(${js(key)}, ${js(right)})`;
  if (operator === "is" && /^(null|true|false)$/.test(right)) return `  .is(${js(key)}, ${right})`;
  return `  .filter(${js(key)}, ${js(operator + modifier)}, ${js(right)})`;
}

function modifiers(request, skip) {
  const lines = [];
  const rest = [];
  for (const [key, value] of request.parameters) {
    if (skip.has(key)) continue;
    const parts = key.split(".");
    const last = parts.at(-1);
    const table = parts.slice(0, -1).join(".");
    const of = table && !key.startsWith("not.") ? table : "";
    const option = of ? `, { referencedTable: ${js(of)} }` : "";
    if (last === "or" && key !== "not.or") {
      lines.push(`  .or(${js(value.replace(/^\(|\)$/g, ""))}${option})`);
    } else if (last === "limit") lines.push(`  .limit(${Number(value)}${option})`);
    else if (last === "order") {
      for (const item of value.split(",")) {
        const [column, ...words] = item.split(".");
        const options = [`ascending: ${!words.includes("desc")}`];
        if (words.includes("nullsfirst")) options.push("nullsFirst: true");
        if (words.includes("nullslast")) options.push("nullsFirst: false");
        if (of) options.push(`referencedTable: ${js(of)}`);
        lines.push(`  .order(${js(column)}, { ${options.join(", ")} })`);
      }
    } else {
      const line = condition(key, value);
      if (line) lines.push(line);
      else rest.push(`${key}=${value}`);
    }
  }
  return { lines, rest };
}

/** With postgrest-js, which is what `supabase.from(…)` is. */
export function javascript({ method, request, headers, body, base, prefer, schema }) {
  const hasToken = Object.hasOwn(headers, "Authorization");
  const lines = [
    `import { PostgrestClient } from "@supabase/postgrest-js";`,
    "",
    `const api = new PostgrestClient(${js(new URL("./", base).href.replace(/\/$/, ""))}, {`,
    `  schema: ${js(schema)},`,
    ...(hasToken ? ["  headers: { Authorization: `Bearer ${process.env.TOKEN}` },"] : []),
    "});",
    "const { data, error } = await api",
  ];
  const skip = new Set(["select"]);
  const select = request.value("select") ?? "*";
  const count = /count=(\w+)/.exec(prefer)?.[1];
  const counted = count ? `, { count: ${js(count)} }` : "";
  const offset = Number(request.value("offset") ?? 0);
  const limit = request.value("limit");
  if (request.isCall) {
    const given = request.parameters.filter(([key, value]) => !parseFilter(value) && !/^(select|order|limit|offset)$/.test(key));
    given.forEach(([key]) => skip.add(key));
    const written = method === "GET" ? js(Object.fromEntries(given)) : body || "{}";
    lines.push(`  .rpc(${js(request.name)}, ${written}${method === "GET" ? ", { get: true }" : ""})`);
    if (request.value("select")) lines.push(`  .select(${js(select)})`);
  } else {
    lines.push(`  .from(${js(request.name)})`);
    const verb = { POST: /resolution=merge/.test(prefer) ? "upsert" : "insert", PUT: "upsert", PATCH: "update" }[method];
    if (method === "GET" || method === "HEAD") lines.push(`  .select(${js(select)}${counted})`);
    else if (verb) lines.push(`  .${verb}(${body || "{}"})`);
    else if (method === "DELETE") lines.push("  .delete()");
  }
  if (offset && limit) {
    skip.add("offset");
    skip.add("limit");
    lines.push(`  .range(${offset}, ${offset + Number(limit) - 1})`);
  }
  const { lines: more, rest } = modifiers(request, skip);
  lines.push(...more);
  if (!request.isCall && /^(POST|PUT|PATCH|DELETE)$/.test(method) && /return=representation/.test(prefer)) {
    lines.push(`  .select(${js(select)})`);
  }
  lines[lines.length - 1] += ";";
  if (rest.length) lines.push(`// postgrest-js has no words for: ${rest.join(", ")}`);
  return lines.join("\n");
}
