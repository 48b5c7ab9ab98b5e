// The form beside a request's address: it reads the address and writes it. Each change is made to
// the request, and `commit` is told, with whether the form itself has to be drawn again: not while somebody types.

import { choice, h } from "./dom.js";
import { columnName, embedName, parseFilter, quoteName, unquote, writeFilter } from "./request.js";
import { exampleBody, operators, placeholder } from "./schema.js";

const PREFERENCES = {
  count: [["", "no total"], "exact", "planned", "estimated"],
  return: [["", "nothing (minimal)"], "representation", "headers-only"],
  resolution: [["", "fail if there"], "merge-duplicates", "ignore-duplicates"],
  missing: [["", "null"], "default"],
  tx: [["", "usual"], "commit", "rollback"],
};

const TYPES = [
  ["", "JSON"],
  ["application/vnd.pgrst.object+json", "one object"],
  ["application/vnd.pgrst.array+json;nulls=stripped", "JSON without nulls"],
  ["text/csv", "CSV"],
];

const section = (title, ...children) => h("fieldset", {}, h("legend", {}, title), children);

/** The columns of a relation, as switches: none is all. */
function columnSwitches(form, path, relation) {
  const { request } = form;
  const items = request.itemsAt(path);
  const columns = items.filter((item) => item.column !== undefined);
  const isAll = columns.length === 0 || columns.some((item) => item.column === "*");
  const chosen = new Set(columns.map((item) => columnName(item)));
  const set = (change) => {
    request.change(path, (items) => {
      change(items);
      const has = (isStar) => items.some((item) => item.column !== undefined && (item.column === "*") === isStar);
      if (has(true) && has(false)) items.splice(items.findIndex((item) => item.column === "*"), 1);
      if (!has(true) && !has(false)) items.unshift({ column: "*" });
    });
    form.commit(true);
  };
  const toggle = (column) =>
    set((items) => {
      const at = items.findIndex((item) => item.column !== undefined && columnName(item) === column.name);
      if (at >= 0) items.splice(at, 1);
      else items.splice(items.findLastIndex((item) => item.column !== undefined) + 1, 0, { column: quoteName(column.name) });
    });
  const all = () => set((items) => items.splice(0, items.length, { column: "*" }, ...items.filter((item) => item.target)));
  const button = (key, pressed, label, title, onclick) =>
    h("button", { type: "button", class: "chip", "data-key": `column-${path}-${key}`, "aria-pressed": String(pressed), title, onclick }, label);
  return h(
    "div",
    { class: "chips" },
    button("*", isAll, "all", "All columns", all),
    relation.columns.map((column) =>
      button(column.name, !isAll && chosen.has(column.name), column.name, [column.type, column.comment].filter(Boolean).join(": "), () => toggle(column)),
    ),
  );
}

/**
 * One condition. Without a value it is a draft, which is not in the address. While somebody types,
 * nothing is drawn again: the field, or the button that is clicked next, would be gone.
 */
function conditionRow(form, path, relation, condition, number) {
  const { request } = form;
  const id = `filter-${path}-${number}`;
  let { parameter } = condition;
  const current = condition.draft ?? { path, column: condition.column, ...(condition.filter ?? { operator: "", value: condition.value }) };
  const name = unquote(current.column);
  const column = relation?.columns.find((column) => column.name === name);
  const forget = () => {
    form.drafts = form.drafts.filter((draft) => draft !== current);
    request.parameters = request.parameters.filter((other) => other !== parameter);
  };
  const write = (changes, redraws) => {
    Object.assign(current, changes);
    const isSet = current.value !== "";
    const pair = [request.key(path, current.column), current.operator ? writeFilter(current) : current.value];
    if (isSet && request.parameters.includes(parameter)) parameter.splice(0, 2, ...pair);
    else {
      forget();
      parameter = isSet ? pair : null;
      if (isSet) request.parameters.push(pair);
      else form.drafts.push(current);
    }
    form.commit(redraws, isSet || Boolean(changes.value === ""));
  };
  const remove = () => {
    forget();
    form.commit(true);
  };
  const names = relation?.columns.map((column) => column.name) ?? [];
  const label = path.length ? `${path.join(".")}.${name}` : name;
  const columnField = relation
    ? choice({ "aria-label": "Column", "data-key": `${id}-column`, value: name, onchange: (event) => write({ column: quoteName(event.target.value) }, true) }, names)
    : h("input", { "aria-label": "Column", "data-key": `${id}-column`, value: name, size: "10", onchange: (event) => write({ column: event.target.value }, false) });
  const words = operators(column);
  const operator = current.operator + (current.modifier ?? "");
  const operatorField = choice(
    { "aria-label": `Operator for ${label}`, "data-key": `${id}-operator`, value: (current.not ? "not." : "") + operator, onchange: (event) => {
      const parsed = parseFilter(`${event.target.value}.`);
      const value = parsed.operator === "is" ? "null" : current.operator === "is" ? "" : unwrap(current);
      write({ not: parsed.not, operator: parsed.operator, modifier: parsed.modifier, value: wrap(parsed.operator, value) }, true);
    } },
    [...words, ...words.filter(([word]) => !["neq", "isdistinct"].includes(word)).map(([word, label]) => [`not.${word}`, `not ${label}`])],
  );
  return h(
    "div",
    { class: "line" },
    columnField,
    operatorField,
    valueField(current, column, id, label, write),
    h("button", { type: "button", class: "small", "aria-label": `Remove the filter on ${label}`, onclick: remove }, "×"),
  );
}

