// A map whose cells can be chosen: numbers in cells where there is room for them, else a picture.

import { Colours, drawImage, drawValues, legend } from "./canvas.js";
import { el, fill, setStyle, size, written } from "./dom.js";
import { cellAt } from "./maps.js";

/** Numbers can be read in so many cells, and columns, if they are so wide, in pixels. */
const CELLS = 300,
  COLUMNS = 16,
  WIDTH = 38;

/** What numbers over something are called; as `convstage.filters.numbers` does. */
const OVER = { 2: "in halves", 3: "in thirds", 4: "in quarters", 8: "in eighths", 9: "in ninths", 16: "in sixteenths" };
export const over = (denominator) =>
  !denominator || denominator === 1 ? "" : (OVER[denominator] ?? `over ${denominator}`);

/** A number as it is shown: over the denominator where there is one. */
export const shown = (value, denominator) => written(denominator ? Number((value * denominator).toFixed(6)) : value);

/** A scale whose ends are in the same unit as the numbers in the cells. */
function scaled(scale, denominator) {
  return denominator
    ? {
        ...scale,
        low: Number((scale.low * denominator).toFixed(6)),
        high: Number((scale.high * denominator).toFixed(6)),
      }
    : scale;
}

/** Grey from black to white: what an image is shown with. An image of one level alone is black at 0 or below. */
function greys(black, white) {
  const level = (value) => Math.round(255 * (white > black ? (value - black) / (white - black) : value > 0 ? 1 : 0));
  return { rgb: (value) => Array(3).fill(level(value)), ink: (value) => (level(value) > 118 ? "#000" : "#fff") };
}

export class CellMap {
  /**
   * @param title what people call it
   * @param choose called with a cell, [row, column], when one is chosen; without it the map is only looked at
   */
  constructor({ title, name, choose = null }) {
    Object.assign(this, { choose, at: [0, 0], shape: [1, 1] });
    this.heading = el("h2", {}, title);
    this.note = el("p", { class: "note" });
    this.body = el("div", { class: "scroll" });
    this.node = el("figure", { class: "bench-map", dataset: { map: name } }, this.heading, this.note, this.body);
  }

  /** Show a map as `/api/filter` answers it. Returns when it is drawn. */
  async show({ values, src, shape, scale = null, denominator = null, black, white }, title = null) {
    const drawing = (this.drawing = {});
    const colours = scale ? await Colours.of(scale) : greys(black, white);
    // A newer map has come while the colours were on their way.
    if (this.drawing !== drawing) return;
    const wasFocused = this.body.contains(document.activeElement);
    if (title) this.heading.textContent = title;
    Object.assign(this, { values, shape, denominator, at: this.at.map((n, axis) => Math.min(n, shape[axis] - 1)) });
    fill(
      this.note,
      [size(shape), over(denominator)].filter(Boolean).join(", "),
      scale ? legend(scaled(scale, denominator)) : null,
    );
    const columns = Math.min(COLUMNS, Math.floor((window.innerWidth - 48) / WIDTH));
    const isTable = values !== null && shape[0] * shape[1] <= CELLS && shape[1] <= columns;
    fill(this.body, isTable ? this.table(colours) : await this.picture(src, colours));
    if (wasFocused) this.focusable()?.focus();
  }

  get label() {
    return `${this.heading.textContent}, ${size(this.shape)}`;
  }

  // --------------------------------------------------------------------------------------------- numbers in cells

  table(colours) {
    this.cells = this.values.map((row, y) =>
      row.map((value, x) => {
        const cell = el(
          "td",
          { role: this.choose ? "gridcell" : null, dataset: { row: y, column: x } },
          shown(value, this.denominator),
        );
        setStyle(cell, { "background-color": `rgb(${colours.rgb(value).join(" ")})`, color: colours.ink(value) });
        if (this.choose) {
          Object.assign(cell, { tabIndex: y === this.at[0] && x === this.at[1] ? 0 : -1 });
          cell.setAttribute("aria-label", `row ${y}, column ${x}: ${shown(value, this.denominator)}`);
        }
        return cell;
      }),
    );
    this.canvas = null;
    return el(
      "table",
      {
        class: "cells-table",
        role: this.choose ? "grid" : null,
        "aria-label": this.label,
        on: this.choose ? { click: (event) => this.click(event), keydown: (event) => this.key(event) } : {},
      },
      el(
        "tbody",
        {},
        this.cells.map((row) => el("tr", { role: this.choose ? "row" : null }, row)),
      ),
    );
  }

