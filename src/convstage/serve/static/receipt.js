// The receipt: how one number came about, down to the last product, in a panel at the side.

import { button, el, fill, named, short, written } from "./dom.js";

/** Of many channels, so many are shown at first: those that add most. */
const FEW = 3;
/** Of a unit's many products, so many. */
const FEW_TERMS = 9;
/** Longer sums, in letters, are shown on demand. */
const LONG = 600;

/** A table of numbers; `describe` gives a cell's class. */
function numbers(rows, label, describe = () => "") {
  return el(
    "table",
    { class: "grid-numbers", "aria-label": label },
    rows.map((row, y) =>
      el(
        "tr",
        {},
        row.map((value, x) => el("td", { class: describe(y, x) }, short(value))),
      ),
    ),
  );
}

const sum = (rows) => rows.flat().reduce((total, value) => total + Number(value), 0);
const span = (axis, [first, last]) => (first === last ? `${axis} ${first}` : `${axis}s ${first} to ${last}`);

export class ReceiptPanel {
  /**
   * @param layers `Layers`
   * @param classes names of the classes
   * @param choose called with a layer's name and a cell, to show another receipt
   * @param close called when the panel is closed by its user
   * @param step called with a layer's name and a cell: step the window from there
   */
  constructor({ layers, classes, choose, close, step, status }) {
    Object.assign(this, { layers, classes, choose, step, status, from: null });
    this.title = el("h2", { tabIndex: -1, id: "receipt-title" });
    this.lines = el("div", { class: "lines" });
    this.copyButton = button("Copy as text", () => this.copy());
    this.stepButton = button("Step the window from here", () => this.step(this.answer.layer, this.answer.cell));
    this.node = el(
      "aside",
      { class: "receipt", hidden: true, "aria-labelledby": "receipt-title" },
      el(
        "div",
        { class: "head" },
        el(
          "div",
          { class: "row" },
          this.title,
          button("Close", close, { "aria-label": "Close the receipt", class: "close" }),
        ),
        el("div", { class: "row" }, this.copyButton, this.stepButton),
      ),
      this.lines,
    );
    this.key = (event) => event.key === "Escape" && !this.node.hidden && close();
    document.addEventListener("keydown", this.key);
  }

  /** Show that an answer is awaited; what is shown stays, so that the panel does not flicker. */
  await(layer, cell) {
    if (this.node.hidden) this.from = document.activeElement;
    this.node.hidden = false;
    this.node.setAttribute("aria-busy", "true");
    document.body.classList.add("with-receipt");
    this.title.replaceChildren(`${layer}, `, named(this.layers.called(layer, cell, this.classes)));
  }

  show(answer, focus) {
    this.answer = answer;
    this.node.setAttribute("aria-busy", "false");
    this.node.dataset.layer = answer.layer;
    this.node.dataset.cell = answer.cell.join(",");
    const layer = this.layers.get(answer.layer);
    this.stepButton.hidden = !(layer.filter && layer.output.length === 3);
    const { rows, columns } = answer.receptive_field;
    fill(
      this.lines,
      el("p", { class: "value" }, "Value ", el("b", { class: "number" }, written(answer.value, 6))),
      answer.chain.map((one, n) => this.entry(one, n)),
      el(
        "p",
        { class: "note" },
        `It depends on ${span("row", rows)}, ${span("column", columns)} of the image: its receptive field.`,
      ),
    );
    this.copyButton.firstChild.data = "Copy as text";
    this.node.scrollTop = 0;
    if (focus) this.title.focus();
    this.status.say(`${this.title.textContent}: ${written(answer.value)}`);
  }

  fail(error) {
    this.node.setAttribute("aria-busy", "false");
    fill(this.lines, el("p", { class: "error", role: "alert" }, named(error.message)));
  }

  close() {
    if (this.node.hidden) return;
    this.node.hidden = true;
    document.body.classList.remove("with-receipt");
    // The focus goes back to where the receipt was asked for, unless it has gone elsewhere meanwhile.
    if (this.node.contains(document.activeElement) || document.activeElement === document.body) this.from?.focus();
  }

  remove() {
    this.close();
    document.removeEventListener("keydown", this.key);
    this.node.remove();
  }

  link(layer, cell) {
    return button(named(`${layer}, ${this.layers.called(layer, cell, this.classes)}`), () =>
      this.choose(layer, cell, true),
    );
  }

  entry(one, n) {
    return el(
      "section",
      { class: "entry", dataset: { layer: one.layer } },
      n > 0 ? el("h3", {}, "from ", this.link(one.layer, one.cell)) : null,
      one.patch && one.weights ? this.channels(one) : null,
      one.window ? this.window(one) : null,
      one.largest ? this.terms(one) : null,
      this.arithmetic(one.arithmetic),
    );
  }

  /** The arithmetic as text; of a long one its end, and the whole of it on demand. */
  arithmetic(text) {
    const line = el("p", { class: "number sum", dir: "ltr" }, text);
    if (text.length <= LONG) return line;
    const [, ...ends] = text.split(" = ");
    return el("details", {}, el("summary", {}, `The whole sum${ends.length ? `, which is ${ends.at(-1)}` : ""}`), line);
  }