const wrap = (operator, value) => (operator === "in" ? `(${value})` : value);
const unwrap = ({ operator, value }) => (operator === "in" ? value.replace(/^\(|\)$/g, "") : value);

function valueField(current, column, id, label, write) {
  const common = { "aria-label": `Value for ${label}`, "data-key": `${id}-value` };
  const set = (event) => write({ value: event.target.value === "" ? "" : wrap(current.operator, event.target.value) }, false);
  const value = unwrap(current);
  if (current.operator === "is") return choice({ ...common, value, onchange: set }, ["null", "not_null", "true", "false", "unknown"]);
  if (current.operator === "eq" && column?.type === "boolean") return choice({ ...common, value, onchange: set }, [["", "…"], "true", "false"]);
  if (/^n?eq$/.test(current.operator) && column?.values) return choice({ ...common, value, onchange: set }, [["", "…"], ...column.values]);
  return h("input", {
    ...common,
    value,
    spellcheck: "false",
    autocomplete: "off",
    placeholder: placeholder(column, current.operator),
    oninput: set,
  });
}

function filters(form, path, relation) {
  const drafts = form.drafts.filter((draft) => draft.path.join(".") === path.join("."));
  const add = () => {
    const column = relation?.columns.find((column) => column.type !== "tsvector");
    form.drafts.push({ path, column: column ? quoteName(column.name) : "", not: false, operator: operators(column)[0][0], modifier: "", value: "" });
    form.commit(true, false);
  };
  return h(
    "div",
    {},
    [...form.request.conditions(path), ...drafts.map((draft) => ({ draft }))].map((condition, number) => conditionRow(form, path, relation, condition, number)),
    h("button", { type: "button", class: "small", "data-key": `add-filter-${path}`, "aria-label": path.length ? `Add a filter on ${path.join(".")}` : "Add a filter", onclick: add }, `+ Filter ${path.join(".")}`.trim()),
  );
}

function orders(form, path, relation) {
  const list = form.request.orders(path);
  const write = (redraws = true) => {
    form.request.setOrders(path, list);
    form.commit(redraws);
  };
  const names = relation?.columns.map((column) => column.name) ?? [];
  const row = (order, at) =>
    h(
      "div",
      { class: "line" },
      relation
        ? choice({ "aria-label": "Order by", "data-key": `order-${path}-${at}`, value: unquote(order.column), onchange: (event) => { order.column = quoteName(event.target.value); write(); } }, names)
        : h("input", { "aria-label": "Order by", "data-key": `order-${path}-${at}`, value: order.column, oninput: (event) => { order.column = event.target.value; write(false); } }),
      choice({ "aria-label": "Direction", "data-key": `direction-${path}-${at}`, value: order.isDescending ? "desc" : "asc", onchange: (event) => { order.isDescending = event.target.value === "desc"; write(); } }, [["asc", "ascending"], ["desc", "descending"]]),
      choice({ "aria-label": "Nulls", "data-key": `nulls-${path}-${at}`, value: order.nulls, onchange: (event) => { order.nulls = event.target.value; write(); } }, [["", "nulls as usual"], ["nullsfirst", "nulls first"], ["nullslast", "nulls last"]]),
      h("button", { type: "button", class: "small", "aria-label": "Remove this order", onclick: () => { list.splice(at, 1); write(); } }, "×"),
    );
  const add = () => {
    const used = new Set(list.map((order) => unquote(order.column)));
    list.push({ column: quoteName(names.find((name) => !used.has(name)) ?? "id"), isDescending: false, nulls: "" });
    write();
  };
  return h("div", {}, list.map(row), h("button", { type: "button", class: "small", "data-key": `add-order-${path}`, "aria-label": path.length ? `Order ${path.join(".")}` : "Add an order", onclick: add }, `+ Order ${path.join(".")}`.trim()));
}

