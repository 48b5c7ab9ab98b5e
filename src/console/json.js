// JSON as it was sent: numbers that JavaScript cannot hold stay as they are written.

import { h } from "./dom.js";

/** What is shown in colours at the most; more is plain text. */
const COLOURED = 20_000;
/** How many blanks a line begins with: what is very deep would be nothing but blanks. */
const INDENT_MAX = 120;
/** What is shown of a text: a browser needs seconds to lay out tens of millions of letters. */
const LETTERS_MAX = 1 << 20;

/** A number that is more exact than JavaScript's. */
export class Exact {
  constructor(text) {
    this.text = text;
  }

  valueOf() {
    return Number(this.text);
  }

  toJSON() {
    return JSON.rawJSON ? JSON.rawJSON(this.text) : this.text;
  }
}

function keepExact(_, value, context) {
  const source = context?.source;
  if (typeof value !== "number" || source === undefined) return value;
  return String(value) === source ? value : new Exact(source);
}

/** Whether each number is one that JavaScript writes as it stands here. */
function isExact(text) {
  for (const [token] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/g)) {
    if (token[0] !== '"' && String(Number(token)) !== token) return false;
  }
  return true;
}

/** The value; throws where there is none, or where it could not be told exactly. */
export function parse(text) {
  try {
    return JSON.parse(text, keepExact);
  } catch (error) {
    // To look at all members takes the stack, as deep as they are nested; to parse does not.
    if (error instanceof RangeError && isExact(text)) return JSON.parse(text);
    throw error;
  }
}

const isNested = (value) => value !== null && typeof value === "object" && !(value instanceof Exact);

const kindOf = (value) => (value === null ? "null" : typeof value === "string" ? "string" : "number");

/**
 * The pieces that a value is written in, each with its kind. What is open is kept in a list, and not
 * on the stack, which is too small for a value that is nested some thousand deep.
 */
function* piecesOf(value) {
  const open = [];
  for (let next = value; ; ) {
    if (isNested(next)) {
      const names = Array.isArray(next) ? null : Object.keys(next);
      open.push({ of: next, names, told: 0, length: (names ?? next).length });
      yield ["open", names ? "{" : "["];
    } else yield [kindOf(next), next instanceof Exact ? next.text : JSON.stringify(next)];
    while (open.length > 0 && open.at(-1).told === open.at(-1).length) yield ["close", open.pop().names ? "}" : "]"];
    if (open.length === 0) return;
    const last = open.at(-1);
    if (last.told > 0) yield ["comma", ","];
    const key = last.names ? last.names[last.told] : last.told;
    if (last.names) yield ["name", JSON.stringify(key)];
    last.told++;
    next = last.of[key];
  }
}

/** A value in the words of JSON, in one line; of a long one so many letters. */
export function inline(value, lettersMax = Infinity) {
  let text = "";
  for (const [kind, piece] of piecesOf(value)) {
    text += kind === "name" ? `${piece}:` : piece;
    if (text.length > lettersMax) return `${text.slice(0, lettersMax)}…`;
  }
  return text;
}

const block = (label, ...children) => h("pre", { tabindex: "0", "aria-label": label, class: label === "JSON" && "json" }, children);

/** A text as it stands, or its beginning. */
export function plain(text) {
  if (text.length <= LETTERS_MAX) return block("Body", text);
  return h("div", {}, h("p", { class: "hint" }, "Only the beginning is shown."), block("Body", text.slice(0, LETTERS_MAX)));
}

/** The value with line breaks, in coloured pieces. */
export function pretty(value) {
  const parts = [];
  let coloured = 0;
  let letters = 0;
  let text = "";
  let depth = 0;
  let before = "";
  for (const [kind, piece] of piecesOf(value)) {
    if (kind === "close") depth--;
    // Each member is in a line of its own, and so is the end of what has members.
    const begins = kind !== "comma" && before !== "name" && before !== "" && !(kind === "close" && before === "open");
    if (begins) text += `\n${" ".repeat(Math.min(2 * depth, INDENT_MAX))}`;
    if (kind === "open") depth++;
    if (/^(open|close|comma)$/.test(kind) || coloured === COLOURED) text += piece;
    else {
      coloured++;
      parts.push(text, h("span", { class: `json-${kind}` }, piece));
      letters += text.length + piece.length;
      text = "";
    }
    if (kind === "name") text += ": ";
    before = kind;
    if (letters + text.length > LETTERS_MAX) break;
  }
  const isCut = letters + text.length > LETTERS_MAX;
  const shown = block("JSON", parts, text);
  return isCut ? h("div", {}, h("p", { class: "hint" }, "Only the beginning is shown."), shown) : shown;
}
