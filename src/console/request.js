// A request as the console has it: its address is the truth, and everything else reads it and
// writes it. What is not understood of it stays as it is.

const OPERATORS =
  "eq|neq|gt|gte|lt|lte|like|ilike|match|imatch|is|isdistinct|in|cs|cd|ov|sl|sr|nxr|nxl|adj|" +
  "fts|plfts|phfts|wfts";
const FILTER = new RegExp(`^(not\\.)?(${OPERATORS})(\\([\\w-]+\\))?\\.([^]*)$`);
const AGGREGATE = /(^|\.)(count|sum|avg|max|min)\(\)/;
const RESERVED = new Set(["select", "order", "limit", "offset", "columns", "on_conflict"]);
const LOGIC = new Set(["and", "or", "not.and", "not.or"]);

const decode = (text) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

/** What stands behind the `?`, where a plus is a blank. */
const decodeQuery = (text) => decode(text.replaceAll("+", " "));

/** Percent-encodes what has to be, and leaves what reads better as it is. */
export const encode = (text) =>
  encodeURIComponent(text).replace(/%(2C|3A|40|24|2F|3F)/g, (code) => decodeURIComponent(code));

/** Splits at commas that are in no parentheses and in no quotes. */
function splitList(text) {
  const parts = [];
  let depth = 0;
  let quoted = false;
  let begin = 0;
  for (let at = 0; at < text.length; at++) {
    const letter = text[at];
    if (letter === "\\" && quoted) at++;
    else if (letter === '"') quoted = !quoted;
    else if (quoted) continue;
    else if (letter === "(" || letter === "{") depth++;
    else if (letter === ")" || letter === "}") depth--;
    else if (letter === "," && depth === 0) {
      parts.push(text.slice(begin, at));
      begin = at + 1;
    }
  }
  parts.push(text.slice(begin));
  return parts.filter((part) => part !== "");
}

/** The name that stands there, in quotes or not. */
export const unquote = (name) =>
  name.startsWith('"') && name.endsWith('"') && name.length > 1
    ? name.slice(1, -1).replace(/\\(.)/g, "$1")
    : name;

/** Whether a name means itself: it is no word of the query's own, and has no blank at its end, which would be cut off. */
const isPlain = (name) => /^[\p{L}_](?:[\p{L}0-9_$ ]*[\p{L}0-9_$])?$/u.test(name) && !RESERVED.has(name) && !LOGIC.has(name);

/** A name as it stands in `select`, `order` and filters. */
export const quoteName = (name) => (isPlain(name) ? name : `"${name.replace(/["\\]/g, "\\$&")}"`);

const NAME = String.raw`(?:"(?:[^"\\]|\\.)*"|[^!:"(]*)`;
/** What stands before the parentheses of an embedded relation. */
const EMBED = new RegExp(String.raw`^(\.\.\.)?(?:(${NAME}):)?(${NAME})((?:!${NAME})*)\(`);
const MODIFIER = new RegExp(`!(${NAME})`, "g");

/** How deep relations are embedded for the form to take them apart; what is deeper stays as it is. */
const DEPTH_MAX = 12;

/** The items of `select`: `{ column }`, or `{ target, alias, modifiers, spread, items }`. */
export function parseSelect(text, depth = 0) {
  return splitList(text).map((part) => {
    const match = depth < DEPTH_MAX && part.endsWith(")") && !AGGREGATE.test(part) && EMBED.exec(part);
    if (!match) return { column: part };
    const [head, spread, alias = "", target, modifiers] = match;
    return {
      spread: Boolean(spread),
      alias: unquote(alias),
      target: unquote(target),
      modifiers: [...modifiers.matchAll(MODIFIER)].map(([, modifier]) => modifier).filter(Boolean),
      items: parseSelect(part.slice(head.length, -1), depth + 1),
    };
  });
}

export function writeSelect(items) {
  const write = (item) => {
    if (item.column !== undefined) return item.column;
    const alias = item.alias ? `${quoteName(item.alias)}:` : "";
    const modifiers = item.modifiers.map((modifier) => `!${modifier}`).join("");
    const head = `${item.spread ? "..." : ""}${alias}${quoteName(item.target)}${modifiers}`;
    return `${head}(${writeSelect(item.items)})`;
  };
  return items.map(write).join(",");
}

/** What an embedded relation is called in filters, orders and limits. */
export const embedName = (item) => item.alias || item.target;

/** The name of the column that an item of `select` begins with. */
export function columnName(item) {
  const column = item.column.replace(/^[^:"]*:(?!:)/, "");
  const quoted = /^"(?:[^"\\]|\\.)*"/.exec(column);
  return unquote(quoted ? quoted[0] : column.split(/::|->/)[0]);
}

