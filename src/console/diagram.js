// The relations of a schema and who refers to whom, drawn. Layers from left to right: whoever refers
// to nobody is on the left. What has no reference at all is below, in a grid.

import { h, s } from "./dom.js";

const WIDTH = 190;
const LINE = 18;
const HEAD = 26;
const GAP_X = 90;
const GAP_Y = 18;
const COLUMN_MAX = 14;

/** Keys and references, which are all that a drawing needs of the columns. */
const lines = (relation) => relation.columns.filter((column) => column.isKey || column.references);

const height = (relation) => HEAD + LINE * Math.min(lines(relation).length, 8) + 6;

/** In which layer each one is: one behind the furthest of those that it refers to. */
function layers(relations) {
  const depth = new Map();
  const depthOf = (relation, path) => {
    if (depth.has(relation.name)) return depth.get(relation.name);
    if (path.has(relation.name)) return 0;
    path.add(relation.name);
    let found = 0;
    for (const { references } of relation.columns) {
      const target = references && relations.get(references.table);
      if (target && target !== relation) found = Math.max(found, 1 + depthOf(target, path));
    }
    path.delete(relation.name);
    depth.set(relation.name, found);
    return found;
  };
  for (const relation of relations.values()) depthOf(relation, new Set());
  return depth;
}

/** Where everything is. */
function layout(schema) {
  const connected = new Map();
  const alone = [];
  for (const relation of schema.relations.values()) {
    const has = relation.relationships.some(({ target }) => schema.relations.has(target));
    if (has) connected.set(relation.name, relation);
    else alone.push(relation);
  }
  const depth = layers(connected);
  const columns = [];
  for (const relation of connected.values()) (columns[depth.get(relation.name)] ??= []).push(relation);
  const places = new Map();
  let x = 20;
  let bottom = 20;
  for (const column of columns.filter(Boolean)) {
    // Beside those that it refers to, which are placed already: fewer lines cross.
    const middle = (relation) => {
      const ys = relation.columns.map(({ references }) => places.get(references?.table)?.y).filter((y) => y !== undefined);
      return ys.length ? ys.reduce((sum, y) => sum + y, 0) / ys.length : 0;
    };
    column.sort((a, b) => middle(a) - middle(b) || a.name.localeCompare(b.name));
    for (let begin = 0; begin < column.length; begin += COLUMN_MAX) {
      let y = 20;
      for (const relation of column.slice(begin, begin + COLUMN_MAX)) {
        places.set(relation.name, { x, y, relation });
        y += height(relation) + GAP_Y;
      }
      bottom = Math.max(bottom, y);
      x += WIDTH + GAP_X;
    }
  }
  const perRow = Math.max(4, Math.floor(x / (WIDTH + GAP_Y)));
  const tall = alone.reduce((most, relation) => Math.max(most, height(relation)), 0) + GAP_Y;
  alone.forEach((relation, number) => {
    const across = number % perRow;
    const y = bottom + 20 + Math.floor(number / perRow) * tall;
    places.set(relation.name, { x: 20 + across * (WIDTH + GAP_Y), y, relation });
  });
  const all = [...places.values()];
  return {
    places,
    width: Math.max(...all.map((place) => place.x + WIDTH), 0) + 20,
    height: Math.max(...all.map((place) => place.y + height(place.relation)), 0) + 20,
  };
}

function box({ x, y, relation }, link) {
  const shown = lines(relation).slice(0, 8);
  const cut = (text, letters) => (text.length > letters ? `${text.slice(0, letters - 1)}…` : text);
  return s(
    "a",
    { href: link(relation.name) },
    s("title", {}, relation.comment || relation.name),
    s("rect", { x, y, width: WIDTH, height: height(relation), rx: 6, class: "box" }),
    s("text", { x: x + 10, y: y + 18, class: "box-name" }, cut(relation.name, 24)),
    shown.map((column, number) =>
      s(
        "text",
        { x: x + 10, y: y + HEAD + 14 + LINE * number, class: column.isKey ? "box-key" : "box-line" },
        cut(column.references ? `${column.name} → ${column.references.table}` : column.name, 27),
      ),
    ),
  );
}

function line(places, from, column, number) {
  const to = places.get(column.references.table);
  if (!to) return null;
  const y1 = from.y + HEAD + 10 + LINE * Math.min(number, 7);
  const y2 = to.y + 14;
  const isSelf = to === from;
  const isLeft = to.x < from.x;
  const x1 = isLeft ? from.x : from.x + WIDTH;
  const x2 = isLeft || isSelf ? to.x + WIDTH : to.x;
  const bend = isSelf ? 34 : Math.max(40, Math.abs(x2 - x1) / 2);
  const c1 = isLeft ? x1 - bend : x1 + bend;
  const c2 = isLeft || isSelf ? x2 + bend : x2 - bend;
  return s("path", { d: `M${x1},${y1} C${c1},${y1} ${c2},${y2} ${x2},${y2}`, class: "reference", "marker-end": "url(#arrow)" });
}

/** The drawing, with buttons to make it larger and smaller. */
export function diagram(schema, link) {
  if (schema.relations.size === 0) return h("p", { class: "empty" }, "There are no relations to draw.");
  const { places, width, height } = layout(schema);
  const drawing = s(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": "Diagram of the relations" },
    s(
      "defs",
      {},
      s("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" }, s("path", { d: "M0,0 L8,4 L0,8 z", class: "arrow" })),
    ),
    [...places.values()].map((from) =>
      lines(from.relation).map((column, number) => column.references && line(places, from, column, number)),
    ),
    [...places.values()].map((place) => box(place, link)),
  );
  let scale = Math.min(1, Math.max(0.4, 1000 / width));
  const resize = (factor) => {
    scale = Math.min(2, Math.max(0.1, scale * factor));
    drawing.setAttribute("width", width * scale);
    drawing.setAttribute("height", height * scale);
  };
  resize(1);
  const button = (label, text, factor) =>
    h("button", { type: "button", class: "small", "aria-label": label, onclick: () => resize(factor) }, text);
  return h(
    "div",
    {},
    h("div", { class: "bar" }, button("Smaller", "−", 0.8), button("Larger", "+", 1.25), h("span", { class: "hint" }, `${schema.relations.size} relations. Keys are bold; arrows go to what is referred to.`)),
    h("div", { class: "canvas", tabindex: "0", role: "region", "aria-label": "Diagram" }, drawing),
  );
}