function number(form, path, name, label) {
  const key = form.request.key(path, name);
  const set = (event) => {
    form.request.set(key, event.target.value);
    form.commit(false);
  };
  return h(
    "label",
    { class: "inline" },
    `${label} `,
    h("input", { type: "number", min: "0", "data-key": `number-${key}`, value: form.request.value(key) ?? "", oninput: set }),
  );
}

/** What a relationship is called where it is offered. */
function offer({ kind, target, via }) {
  if (kind === "through") return `${target} through ${via}`;
  if (kind.startsWith("computed")) return `${via} (${kind === "computed" ? "one" : "many"} of ${target}, computed)`;
  return `${target} (${kind === "one" ? via : `many, ${via}`})`;
}

/** What can be embedded and is not yet, as buttons; and what is, each with a form of its own. */
function embeds(form, path, relation) {
  const { request, schema } = form;
  const items = request.itemsAt(path).filter((item) => item.target);
  const isThere = (embed) => items.some((item) => item.target === embed.target && item.modifiers.join() === embed.modifiers.join());
  const add = (relationship) => {
    request.change(path, (items) => {
      const embed = structuredClone(relationship.embed);
      const taken = new Set(items.filter((item) => item.target).map(embedName));
      if (taken.has(embedName(embed))) embed.alias = `${embed.target}_by_${relationship.via}`.replace(/\W/g, "_");
      items.push(embed);
    });
    form.commit(true);
  };
  const offered = relation.relationships.filter(({ target, embed }) => schema.relations.has(target) && !isThere(embed));
  const buttons = offered.map((relationship) => {
    const { kind, target, via, embed } = relationship;
    return h(
      "button",
      { type: "button", class: "chip", "data-key": `embed-${path}-${kind}-${target}-${via}`, title: embed.modifiers.length ? `With the hint ${embed.modifiers[0]}, for there is more than one way` : null, onclick: () => add(relationship) },
      `+ ${offer(relationship)}`,
    );
  });
  const blocks = items.map((item) => {
    const name = embedName(item);
    const inside = [...path, name];
    const target = schema.embedded(relation, item);
    const remove = () => {
      request.change(path, (items) => items.splice(items.findIndex((other) => other.target && embedName(other) === name), 1));
      request.forget(inside);
      form.drafts = form.drafts.filter((draft) => !draft.path.join(".").startsWith(inside.join(".")));
      form.commit(true);
    };
    const isInner = item.modifiers.includes("inner");
    // One row has no order. What the address says of it all the same can be taken away.
    const isToOne = schema.isToOne(relation, item);
    const clause = (name, make) => (!isToOne || request.value(request.key(inside, name)) !== undefined) && make();
    const toggleInner = () => {
      request.change(path, (items) => {
        const found = items.find((other) => other.target && embedName(other) === name);
        found.modifiers = isInner ? found.modifiers.filter((word) => word !== "inner") : [...found.modifiers, "inner"];
      });
      form.commit(true);
    };
    return h(
      "fieldset",
      { class: "embed" },
      h("legend", {}, name, item.modifiers.length ? h("small", {}, ` !${item.modifiers.join("!")}`) : null),
      h(
        "div",
        { class: "line" },
        h("button", { type: "button", class: "chip", "aria-pressed": String(isInner), "data-key": `inner-${inside}`, title: "Rows without are left out (an inner join)", onclick: toggleInner }, `only rows with ${name}`),
        h("button", { type: "button", class: "small", "aria-label": `Remove ${name}`, onclick: remove }, "×"),
      ),
      target && [columnSwitches(form, inside, target), h("div", { class: "clauses" }, filters(form, inside, target), clause("order", () => orders(form, inside, target)), clause("limit", () => number(form, inside, "limit", "Limit"))), embeds(form, inside, target)],
    );
  });
  if (buttons.length === 0 && blocks.length === 0) return null;
  const isLong = buttons.length > 16 || path.length > 0;
  const list = h("div", { class: "chips" }, buttons);
  return h("div", {}, blocks, buttons.length > 0 && (isLong ? h("details", {}, h("summary", {}, `Embed (${buttons.length})`), list) : list));
}

/** What a function is called with: in the address by GET, in the body by POST. */
function call(form, routine) {
  const { request } = form;
  const isGet = form.method === "GET" || form.method === "HEAD";
  const body = () => {
    try {
      return JSON.parse(form.body || "{}");
    } catch {
      return {};
    }
  };
  const set = (parameter, text) => {
    if (isGet) {
      const others = request.parameters.filter(([key, value]) => key !== parameter.name || parseFilter(value));
      request.parameters = text === "" ? others : [[parameter.name, text], ...others];
    } else {
      const next = body();
      if (text === "") delete next[parameter.name];
      else next[parameter.name] = typed(parameter, text);
      form.body = JSON.stringify(next, null, 2);
      const field = document.querySelector('[data-key="body"]');
      if (field) field.value = form.body;
    }
    form.commit(false);
  };
  const given = body();
  const row = (parameter) => {
    const value = isGet ? request.argument(parameter.name) : given[parameter.name];
    const text = value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);
    return h(
      "label",
      { class: "argument" },
      h("span", {}, parameter.name, " ", h("small", {}, parameter.type, parameter.isRequired ? "" : ", optional")),
      h("input", { value: text, "data-key": `argument-${parameter.name}`, spellcheck: "false", oninput: (event) => set(parameter, event.target.value) }),
    );
  };
  if (routine.parameters.length === 0) return h("p", { class: "hint" }, "It takes no arguments.");
  return routine.parameters.map(row);
}