  /** Patch × filter = products, for each channel; of many, those that add most first. */
  channels(one) {
    const plane = (values, c) => values.map((row) => row.map((cell) => (Array.isArray(cell) ? cell[c] : cell)));
    const count = Array.isArray(one.patch[0][0]) ? one.patch[0][0].length : 1;
    const products =
      one.products ??
      one.patch.map((row, y) =>
        row.map((cell, x) => [cell].flat().map((value, c) => value * [one.weights[y][x]].flat()[c])),
      );
    const found = Array.from({ length: count }, (_, c) => ({
      c,
      patch: plane(one.patch, c),
      weights: plane(one.weights, c),
      products: plane(products, c),
      sum: sum(plane(products, c)),
    }));
    const outside = (y, x) => (one.inside && !one.inside[y][x] ? "outside" : "");
    const draw = (channel) =>
      el(
        "div",
        { class: "channel" },
        el(
          "p",
          { class: "note" },
          `${count > 1 ? `channel ${channel.c}: ` : ""}patch × filter = products, their sum ${written(channel.sum)}`,
        ),
        el(
          "div",
          { class: "patches", dir: "ltr" },
          numbers(channel.patch, "the patch", outside),
          "×",
          numbers(channel.weights, "the filter"),
          "=",
          numbers(channel.products, "the products"),
        ),
      );
    const order = found.sort((a, b) => Math.abs(b.sum) - Math.abs(a.sum));
    const shown = el("div", {}, order.slice(0, FEW).map(draw));
    const all = button(`All ${count} channels`, () => {
      shown.append(...order.slice(FEW).map(draw));
      all.remove();
    });
    const total = one.total ?? order.reduce((total, channel) => total + channel.sum, 0);
    return [
      count > FEW ? el("p", { class: "note" }, `The ${FEW} of ${count} channels that add most:`) : null,
      shown,
      count > FEW ? all : null,
      el(
        "p",
        { class: "number" },
        `sum ${written(total, 4)}`,
        one.bias === null || one.bias === undefined
          ? " (no bias)"
          : `, and bias ${written(one.bias, 4)}: ${written(total + Number(one.bias), 4)}`,
      ),
    ];
  }

  /** The window that pooling has read, with the cell that won; of global pooling the whole map. */
  window(one) {
    const { filter } = this.layers.get(one.layer),
      [top, left] = [one.rows?.[0] ?? 0, one.columns?.[0] ?? 0];
    const won = (y, x) => (one.winner && top + y === one.winner[0] && left + x === one.winner[1] ? "won" : "");
    const read = filter ? `The window of ${filter.join("×")}` : "The whole map";
    return [
      el(
        "p",
        { class: "note" },
        one.winner
          ? `${read}: the largest won, at row ${one.winner[0]}, column ${one.winner[1]}.`
          : `${read}: its mean.`,
      ),
      el(
        "div",
        { class: "scroll window-values", tabIndex: 0, role: "region", "aria-label": read },
        numbers(one.window, "the window", won),
      ),
    ];
  }

  /** The largest products of a unit, each with the value that it comes from. */
  terms(one) {
    const layer = this.layers.get(one.layer),
      before = this.layers.before(one.layer).name,
      count = layer.input[0];
    const head = ["from", "value", "weight", "product"].map((name) => el("th", { scope: "col" }, name));
    const draw = ({ place, value, weight, product }) =>
      el(
        "tr",
        {},
        el(
          "td",
          {},
          button(named(this.layers.called(before, [place], this.classes)), () => this.choose(before, [place], true)),
        ),
        [value, weight, product].map((number) => el("td", {}, short(number))),
      );
    const body = el("tbody", {}, one.largest.slice(0, FEW_TERMS).map(draw));
    const more = button(`The ${one.largest.length} largest`, () => {
      body.append(...one.largest.slice(FEW_TERMS).map(draw));
      more.remove();
    });
    const sums = [
      count > one.largest.length && one.others !== null ? `the others together ${written(one.others)}` : null,
      one.total === null ? null : `all products ${written(one.total, 4)}`,
      one.bias === null ? null : `the bias ${written(one.bias, 4)}`,
    ];
    return [
      el(
        "div",
        { class: "scroll", tabIndex: 0, role: "region", "aria-label": "products" },
        el(
          "table",
          { class: "terms" },
          el("caption", {}, count > FEW_TERMS ? `Of ${count} products those that add most` : "Its products"),
          el("thead", {}, el("tr", {}, head)),
          body,
        ),
      ),
      one.largest.length > FEW_TERMS ? more : null,
      el("p", { class: "number" }, sums.filter(Boolean).join(", ")),
    ];
  }

  async copy() {
    try {
      await navigator.clipboard.writeText(this.answer.text);
    } catch {
      // The clipboard may be out of bounds where the page is not on this machine; the old way still works there.
      const text = el("textarea", { value: this.answer.text });
      this.node.append(text);
      text.select();
      document.execCommand("copy");
      text.remove();
    }
    this.copyButton.firstChild.data = "Copied";
    this.status.say("The receipt is in the clipboard.");
  }
}
