// Who asks: nobody in particular, or the bearer of a token. Tokens are kept in this page's memory
// and nowhere else; they are decoded here to be shown, and judged by the server alone.

import { choice, h, replace } from "./dom.js";

let number = 0;

export class Caller {
  constructor(token, anonymousRole) {
    this.id = String(number++);
    this.token = token;
    this.claims = token ? decodeClaims(token) : null;
    this.anonymousRole = anonymousRole;
  }

  /** Under which role it asks, as far as the token tells: jwt-role-claim-key may name another claim. */
  get role() {
    const role = this.claims?.role;
    if (typeof role === "string") return role;
    return this.token ? "role of the token" : (this.anonymousRole ?? "nobody");
  }

  get label() {
    if (!this.token) return this.anonymousRole ? `anonymous (${this.role})` : "anonymous";
    const subject = Object.entries(this.claims).find(
      ([name, value]) => /^(sub|email|.*_?id)$/.test(name) && typeof value !== "object",
    );
    return subject ? `${this.role} (${subject[0]} ${subject[1]})` : this.role;
  }

  get headers() {
    return this.token ? { Authorization: `Bearer ${this.token}` } : {};
  }

  /** How long the token is good for, in words. */
  get expiry() {
    const expires = this.claims?.exp;
    if (expires !== undefined && typeof expires !== "number") return "has an exp that is no number";
    if (expires === undefined) return this.token ? "never expires" : "";
    const seconds = Math.round(expires - Date.now() / 1000);
    if (seconds <= 0) return "has expired";
    if (seconds < 120) return `expires in ${seconds} s`;
    if (seconds < 7200) return `expires in ${Math.round(seconds / 60)} min`;
    if (seconds < 172800) return `expires in ${Math.round(seconds / 3600)} h`;
    return `expires on ${new Date(expires * 1000).toLocaleDateString()}`;
  }
}

function decodePart(part) {
  const base64 = part.replaceAll("-", "+").replaceAll("_", "/");
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

/** The claims of a token; throws what is wrong with it, in words. */
function decodeClaims(token) {
  if (!/^[\w.=-]*$/.test(token)) throw new Error("A token has letters and digits of ASCII, and - _ . = between them; this has something else.");
  const parts = token.split(".");
  if (parts.length !== 3) throw new Error("A token has three parts with dots between them.");
  try {
    const claims = decodePart(parts[1]);
    if (claims === null || typeof claims !== "object") throw new Error();
    return claims;
  } catch {
    throw new Error("The second part of the token is not JSON in base64.");
  }
}

/** The claims, and how long they are good for, as a table. */
function claimTable(caller, label) {
  return h("table", { class: "facts", "aria-label": label }, h("caption", {}, `The token ${caller.expiry}.`), h("tbody", {}, claimRows(caller.claims)));
}

const date = (value) => {
  const time = new Date(value * 1000);
  return Number.isNaN(time.getTime()) ? "" : ` (${time.toLocaleString()})`;
};

function claimRows(claims) {
  return Object.entries(claims).map(([name, value]) => {
    const isTime = ["exp", "iat", "nbf"].includes(name) && typeof value === "number";
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, text + (isTime ? date(value) : "")));
  });
}

/** The dialog in which somebody says who asks. `state` has `callers`, `caller` and `other`. */
export function callersDialog(state, anonymousRole, onchange) {
  const dialog = h("dialog", { "aria-label": "Who asks", class: "callers" });
  let problem = "";
  const draw = () => {
    const field = h("textarea", {
      id: "token",
      rows: "4",
      spellcheck: "false",
      autocomplete: "off",
      "data-key": "token",
      // Who has none yet has come to give one.
      autofocus: state.callers.length === 1,
      placeholder: "eyJhbGciOi…",
      oninput: () => look(),
    });
    const preview = h("div", { role: "status" });
    /** The caller whose token stands there. */
    const read = () => {
      const token = field.value.replace(/^\s*(authorization:)?\s*bearer\s+/i, "").replace(/\s/g, "");
      if (!token) throw new Error("Paste a token first.");
      return new Caller(token, anonymousRole);
    };
    /** Shows what the token says before it is used; what is wrong is said by the button. */
    const look = () => {
      try {
        replace(preview, claimTable(read(), "Claims of this token"));
      } catch {
        replace(preview);
      }
    };
    const use = () => {
      problem = "";
      try {
        const caller = read();
        state.callers.push(caller);
        state.caller = caller;
      } catch (error) {
        problem = error.message;
      }
      draw();
      if (problem) return;
      dialog.close();
      onchange();
    };
    const row = (caller) =>
      h(
        "li",
        {},
        h(
          "label",
          {},
          h("input", {
            type: "radio",
            name: "caller",
            "data-key": `caller-${caller.id}`,
            checked: caller === state.caller,
            onchange: () => {
              state.caller = caller;
              draw();
              onchange();
            },
          }),
          h("span", {}, caller.label, " ", h("small", {}, caller.expiry)),
        ),
        caller.token &&
          h(
            "button",
            {
              type: "button",
              class: "small",
              "aria-label": `Forget ${caller.label}`,
              onclick: () => {
                state.callers = state.callers.filter((other) => other !== caller);
                if (state.caller === caller) state.caller = state.callers[0];
                if (state.other === caller) state.other = null;
                draw();
                onchange();
              },
            },
            "Forget",
          ),
      );
    const others = state.callers.filter((caller) => caller !== state.caller);
    if (!others.includes(state.other)) state.other = null;
    replace(
      dialog,
      h("h2", {}, "Who asks"),
      h("ul", { class: "plain" }, state.callers.map(row)),
      state.caller.claims && claimTable(state.caller, "Claims"),
      h("label", { for: "token" }, state.callers.length > 1 ? "Another token" : "Token"),
      field,
      preview,
      problem && h("p", { class: "problem", role: "alert" }, problem),
      h("p", { class: "hint" }, "Kept in the memory of this page only, and gone when it is closed."),
      h("button", { type: "button", class: "primary", "data-key": "use", onclick: use }, "Use token"),
      h("h3", {}, "Compare"),
      others.length === 0
        ? h("p", { class: "hint" }, "With a second role, both get each request, and the answers stand side by side.")
        : h(
            "label",
            {},
            "Ask as this one, too: ",
            choice(
              {
                "data-key": "other",
                value: state.other?.id ?? "",
                onchange: (event) => {
                  state.other = others.find((caller) => caller.id === event.target.value) ?? null;
                  onchange();
                },
              },
              [["", "nobody"], ...others.map((caller) => [caller.id, caller.label])],
            ),
          ),
      h("div", { class: "end" }, h("button", { type: "button", onclick: () => dialog.close() }, "Close")),
    );
  };
  draw();
  return dialog;
}