/** The text of a field as JSON of the parameter's type. */
function typed(parameter, text) {
  if (parameter.json === "string" && !parameter.type.endsWith("[]")) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function preferences(form) {
  const isWrite = !["GET", "HEAD"].includes(form.method);
  const { isCall } = form.request;
  const shown = isCall || !isWrite ? ["count"] : form.method === "POST" ? ["return", "resolution", "missing", "count"] : ["return", "count"];
  if (isWrite && form.settings.transactionEnd) shown.push("tx");
  const list = () => form.prefer.split(",").map((word) => word.trim()).filter(Boolean);
  const set = (name, value) => {
    const rest = list().filter((word) => !word.startsWith(`${name}=`));
    form.prefer = [...rest, ...(value ? [`${name}=${value}`] : [])].join(", ");
    form.commit(true);
  };
  const field = (name) => {
    const value = list().find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1) ?? "";
    return h("label", { class: "inline" }, `${name} `, choice({ "data-key": `prefer-${name}`, value, onchange: (event) => set(name, event.target.value) }, PREFERENCES[name]));
  };
  const types = isCall ? [...TYPES, ["text/event-stream", "live events"], ["*/*", "anything"]] : TYPES;
  return h(
    "div",
    { class: "line wrap" },
    shown.map(field),
    h("label", { class: "inline" }, "as ", choice({ "data-key": "accept", value: form.accept, onchange: (event) => { form.accept = event.target.value; form.commit(true); } }, types)),
    h(
      "label",
      { class: "inline wide" },
      "Prefer ",
      h("input", { "data-key": "prefer", value: form.prefer, spellcheck: "false", placeholder: "handling=strict, …", oninput: (event) => { form.prefer = event.target.value; form.commit(false); } }),
    ),
  );
}

function bodySection(form, subject) {
  const fill = () => {
    form.body = JSON.stringify(exampleBody(subject), null, 2);
    form.commit(true);
  };
  const problem = h("p", { class: "hint", role: "status" });
  const judge = () => {
    try {
      if (form.body.trim()) JSON.parse(form.body);
      problem.textContent = "";
    } catch (error) {
      problem.textContent = `This is no JSON: ${error.message}`;
    }
  };
  judge();
  const oninput = (event) => {
    form.body = event.target.value;
    judge();
    form.commit(false);
  };
  return section(
    "Body",
    h("textarea", { "aria-label": "Body", "data-key": "body", rows: "8", spellcheck: "false", value: form.body, oninput }),
    problem,
    subject && h("button", { type: "button", class: "small", "data-key": "example", onclick: fill }, "Fill in an example"),
  );
}

/** The form. */
export function builder(form) {
  const { request, schema, method } = form;
  const relation = request.isCall ? undefined : schema.relations.get(request.name);
  const routine = request.isCall ? schema.functions.get(request.name) : undefined;
  const hasBody = ["POST", "PATCH", "PUT"].includes(method);
  const returnsRows = ["GET", "HEAD"].includes(method) || request.isCall || form.prefer.includes("return=representation");
  const isFiltered = ["GET", "HEAD", "PATCH", "DELETE", "PUT"].includes(method) || request.isCall;
  return h(
    "div",
    { class: "builder" },
    routine && section("Arguments", call(form, routine)),
    hasBody && !(routine && routine.parameters.length > 0) && bodySection(form, relation ?? routine),
    hasBody && routine && routine.parameters.length > 0 && h("details", {}, h("summary", {}, "Body"), bodySection(form, routine)),
    relation && returnsRows && section("Columns", columnSwitches(form, [], relation)),
    relation && returnsRows && section("Embedded", embeds(form, [], relation) ?? h("p", { class: "hint" }, "Nothing refers to it, and it refers to nothing.")),
    isFiltered && section("Filters", filters(form, [], relation)),
    returnsRows && section("Order and page", h("div", { class: "clauses" }, orders(form, [], relation), number(form, [], "limit", "Limit"), number(form, [], "offset", "Offset"))),
    section("Preferences", preferences(form)),
  );
}
