// What there is: the API's own description (OpenAPI 2.0), as it is given to the role that asks,
// understood. Keys and references stand in it as notes behind the comments of columns.

import { Request, quoteName } from "./request.js";

const KEY = /<pk\/>\s*$/;
const REFERENCE = /<fk table='([^]*?)' column='([^]*?)'\/>\s*$/;
const JOINS = new Set(["inner", "left"]);
const ORDERED = /^(u?int|smallint|bigint|integer|numeric|real|double|money|date|time|timestamp|interval)/;

/** What went wrong when the description was asked for. */
export class Refused extends Error {
  constructor(status, body) {
    super(body?.message ?? `The API answers with ${status}.`);
    this.status = status;
    this.body = body;
  }
}

/** Asks for the settings that the description does not tell. */
export async function loadSettings(signal) {
  const response = await fetch("./.console/settings.json", { signal });
  if (!response.ok) throw new Refused(response.status, null);
  return response.json();
}

/** Asks for the description of a schema. */
export async function loadSchema(name, headers, signal) {
  const response = await fetch("./", {
    signal,
    headers: { ...headers, Accept: "application/openapi+json", "Accept-Profile": name },
  });
  const text = await response.text();
  let body = null;
  try {
    body = JSON.parse(text);
  } catch {
    // A proxy may have answered.
  }
  if (!response.ok || !body?.paths) throw new Refused(response.status, body);
  return new Schema(name, body);
}

/** Asks what the role may do, and which functions make relations; null where that cannot be found out. */
export async function loadPrivileges(name, headers, signal) {
  const response = await fetch("./.console/privileges.json", { signal, headers: { ...headers, "Accept-Profile": name } });
  if (!response.ok) return null;
  const { privileges, computed } = await response.json();
  return { of: new Map(Object.entries(privileges)), computed };
}

const PRIVILEGES = { GET: "select", POST: "insert", PATCH: "update", DELETE: "delete" };

/** What a role may do with a relation, in words; whether it may; as far as that is known. */
export function permissions(relation, privileges) {
  const granted = privileges?.of.get(relation.name);
  return relation.methods.filter((method) => PRIVILEGES[method]).map((method) => {
    const privilege = PRIVILEGES[method];
    const may = granted?.[privilege];
    const word = privilege.toUpperCase();
    if (!granted) return { words: method, may: true };
    if (Array.isArray(may)) return { words: `${word} ${may.join(", ")}`, may: true };
    return { words: may ? word : `no ${word}`, may: Boolean(may) };
  });
}

/** The comment on a column, without the notes behind it. */
function comment(description = "") {
  return description.replace(/\n*(^|\n)Note:\n[^]*$/, "").trim();
}

function column(name, property, required) {
  const description = property.description ?? "";
  const reference = REFERENCE.exec(description);
  return {
    name,
    type: property.format ?? property.type ?? "",
    json: property.type ?? "",
    values: property.enum ?? null,
    default: property.default,
    isNullable: !required.has(name),
    isKey: KEY.test(description) || description.includes("Primary Key.<pk/>"),
    references: reference && { table: reference[1], column: reference[2] },
    comment: comment(description),
  };
}

const methods = (path) => Object.keys(path).filter((key) => /^(get|post|put|patch|delete)$/.test(key));

export class Schema {
  constructor(name, document) {
    this.name = name;
    this.title = document.info?.title ?? "";
    this.description = document.info?.description ?? "";
    this.relations = new Map();
    this.functions = new Map();
    const definitions = new Map(Object.entries(document.definitions ?? {}));
    for (const [path, operations] of Object.entries(document.paths)) {
      if (path === "/") continue;
      if (path.startsWith("/rpc/")) this.addFunction(path.slice(5), operations);
      else this.addRelation(path.slice(1), operations, definitions.get(path.slice(1)));
    }
    this.relate();
  }

  addRelation(name, operations, definition) {
    const required = new Set(definition?.required ?? []);
    const properties = Object.entries(definition?.properties ?? {});
    this.relations.set(name, {
      name,
      comment: definition?.description ?? "",
      methods: methods(operations).map((method) => method.toUpperCase()),
      columns: properties.map(([name, property]) => column(name, property, required)),
      relationships: [],
    });
  }

