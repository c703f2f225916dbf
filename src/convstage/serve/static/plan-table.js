// A plan as a table, and its totals, as the server writes them.

import { el, named } from "./dom.js";

/** So many layers are shown; the middle of a deeper network is left out. */
const SHOWN = 120;

/**
 * @param table as `/api/plan` answers it: titles, and rows of texts
 * @param learns whether a layer learns anything, by its place
 */
export function planTable({ titles, rows, totals }, learns) {
  const line = (row, n) =>
    el(
      "tr",
      { class: learns(n) ? null : "still" },
      row.map((text, at) => el(at ? "td" : "th", at ? {} : { scope: "row" }, named(text))),
    );
  const lines = rows.map(line),
    hidden = lines.length - SHOWN;
  const between = () =>
    el("tr", {}, el("td", { colspan: titles.length }, `${hidden.toLocaleString("en")} layers in between`));
  const shown = hidden > 0 ? [...lines.slice(0, SHOWN / 2), between(), ...lines.slice(-SHOWN / 2)] : lines;
  return el(
    "table",
    { class: "plan" },
    el("caption", {}, "Per image; memory of the outputs as float32."),
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        titles.map((title) => el("th", { scope: "col" }, title)),
      ),
    ),
    el("tbody", {}, shown),
    el(
      "tfoot",
      {},
      el(
        "tr",
        {},
        titles.map((title, at) => (at ? el("td", {}, totals[title] ?? "") : el("th", { scope: "row" }, "total"))),
      ),
    ),
  );
}

/** What a network costs: names and values. */
export function costs({ rows, totals }, plan) {
  const { parameters, multiply_adds: multiplyAdds } = plan.totals;
  return [
    ["parameters", totals.parameters, parameters.toLocaleString("en")],
    ["multiply-adds per image", totals["multiply-adds"], multiplyAdds.toLocaleString("en")],
    ["memory of the outputs", totals.memory, null],
    ["layers", rows.length.toLocaleString("en"), null],
  ].map(([name, value, exact]) => el("div", {}, el("dt", {}, name), el("dd", { title: exact }, value)));
}
