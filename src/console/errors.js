// Errors in words, with what to do about them. The words are ours; code, message, details and hint
// are shown as the server gave them.

const quote = (name) => (/^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`);

const PRIVILEGE = { GET: "SELECT", HEAD: "SELECT", POST: "INSERT", PUT: "INSERT, UPDATE", PATCH: "UPDATE", DELETE: "DELETE" };

/** What PostgreSQL refused, in SQL that would allow it. */
function missingGrant(message, { method, schema, role }) {
  const grantee = quote(role);
  const match = /^permission denied for (table|view|materialized view|relation|function|procedure|schema|sequence|type) (.+)$/.exec(message);
  if (!match) return null;
  const [, kind, name] = match;
  const qualified = `${quote(schema)}.${quote(name)}`;
  switch (kind) {
    case "schema":
      return `GRANT USAGE ON SCHEMA ${quote(name)} TO ${grantee};`;
    case "sequence":
      return `GRANT USAGE ON SEQUENCE ${qualified} TO ${grantee};`;
    case "function":
    case "procedure":
      return `GRANT EXECUTE ON ${kind.toUpperCase()} ${qualified} TO ${grantee};`;
    case "type":
      return `GRANT USAGE ON TYPE ${qualified} TO ${grantee};`;
    default:
      return `GRANT ${PRIVILEGE[method] ?? "SELECT"} ON ${qualified} TO ${grantee};`;
  }
}

const DENIED = "42501";

/** By code: what has happened, and what to do. */
const WORDS = {
  PGRST000: "The server cannot reach PostgreSQL. Look at its log and at db-uri; it tries again by itself.",
  PGRST001: "The connection to PostgreSQL was lost, or could not be made. The server tries again by itself.",
  PGRST002: "The server has not read the schema yet, or cannot. It tries again by itself; its log says why.",
  PGRST003: "All connections to PostgreSQL were busy for too long. Look for slow queries before making db-pool larger.",
  PGRST100: "Something in the address is written in a way that is not understood. The message tells the place.",
  PGRST101: "A function cannot be called by this method: GET for those that only read, POST for all.",
  PGRST102: "The body is not what its type says. Check that it is valid JSON, with the same keys in each object.",
  PGRST103: "There are no rows that far: the offset is beyond the last one. Go back to the first page.",
  PGRST105: "A PUT is for one row: filter by all columns of the key with eq, without limit and offset.",
  PGRST106: "This schema is not exposed. Choose one that is, or add it to db-schemas.",
  PGRST107: "None of the types that were asked for can be made here. Choose another one under “as”.",
  PGRST108: "A filter, order or limit is about an embedded relation that is not in select. Embed it first.",
  PGRST111: "A function has set response.headers to something that is no list of headers.",
  PGRST112: "A function has set response.status to something that is no status.",
  PGRST116: "One row was asked for, and there was none, or more than one. Filter by a key, or ask for all rows.",
  PGRST117: "There is no such method here.",
  PGRST118: "Rows cannot be ordered by a relation that has several for each of them. Order inside of it instead.",
  PGRST120: "An embedded relation can only be compared with null.",
  PGRST121: "A function raised an error whose message is not the JSON that PGRST wants.",
  PGRST122: "With handling=strict a preference that is not known is an error.",
  PGRST123: "Aggregates are switched off: db-aggregates-enabled=true allows them.",
  PGRST124: "More rows would have been changed than max-affected allows, so none were.",
  PGRST125: "There is nothing at this path: relations are at /name, functions at /rpc/name.",
  PGRST126: "The description of the API is switched off (openapi-mode=disabled), and with it most of this page.",
  PGRST127: "This is not possible together with the other things that were asked for.",
  PGRST200: "There is no foreign key between the two relations. If it is new, reload the schema cache: NOTIFY pgrst, 'reload schema'.",
  PGRST201: "There is more than one way from one relation to the other. Say which, with a hint behind an exclamation mark.",
  PGRST202: "There is no function with this name and these arguments. Check their names, or reload the schema cache: NOTIFY pgrst, 'reload schema'.",
  PGRST203: "There are several functions that these arguments fit. Give them different names, or different arguments.",
  PGRST204: "There is no such column. If it is new, reload the schema cache: NOTIFY pgrst, 'reload schema'.",
  PGRST205: "There is no such table or view in this schema. If it is new, reload the schema cache: NOTIFY pgrst, 'reload schema'.",
  PGRST300: "There is a token, and the server has no jwt-secret to verify it with.",
  PGRST301: "The token is not valid: it was signed with another key, or is no token.",
  PGRST302: "Nobody may ask without a token: there is no db-anon-role.",
  PGRST303: "The token was refused for its claims: it has expired, is not valid yet, or is for somebody else.",
  22023: "A value is not one that can be used here. If the message is about a role: the role of the token does not exist, or the server may not take it on.",
  "22P02": "A value does not look like one of its column's type.",
  23502: "A column that may not be null was left out. Add it to the body.",
  23503: "A row that is referred to is not there, or is still referred to.",
  23505: "There is a row with this key already. Upsert with resolution=merge-duplicates, or use another key.",
  23514: "A check of the table refuses these values.",
  42703: "There is no such column. Its name must be written as in the database.",
  42883: "There is no such operator or function for these types.",
  57014: "It took too long (statement_timeout), or was cancelled.",
  P0001: "A function raised an error of its own.",
  25006: "A GET changes nothing, and this function tried to. Call it by POST.",
};

/** What is said of an error: words, SQL that would help, and hints to choose from. */
export function explain(status, body, context) {
  const code = body?.code ?? "";
  const message = body?.message ?? "";
  const advice = { words: Object.hasOwn(WORDS, code) ? WORDS[code] : "", sql: null, hints: [] };
  if (code === DENIED) {
    if (/row-level security/.test(message)) {
      advice.words = `A policy of row-level security does not let ${context.role} write this row. Its WITH CHECK says which rows it may write.`;
    } else {
      advice.words = `The role ${context.role} may not do this. If it should, let it, as the owner:`;
      advice.sql = missingGrant(message, context);
      if (!advice.sql) advice.words = `The role ${context.role} may not do this.`;
    }
    // In front, for the words above lead to the SQL behind them.
    if (!context.hasToken) advice.words = `Nobody has said who they are: perhaps a token is missing. ${advice.words}`;
  }
  if (code === "PGRST201" && Array.isArray(body.details)) {
    advice.hints = body.details.map((detail) => /^\S+/.exec(detail.relationship ?? "")?.[0]).filter(Boolean);
  }
  if (!advice.words) advice.words = byStatus(status);
  return advice;
}

function byStatus(status) {
  if (status === 401) return "The server wants to know who asks: give it a token that is valid.";
  if (status === 403) return "The role of the request may not do this.";
  if (status === 413) return "The body is larger than server-max-body-bytes allows.";
  if (status === 431) return "The address or the headers are too long.";
  if (status >= 500) return "Something is wrong with the server or its database; the log of the server says more.";
  return "";
}