  click(event) {
    const cell = event.target.closest("td");
    if (cell) this.pick([Number(cell.dataset.row), Number(cell.dataset.column)]);
  }

  // -------------------------------------------------------------------------------------------------- a picture

  async picture(src, colours) {
    this.cells = null;
    this.canvas = el("canvas", {
      width: this.shape[1],
      height: this.shape[0],
      tabIndex: this.choose ? 0 : -1,
      role: this.choose ? "application" : "img",
      "aria-roledescription": this.choose ? "feature map" : null,
      "aria-label": this.choose ? `${this.label}; the arrow keys choose a cell` : this.label,
    });
    if (src) await drawImage(this.canvas, src);
    else drawValues(this.canvas, this.values, colours);
    this.marks = el("span", { class: "bench-marks", "aria-hidden": "true" });
    const frame = el("span", { class: "bench-frame" }, this.canvas, this.marks);
    frame.style.setProperty("--ratio", `${this.shape[1]} / ${this.shape[0]}`);
    if (this.choose) {
      this.canvas.addEventListener("click", (event) => this.pick(cellAt(this.canvas, event, this.shape)));
      this.canvas.addEventListener("keydown", (event) => this.key(event));
    }
    return frame;
  }

  // ------------------------------------------------------------------------------------------ choosing and marking

  key(event) {
    const [row, column] = this.at;
    const to = {
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      Home: [row, 0],
      End: [row, this.shape[1] - 1],
      PageUp: [0, column],
      PageDown: [this.shape[0] - 1, column],
      Enter: [row, column],
      " ": [row, column],
    }[event.key];
    if (!to || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.pick(to.map((n, axis) => Math.min(this.shape[axis] - 1, Math.max(0, n))));
    this.focusable()?.focus();
  }

  pick(cell) {
    if (this.cells) {
      this.cells[this.at[0]]?.[this.at[1]]?.setAttribute("tabindex", "-1");
      this.cells[cell[0]][cell[1]].setAttribute("tabindex", "0");
    }
    this.at = cell;
    this.choose(cell);
  }

  focusable() {
    return this.choose ? (this.cells?.[this.at[0]]?.[this.at[1]] ?? this.canvas) : null;
  }

  /** Mark rows and columns, [first, last] each; parts in the padding are left out. `kind` is a class. */
  mark(kind, rows, columns) {
    const inside = (n, axis) => Math.min(this.shape[axis] - 1, Math.max(0, n));
    if (rows[1] < 0 || columns[1] < 0 || rows[0] >= this.shape[0] || columns[0] >= this.shape[1]) return;
    const [y0, y1] = rows.map((n) => inside(n, 0)),
      [x0, x1] = columns.map((n) => inside(n, 1));
    if (this.cells) {
      for (let y = y0; y <= y1; y++)
        for (let x = x0; x <= x1; x++) {
          const list = this.cells[y][x].classList;
          list.add(kind);
          for (const [side, edge] of [
            ["top", y === y0],
            ["bottom", y === y1],
            ["left", x === x0],
            ["right", x === x1],
          ])
            if (edge) list.add(`${kind}-${side}`);
          if (kind === "chosen") this.cells[y][x].setAttribute("aria-selected", "true");
        }
    } else if (this.canvas) {
      const share = (n, of) => `${(100 * n) / of}%`;
      this.marks.append(
        el("span", {
          class: `bench-mark ${kind}`,
          style: {
            top: share(y0, this.shape[0]),
            height: share(y1 - y0 + 1, this.shape[0]),
            left: share(x0, this.shape[1]),
            width: share(x1 - x0 + 1, this.shape[1]),
          },
        }),
      );
    }
  }

  unmark() {
    for (const cell of this.cells?.flat() ?? []) {
      cell.removeAttribute("class");
      cell.removeAttribute("aria-selected");
    }
    if (this.canvas) this.marks?.replaceChildren();
  }
}