  addFunction(name, operations) {
    const post = operations.post?.parameters?.find((parameter) => parameter.in === "body")?.schema;
    const required = new Set(post?.required ?? []);
    const parameters = Object.entries(post?.properties ?? {});
    const text = operations.post ?? operations.get ?? {};
    this.functions.set(name, {
      name,
      comment: [text.summary, text.description].filter(Boolean).join("\n\n"),
      methods: methods(operations).map((method) => method.toUpperCase()),
      parameters: parameters.map(([name, parameter]) => ({
        ...column(name, parameter, required),
        isRequired: required.has(name),
      })),
    });
  }

  /** Finds who can be embedded in whom. */
  relate() {
    for (const relation of this.relations.values()) {
      const references = relation.columns.filter((column) => column.references);
      const keys = relation.columns.filter((column) => column.isKey);
      for (const column of references) {
        const target = this.relations.get(column.references.table);
        const via = column.name;
        relation.relationships.push({ kind: "one", target: column.references.table, via });
        const isOneEach = target !== relation && keys.length === 1 && keys[0] === column;
        target?.relationships.push({ kind: isOneEach ? "one" : "many", target: relation.name, via });
      }
      for (const from of references.filter((column) => column.isKey)) {
        for (const to of references.filter((column) => column.isKey && column !== from)) {
          this.relations.get(from.references.table)?.relationships.push({
            kind: "through",
            target: to.references.table,
            via: relation.name,
          });
        }
      }
    }
    for (const relation of this.relations.values()) {
      for (const relationship of relation.relationships) {
        const isSame = (other) => other.target === relationship.target;
        const isSelf = relationship.target === relation.name;
        const isAmbiguous = relation.relationships.filter(isSame).length > 1 || isSelf;
        // To one row of the same relation: the column itself is the way that is clear.
        const byColumn = isSelf && relationship.kind === "one";
        relationship.embed = {
          spread: false,
          alias: "",
          target: byColumn ? relationship.via : relationship.target,
          modifiers: isAmbiguous && !byColumn ? [quoteName(relationship.via)] : [],
          items: [{ column: "*" }],
        };
      }
    }
  }

  /** Adds what functions make of the rows of a relation; a name of theirs comes before others. */
  addComputed(functions) {
    for (const { table, name, target, toOne } of functions) {
      const relation = this.relations.get(table);
      if (!relation) continue;
      const embed = { spread: false, alias: "", target: name, modifiers: [], items: [{ column: "*" }] };
      relation.relationships = relation.relationships.filter((other) => other.embed.target !== name);
      relation.relationships.push({ kind: toOne ? "computed" : "computedMany", target, via: name, embed });
    }
  }

  /** Whether an item of `select` embeds one row for each of another relation, as far as that is known. */
  isToOne(relation, item) {
    const leads = ({ kind, target, via, embed }) =>
      kind.startsWith("computed") ? via === item.target : target === item.target || embed.target === item.target;
    const ways = relation?.relationships.filter(leads) ?? [];
    // A hint can also be the name of a constraint, of which nothing is known here: then all have to be of one row.
    const hinted = ways.filter(({ via }) => item.modifiers.some((modifier) => !JOINS.has(modifier) && modifier === quoteName(via)));
    const possible = hinted.length > 0 ? hinted : ways;
    return possible.length > 0 && possible.every(({ kind }) => kind === "one" || kind === "computed");
  }

  /** The relation that an item of `select` embeds, seen from another one. */
  embedded(relation, item) {
    const computed = relation?.relationships.find(({ kind, via }) => kind.startsWith("computed") && via === item.target);
    if (computed) return this.relations.get(computed.target);
    if (this.relations.has(item.target)) return this.relations.get(item.target);
    const via = relation?.columns.find((column) => column.name === item.target)?.references;
    return via ? this.relations.get(via.table) : undefined;
  }
}

const COMPARE = [
  ["eq", "="],
  ["neq", "≠"],
  ["gt", ">"],
  ["gte", "≥"],
  ["lt", "<"],
  ["lte", "≤"],
];
const SEARCH = [
  ["fts", "matches words"],
  ["plfts", "matches plain text"],
  ["phfts", "matches phrase"],
  ["wfts", "matches web search"],
];

