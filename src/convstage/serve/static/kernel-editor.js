// A filter that is edited cell by cell, over a common denominator.

import { el, fill, labelled, select } from "./dom.js";

const SIDES = [1, 2, 3, 5, 7],
  LARGEST = 15;

/** A fraction's numerator over a denominator, as text: "1/9" over 9 is "1". */
export function numerator(text, denominator) {
  const [above, below = "1"] = text.split("/");
  const value = (Number(above) / Number(below)) * denominator;
  return String(Number(value.toFixed(9)));
}

/** The rows of a filter's text, `(1 1; 1 -1)/9`, and what they are over; null when it is a name or something else. */
export function parseKernel(text) {
  const match = /^\s*\(([^()]*)\)\s*\/\s*(\d+)\s*$/.exec(text);
  const rows = (match?.[1] ?? text).split(";").map((row) =>
    row
      .trim()
      .split(/[\s,]+/)
      .filter(Boolean),
  );
  const isRow = (row) =>
    row.length === rows[0].length &&
    row.length > 0 &&
    row.every((number) => /^[+-]?(\d+\.?\d*|\.\d+)(\/\d+)?$/.test(number));
  if (!rows.every(isRow) || rows.length > LARGEST || rows[0].length > LARGEST) return null;
  return { rows, denominator: match ? Number(match[2]) : 1 };
}

export class KernelEditor {
  /**
   * @param kernels as `GET /api/run` has them
   * @param changed called with the filter's text when it has been edited
   */
  constructor({ kernels, changed }) {
    Object.assign(this, { kernels, changed });
    this.preset = select(
      [["", "your own"], ...kernels.map(({ name, words }) => [name, `${name}: ${words}`])],
      "",
      (name) => name && this.changed(name),
    );
    this.sides = select(
      SIDES.map((side) => [side, `${side}×${side}`]),
      3,
      (side) => this.resize(Number(side)),
    );
    this.denominator = el("input", {
      type: "number",
      min: 1,
      max: 1000,
      step: 1,
      value: 1,
      class: "short",
      on: { input: () => this.edited() },
    });
    this.grid = el("div", {
      class: "kernel-grid",
      role: "group",
      "aria-label": "weights of the filter, row by row; the arrow keys go from cell to cell",
    });
    this.grid.addEventListener("keydown", (event) => this.key(event));
    this.words = el("p", { class: "note" });
    this.problem = el("p", { class: "error", hidden: true });
    this.node = el(
      "fieldset",
      { class: "panel" },
      el("legend", {}, "Filter"),
      el("div", { class: "row" }, labelled("Preset", this.preset), labelled("Size", this.sides)),
      el("div", { class: "row" }, this.grid, labelled("all over", this.denominator)),
      this.words,
      this.problem,
    );
  }

  /** Show a filter by its name or its text; what is being edited right now is left alone. */
  show(text) {
    if (text === this.text) return;
    this.text = text;
    const preset = this.kernels.find(({ name }) => name === text);
    this.preset.value = preset?.name ?? "";
    const denominator = preset?.denominator ?? 1;
    const own = preset
      ? { rows: preset.rows.map((row) => row.map((number) => numerator(number, denominator))), denominator }
      : parseKernel(text);
    this.refuse(own ? "" : `This filter cannot be edited here: ${text}`);
    if (!own) return;
    this.denominator.value = own.denominator;
    this.draw(own.rows);
    this.describe();
  }

  draw(rows) {
    const side = rows.length === rows[0].length && SIDES.includes(rows.length) ? rows.length : null;
    this.sides.value = side ?? "";
    this.inputs = rows.map((row, y) =>
      row.map((number, x) =>
        el("input", {
          type: "text",
          value: number,
          autocomplete: "off",
          spellcheck: false,
          "aria-label": `weight in row ${y}, column ${x}`,
          maxLength: 12,
          on: { input: () => this.edited(), focus: (event) => event.target.select() },
        }),
      ),
    );
    this.grid.style.setProperty("--columns", String(rows[0].length));
    fill(this.grid, this.inputs);
  }

  get rows() {
    return this.inputs.map((row) => row.map((input) => input.value.trim()));
  }

  resize(side) {
    const before = this.rows,
      [top, left] = [before.length, before[0].length].map((n) => Math.floor((n - side) / 2));
    const rows = Array.from({ length: side }, (_, y) =>
      Array.from({ length: side }, (_, x) => before[y + top]?.[x + left] ?? "0"),
    );
    this.draw(rows);
    this.edited();
  }

  edited() {
    const over = Number(this.denominator.value);
    const text = this.rows.map((row) => row.join(" ")).join("; ");
    let good = Number.isInteger(over) && over >= 1;
    this.denominator.setAttribute("aria-invalid", String(!good));
    for (const input of this.inputs.flat()) {
      const fits = /^[+-]?(\d+\.?\d*|\.\d+)(\/\d*[1-9]\d*)?$/.test(input.value.trim().replace("\u2212", "-"));
      input.setAttribute("aria-invalid", String(!fits));
      good &&= fits;
    }
    this.refuse(
      good ? "" : "A weight is a number, such as -1, 0.5 or 1/3; what all are over is a whole number from 1.",
    );
    if (!good) return;
    const plain = text.replaceAll("\u2212", "-");
    this.text = over === 1 ? plain : `(${plain})/${over}`;
    this.preset.value = "";
    this.describe();
    this.changed(this.text);
  }

  refuse(words) {
    this.problem.hidden = words === "";
    this.problem.textContent = words;
  }

  describe() {
    const preset = this.kernels.find(({ name }) => name === this.preset.value);
    const over = Number(this.denominator.value);
    const above = this.rows.flat().reduce((all, text) => all + Number(numerator(text.replace("\u2212", "-"), 1)), 0);
    const plain = (x) => String(Number(x.toFixed(4))),
      words = preset ? preset.source || preset.words : "";
    const sum = over === 1 ? plain(above) : `${plain(above)}/${over} = ${plain(above / over)}`;
    const about = words && `${words[0].toUpperCase()}${words.slice(1)}. `;
    this.words.textContent = `${about}The weights add up to ${sum}.`;
  }

  /** Up and down, and at the ends of a text left and right, go to the neighbour, as in a table of numbers. */
  key(event) {
    const y = this.inputs.findIndex((row) => row.includes(event.target)),
      x = this.inputs[y]?.indexOf(event.target);
    if (y < 0) return;
    const { selectionStart: start, selectionEnd: end, value } = event.target,
      all = start === 0 && end === value.length;
    const [dy, dx] = {
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      Enter: [1, 0],
      ArrowLeft: all || end === 0 ? [0, -1] : [0, 0],
      ArrowRight: all || start === value.length ? [0, 1] : [0, 0],
    }[event.key] ?? [0, 0];
    const next = this.inputs[y + dy]?.[x + dx];
    if ((!dy && !dx) || !next) return;
    event.preventDefault();
    next.focus();
  }
}
