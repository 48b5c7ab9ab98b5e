// The plan of a request as a tree: what PostgreSQL does, how long each step took by itself, and how
// many rows it expected and got.

import { h } from "./dom.js";

const number = (value) => Number(value).toLocaleString(undefined, { maximumFractionDigits: 3 });

const count = (rows) => `${number(rows)} ${rows === 1 ? "row" : "rows"}`;

/** What a step is about: the relation, the index, the condition. */
function subject(node) {
  const words = [];
  if (node["Relation Name"]) words.push(`on ${node["Relation Name"]}`);
  if (node["Index Name"]) words.push(`by ${node["Index Name"]}`);
  if (node["Function Name"]) words.push(node["Function Name"]);
  if (node["CTE Name"]) words.push(node["CTE Name"]);
  if (node["Join Type"]) words.push(node["Join Type"].toLowerCase());
  return words.join(" ");
}

const CONDITIONS = ["Index Cond", "Recheck Cond", "Hash Cond", "Merge Cond", "Join Filter", "Filter", "Sort Key", "Group Key"];

function total(node) {
  const time = node["Actual Total Time"];
  return time === undefined ? node["Total Cost"] : time * (node["Actual Loops"] ?? 1);
}

function step(node, whole) {
  const children = node.Plans ?? [];
  const own = Math.max(0, total(node) - children.reduce((sum, child) => sum + total(child), 0));
  const isMeasured = node["Actual Total Time"] !== undefined;
  const share = whole > 0 ? Math.min(1, own / whole) : 0;
  const expected = node["Plan Rows"];
  const got = node["Actual Rows"];
  const rows = isMeasured ? `${count(got)}, ${number(expected)} expected` : `${count(expected)} expected`;
  const loops = node["Actual Loops"] > 1 ? `, ${number(node["Actual Loops"])} times` : "";
  const off = isMeasured && Math.max(got, 1) / Math.max(expected, 1);
  const isOff = off && (off >= 10 || off <= 0.1);
  return h(
    "li",
    {},
    h(
      "div",
      { class: "step" },
      h("strong", {}, node["Node Type"]),
      " ",
      h("span", {}, subject(node)),
      h(
        "span",
        { class: "share" },
        h("meter", { value: String(share), min: "0", max: "1", "aria-label": "share of the whole" }),
        isMeasured ? ` ${number(own)} ms` : ` cost ${number(own)}`,
      ),
      h("span", { class: isOff ? "rows off" : "rows" }, rows + loops + (isOff ? " (far off)" : "")),
      CONDITIONS.filter((name) => node[name]).map((name) =>
        h("code", { class: "condition" }, `${name}: ${[node[name]].flat().join(", ")}`),
      ),
      node["Rows Removed by Filter"] > 0 &&
        h("span", { class: "rows" }, `${number(node["Rows Removed by Filter"])} rows looked at in vain`),
    ),
    children.length > 0 && h("ul", {}, children.map((child) => step(child, whole))),
  );
}

/** The tree, from what `application/vnd.pgrst.plan+json` gives. */
export function planTree(answer) {
  const plan = Array.isArray(answer) ? answer[0] : answer;
  if (!plan?.Plan) return h("p", { class: "empty" }, "There is no plan in this answer.");
  const times = [
    ["Planning", plan["Planning Time"]],
    ["Execution", plan["Execution Time"]],
  ].filter(([, time]) => time !== undefined);
  return h(
    "div",
    { class: "plan" },
    times.length > 0 && h("p", {}, times.map(([name, time]) => `${name} ${number(time)} ms`).join(" · ")),
    h("ul", {}, step(plan.Plan, total(plan.Plan))),
  );
}
