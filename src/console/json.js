// JSON as it was sent: numbers that JavaScript cannot hold stay as they are written.

import { h } from "./dom.js";

/** What is shown in colours at the most; more is plain text. */
const COLOURED = 20_000;
/** How far lines are indented: what is very deep would be nothing but blanks. */
const INDENT_MAX = 120;

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

export function parse(text) {
  return JSON.parse(text, (_, value, context) => {
    const source = context?.source;
    if (typeof value !== "number" || source === undefined) return value;
    return String(value) === source ? value : new Exact(source);
  });
}

/** A value in the words of JSON, in one line. */
export const inline = (value) => (value instanceof Exact ? value.text : JSON.stringify(value));

const isRows = (value) => value !== null && typeof value === "object" && !(value instanceof Exact);

/** The value with line breaks, in coloured pieces. */
export function pretty(value) {
  const block = h("pre", { class: "json", tabindex: "0", "aria-label": "JSON" });
  let pieces = 0;
  let text = "";
  const flush = () => {
    if (text) block.append(text);
    text = "";
  };
  const piece = (className, content) => {
    if (++pieces > COLOURED) {
      text += content;
      return;
    }
    flush();
    block.append(h("span", { class: className }, content));
  };
  const write = (value, indent) => {
    if (!isRows(value)) {
      const kind = value === null ? "null" : typeof value === "string" ? "string" : "number";
      piece(`json-${kind}`, inline(value));
      return;
    }
    const isArray = Array.isArray(value);
    const entries = isArray ? value.map((item) => [null, item]) : Object.entries(value);
    if (entries.length === 0) {
      text += isArray ? "[]" : "{}";
      return;
    }
    const deeper = indent.length < INDENT_MAX ? `${indent}  ` : indent;
    text += isArray ? "[\n" : "{\n";
    entries.forEach(([name, item], at) => {
      text += deeper;
      if (name !== null) {
        piece("json-name", JSON.stringify(name));
        text += ": ";
      }
      write(item, deeper);
      text += at < entries.length - 1 ? ",\n" : "\n";
    });
    text += indent + (isArray ? "]" : "}");
  };
  write(value, "");
  flush();
  return block;
}