/** The operators that make sense for a type, with what they are called. */
export function operators(column) {
  const type = column?.type.replace(/^[^.]*\./, "") ?? "";
  const rest = [
    ["in", "is one of"],
    ["is", "is"],
    ["isdistinct", "is distinct from"],
  ];
  if (!column) return [...COMPARE, ["like", "like"], ["ilike", "like, any case"], ["cs", "contains"], ["fts", "matches words"], ...rest];
  if (type === "tsvector") return [...SEARCH, ["is", "is"]];
  if (/^jsonb?$/.test(type)) return [["cs", "contains"], ["cd", "is contained in"], ["eq", "="], ["is", "is"]];
  if (type.endsWith("[]")) return [["cs", "contains"], ["cd", "is contained in"], ["ov", "overlaps"], ["eq", "="], ["is", "is"]];
  if (/range$/.test(type)) {
    return [["cs", "contains"], ["cd", "is contained in"], ["ov", "overlaps"], ["sl", "is left of"], ["sr", "is right of"], ["adj", "is adjacent to"], ["eq", "="], ["is", "is"]];
  }
  if (type === "boolean") return [["is", "is"], ["eq", "="]];
  if (column.values || type === "uuid") return [["eq", "="], ["neq", "≠"], ...rest];
  if (ORDERED.test(type) || /^(integer|number)$/.test(column.json)) return [...COMPARE, ...rest];
  return [
    ["eq", "="],
    ["neq", "≠"],
    ["ilike", "like, any case"],
    ["like", "like"],
    ["imatch", "matches regex, any case"],
    ["match", "matches regex"],
    ...COMPARE.slice(2),
    ...SEARCH,
    ...rest,
  ];
}

/** What a value of the operator looks like. */
export function placeholder(column, operator) {
  const type = column?.type ?? "";
  if (operator === "in") return "a,b,c";
  if (/like$/.test(operator)) return "*part*";
  if (/fts$/.test(operator)) return "word";
  if (type.endsWith("[]")) return "{a,b}";
  if (/^jsonb?$/.test(type)) return '{"key":"value"}';
  if (/daterange$/.test(type)) return "[2025-01-01,2025-02-01)";
  if (/range$/.test(type)) return "[1,10)";
  if (/^timestamp/.test(type)) return "2025-01-31T12:00:00";
  if (type === "date") return "2025-01-31";
  return "value";
}

/** A value that the column would take. */
export function example(column) {
  const type = column.type;
  if (column.values) return column.values[0];
  if (type.endsWith("[]")) return [];
  if (/^jsonb?$/.test(type)) return {};
  if (column.json === "integer") return 1;
  if (column.json === "number") return 1.5;
  if (column.json === "boolean") return true;
  const now = new Date().toISOString();
  if (type === "date") return now.slice(0, 10);
  if (/^timestamp/.test(type)) return now.slice(0, 19);
  if (/^time/.test(type)) return now.slice(11, 19);
  if (type === "uuid") return crypto.randomUUID();
  if (/daterange$/.test(type)) return `[${now.slice(0, 10)},)`;
  if (/range$/.test(type)) return "[1,10)";
  if (/inet|cidr/.test(type)) return "127.0.0.1";
  if (/email$/.test(type)) return "somebody@example.com";
  return "text";
}

/** A body that can be sent as it stands: what has no default and may not be null. */
export function exampleBody(subject) {
  const body = {};
  for (const column of subject.parameters ?? subject.columns) {
    const isWanted = subject.parameters ? column.isRequired : !column.isNullable && column.default === undefined;
    // A whole number that is the key alone is counted by the database nearly always.
    const keys = subject.columns?.filter((other) => other.isKey).length ?? 0;
    const isCounted = column.isKey && column.json === "integer" && keys === 1 && !column.references;
    if (isWanted && !isCounted && column.type !== "tsvector") body[column.name] = example(column);
  }
  return body;
}

/** The rows that a reference leads to. */
export function referenceTo(column, value) {
  const request = Request.to(column.references.table, false);
  request.set(quoteName(column.references.column), `eq.${value}`);
  return request.address;
}