/** `eq.5` and the like, in its parts; null if it is none. */
export function parseFilter(text) {
  const match = FILTER.exec(text);
  if (!match) return null;
  const [, not, operator, modifier = "", value] = match;
  return { not: Boolean(not), operator, modifier, value };
}

export const writeFilter = ({ not, operator, modifier = "", value }) =>
  `${not ? "not." : ""}${operator}${modifier}.${value}`;

export class Request {
  constructor(address) {
    const at = address.indexOf("?");
    // Behind a `#` nothing is sent: the filters that seem to stand there would not be.
    this.path = (at < 0 ? address : address.slice(0, at)).replaceAll("#", "%23");
    const query = at < 0 ? "" : address.slice(at + 1);
    this.parameters = query
      .split("&")
      .filter(Boolean)
      .map((pair) => {
        const equals = pair.indexOf("=");
        if (equals < 0) return [decodeQuery(pair), ""];
        return [decodeQuery(pair.slice(0, equals)), decodeQuery(pair.slice(equals + 1))];
      });
  }

  static to(name, isCall) {
    return new Request((isCall ? "rpc/" : "") + encodeURIComponent(name));
  }

  get isCall() {
    return this.path.startsWith("rpc/");
  }

  get name() {
    return decode(this.isCall ? this.path.slice(4) : this.path);
  }

  get address() {
    const query = this.parameters.map(([key, value]) => `${encode(key)}=${encode(value)}`);
    return this.path + (query.length ? `?${query.join("&")}` : "");
  }

  value(key) {
    return this.parameters.find(([name]) => name === key)?.[1];
  }

  /** Sets a parameter where it is, or at the end; nothing removes it. */
  set(key, value) {
    const at = this.parameters.findIndex(([name]) => name === key);
    if (value === null || value === undefined || value === "") {
      if (at >= 0) this.parameters.splice(at, 1);
    } else if (at >= 0) this.parameters[at][1] = value;
    else if (key === "select") this.parameters.unshift([key, value]);
    else this.parameters.push([key, value]);
  }

  /** Without `select` it is all columns. */
  get items() {
    return parseSelect(this.value("select") || "*");
  }

  set items(items) {
    const isAll = items.length === 1 && items[0].column === "*";
    this.set("select", isAll ? "" : writeSelect(items));
  }

  /** The items inside of an embedded relation; the path has the names that lead to it. */
  itemsAt(path, items = this.items) {
    const [first, ...rest] = path;
    if (first === undefined) return items;
    const embed = items.find((item) => item.target && embedName(item) === first);
    return embed ? this.itemsAt(rest, embed.items) : [];
  }

  /** Changes the items there. */
  change(path, change) {
    const items = this.items;
    change(this.itemsAt(path, items));
    this.items = items;
  }

  /** Takes away what is said about an embedded relation that is no longer there. */
  forget(path) {
    const prefix = this.key(path, "");
    this.parameters = this.parameters.filter(([key]) => !key.startsWith(prefix));
  }

  /** The key of a parameter that is about an embedded relation. */
  key(path, name) {
    return [...path.map(quoteName), name].join(".");
  }

  /** The conditions on the relation there: the parameter itself, its column, and its value. */
  conditions(path) {
    const prefix = path.length ? this.key(path, "") : "";
    const embeds = this.itemsAt(path).filter((item) => item.target).map((item) => this.key([embedName(item)], ""));
    const found = [];
    for (const parameter of this.parameters) {
      const [key, value] = parameter;
      if (!key.startsWith(prefix)) continue;
      const column = key.slice(prefix.length);
      if (RESERVED.has(column) || LOGIC.has(column)) continue;
      if (embeds.some((embed) => column.startsWith(embed))) continue;
      const filter = parseFilter(value);
      // An embedded relation that is there or not: `films=not.is.null`.
      if (filter || (!this.isCall && path.length === 0)) found.push({ parameter, column, value, filter });
    }
    return found;
  }

  /** The arguments of a function that stand in the address. */
  argument(name) {
    return this.parameters.find(([key, value]) => key === name && !parseFilter(value))?.[1];
  }

  orders(path) {
    const text = this.value(this.key(path, "order")) ?? "";
    return splitList(text).map((part) => {
      const match = /^([^]*?)((?:\.(?:asc|desc|nullsfirst|nullslast))*)$/.exec(part);
      const words = match[2].split(".");
      return {
        column: match[1],
        isDescending: words.includes("desc"),
        nulls: words.find((word) => word.startsWith("nulls")) ?? "",
      };
    });
  }

  setOrders(path, orders) {
    const write = ({ column, isDescending, nulls }) =>
      [column, isDescending && "desc", nulls].filter(Boolean).join(".");
    this.set(this.key(path, "order"), orders.map(write).join(","));
  }
}
