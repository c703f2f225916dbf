// The filter bench: a filter that is edited, and the maps that come of it at once.

import { ApiError, isStopped, latest } from "./api.js";
import { CellMap, over, shown } from "./bench-map.js";
import { debounced, el, fill, labelled, named, select } from "./dom.js";
import { Drawing } from "./drawing.js";
import { IMAGES, LARGEST, START, settingsOf, whole } from "./filter-settings.js";
import { KernelEditor } from "./kernel-editor.js";

/** The side of a drawing, in pixels. */
const DRAWN = 16;
/** The maps in their order. */
const STEPS = ["map", "rectified", "pooled"];

class FilterView {
  constructor(container, { api, state, run, status }) {
    Object.assign(this, {
      api,
      state,
      run,
      status,
      line: latest(),
      walkLine: latest(),
      drawn: null,
      asked: null,
      turn: null,
      pending: {},
    });
    this.later = debounced(() => this.change({}), 120);
    this.image = select(Object.entries(IMAGES), START.on, (on) => this.change({ on, at: null }));
    this.editor = new KernelEditor({ kernels: run.kernels, changed: (kernel) => this.soon({ kernel }) });
    this.stride = this.number("stride", 1);
    this.padding = this.number("padding", 0);
    this.flip = this.check("flip");
    this.relu = this.check("relu");
    this.pool = select(
      [
        ["none", "none"],
        ...run.poolings.map((kind) => [
          kind,
          kind === "max" ? "the largest (max)" : kind === "avg" ? "the mean (average)" : kind,
        ]),
      ],
      "max",
      () => this.pooled(),
    );
    this.poolSize = this.poolNumber(2);
    this.poolStride = this.poolNumber(1);
    this.drawing = el("div", { hidden: true });
    this.problem = el("p", { class: "error", role: "alert", hidden: true });
    this.receipt = el("div", {});
    this.where = el("h2", {}, "How a cell comes about");
    const choose = (step) => (cell) => this.change({ at: [step, ...cell].join(",") }, true);
    this.maps = {
      image: new CellMap({ title: "Image", name: "image" }),
      map: new CellMap({ title: "Map", name: "map", choose: choose("map") }),
      rectified: new CellMap({ title: "ReLU", name: "rectified", choose: choose("rectified") }),
      pooled: new CellMap({ title: "Pooled", name: "pooled", choose: choose("pooled") }),
    };
    this.results = el(
      "section",
      { class: "bench-maps", "aria-label": "image and maps" },
      STEPS.reduce((all, step) => [...all, this.maps[step].node], [this.maps.image.node]),
    );
    container.append(
      el("h1", {}, "Filter bench"),
      el(
        "p",
        {},
        "A filter is laid on every place of the image; the products of pixels and weights are added up to one cell " +
          "of the map. Change it, and see what becomes of the map. Choose a cell to see its arithmetic.",
      ),
      // In this order also on a phone: the map stands next to the filter that makes it.
      el(
        "div",
        { class: "bench" },
        el(
          "div",
          { class: "controls first" },
          el("fieldset", { class: "panel" }, el("legend", {}, "Image"), labelled("Image", this.image), this.drawing),
          this.editor.node,
        ),
        el(
          "div",
          { class: "results" },
          this.problem,
          this.results,
          el("section", { class: "panel", "aria-live": "polite" }, this.where, this.receipt),
        ),
        el(
          "div",
          { class: "controls second" },
          el(
            "fieldset",
            { class: "panel" },
            el("legend", {}, "Stage"),
            el("div", { class: "row" }, labelled("Stride", this.stride), labelled("Padding", this.padding)),
            el(
              "div",
              { class: "row" },
              this.box(this.flip, "Turn the filter by 180° first: a mathematician's convolution"),
            ),
            el("div", { class: "row" }, this.box(this.relu, "ReLU: negative numbers become 0")),
            el(
              "div",
              { class: "row" },
              labelled("Pooling", this.pool),
              labelled("Its window", this.poolSize),
              labelled("Its stride", this.poolStride),
            ),
          ),
        ),
      ),
    );
  }

  // ------------------------------------------------------------------------------------------------- controls

  /** What is typed counts when the typing pauses, or with the next change of something else. */
  soon(changes) {
    Object.assign(this.pending, changes);
    this.later();
  }

  number(name, low) {
    const input = el("input", {
      type: "number",
      min: low,
      max: LARGEST[name],
      step: 1,
      value: START[name],
      class: "short",
    });
    input.addEventListener("input", () => {
      const good = whole(input.value, low, LARGEST[name]) !== null;
      input.setAttribute("aria-invalid", String(!good));
      if (good) this.soon({ [name]: String(Number(input.value)) });
    });
    return input;
  }

  poolNumber(value) {
    const input = el("input", { type: "number", min: 1, max: LARGEST.pool, step: 1, value, class: "short" });
    input.addEventListener("input", () => {
      const good = whole(input.value, 1, LARGEST.pool) !== null;
      input.setAttribute("aria-invalid", String(!good));
      if (good) this.pooled();
    });
    return input;
  }

  pooled() {
    const sides = [this.poolSize, this.poolStride].map(({ value }) => whole(value, 1, LARGEST.pool) ?? 1);
    this.change({ pool: this.pool.value === "none" ? "none" : [this.pool.value, ...sides].join(",") });
  }

  check(name) {
    return el("input", {
      type: "checkbox",
      on: { change: (event) => this.change({ [name]: event.target.checked ? "yes" : "no" }) },
    });
  }

  box(input, text) {
    return el("label", { class: "check" }, input, " ", text);
  }

  /** What is as the lecture has it needs no place in the address. */
  change(changes, replace = true) {
    this.later.cancel();
    const kept = Object.entries({ ...this.pending, ...changes }).map(([name, value]) => [
      name,
      value === START[name] ? null : value,
    ]);
    this.pending = {};
    this.state.set(Object.fromEntries(kept), { replace });
  }

  // -------------------------------------------------------------------------------------------------- the address

  async update(state) {
    const wanted = settingsOf(state);
    this.image.value = wanted.on;
    this.editor.show(wanted.kernel);
    for (const name of ["stride", "padding"]) this.put(this[name], wanted[name]);
    this.flip.checked = wanted.flip;
    this.relu.checked = wanted.relu;
    this.pool.value = wanted.pool?.kind ?? "none";
    for (const input of [this.poolSize, this.poolStride]) input.disabled = wanted.pool === null;
    if (wanted.pool) this.put(this.poolSize, wanted.pool.size);
    if (wanted.pool) this.put(this.poolStride, wanted.pool.stride);
    this.draws(wanted.on === "drawing");
    await this.ask(wanted);
  }

  /** What is being typed right now is left alone. */
  put(input, value) {
    if (input === document.activeElement) return;
    input.value = value;
    input.setAttribute("aria-invalid", "false");
  }

  draws(is) {
    this.drawing.hidden = !is;
    if (!is || this.drawing.hasChildNodes()) return;
    const made = new Drawing({
      height: DRAWN,
      width: DRAWN,
      status: this.status,
      drawn: (rows) => {
        this.drawn = rows.map((row) => row.map((value) => Number((value / 255).toFixed(3))));
        this.update(this.state.get());
      },
    });
    this.drawn = made.rows.map((row) => row.map(() => 0));
    this.drawing.append(
      made.node,
      el(
        "p",
        { class: "note" },
        "Black is 0, white is 1. A drawing is in this page only: its address cannot share it.",
      ),
    );
  }

  // -------------------------------------------------------------------------------------------------- the answer

  async source(on) {
    if (on === "drawing") return { values: this.drawn };
    if (on !== "walk") return { name: on };
    const { session } = this.state;
    if (!session.walk) {
      const { image } = this.state.get();
      session.body = { index: Number(/^\d+$/.test(image ?? "") ? image : await this.firstImage()) };
      session.walk = await this.walkLine((signal) => this.api.post("/api/walk", session.body, { signal }));
    }
    // The address shall show the same image to others.
    if (session.body?.index !== undefined) this.state.set({ image: session.body.index }, { replace: true });
    return { id: session.walk.id };
  }

  async firstImage() {
    const part = ["test", "val", "train"].find((one) => this.run.images[one] > 0);
    const found = part ? await this.api.get(`/api/images?part=${part}&offset=0&limit=1`) : { images: [] };
    if (!found.images.length)
      throw new ApiError("There is no image yet.\nOpen the walk and choose, drop, paste or draw one.");
    return found.images[0].index;
  }

  async ask(wanted, again = true) {
    const { on, ...settings } = wanted,
      turn = (this.turn = {});
    try {
      const image = await this.source(on);
      if (this.turn !== turn) return;
      const asked = JSON.stringify([image, settings]);
      if (asked === this.asked) return;
      this.asked = asked;
      this.results.setAttribute("aria-busy", "true");
      const { answer, left } = await this.line((signal) =>
        this.status.busy(this.fitting(image, settings, signal), "Laying the filter on the image…"),
      );
      this.refuse(left);
      await this.show(answer, wanted);
    } catch (error) {
      if (isStopped(error) || this.turn !== turn) return;
      this.asked = null;
      const { session } = this.state;
      // The server keeps the latest walks only; an image of the run can be asked for again.
      if (error.status === 404 && on === "walk" && again && session.body?.index !== undefined) {
        session.walk = null;
        return void (await this.ask(wanted, false));
      }
      this.refuse(error);
    }
    this.results.setAttribute("aria-busy", "false");
  }

  /** The answer; where the map has become too small for the cell that was chosen, or for the pooling, without that. */
  async fitting(image, settings, signal) {
    const first = { ...settings, cell: [0, 0] },
      tries = [settings];
    if (settings.cell.some((n) => n > 0)) tries.push(first);
    if (settings.pool) tries.push({ ...first, pool: null, step: settings.step === "pooled" ? "map" : settings.step });
    let refused = null;
    for (const one of tries) {
      try {
        const answer = await this.api.post("/api/filter", { image, ...one }, { signal });
        return { answer, left: one.pool === settings.pool ? null : refused };
      } catch (error) {
        if (error.status !== 422) throw error;
        refused = error;
      }
    }
    throw refused;
  }

  refuse(error) {
    this.problem.hidden = error === null;
    this.problem.replaceChildren(
      error === null ? "" : named([error.message, error.problem?.hint].filter(Boolean).join("\n")),
    );
  }

  async show(answer, wanted) {
    const { maps } = this,
      one = answer.arithmetic;
    for (const step of STEPS) maps[step].node.hidden = !answer[step];
    maps[one.step].at = one.cell;

    await Promise.all([
      maps.image.show(answer.image, IMAGES[wanted.on]),
      ...STEPS.filter((step) => answer[step]).map((step) => maps[step].show(answer[step], answer[step].title)),
    ]);
    this.mark(answer, wanted);
    const denominator = answer[one.step].denominator,
      [row, column] = one.cell;
    const value = [shown(one.value, denominator), over(denominator)].filter(Boolean).join(" ");
    this.where.textContent = `${answer[one.step].title}, row ${row}, column ${column}: ${value}`;
    fill(
      this.receipt,
      one.lines.map((line) => el("p", { class: "number sum" }, line)),
    );
  }

  /** Mark the cell, what it was made of in the map before, and what that has read of the image. */
  mark({ arithmetic: one, rectified, kernel }, { stride, padding }) {
    const { maps } = this;
    for (const map of Object.values(maps)) map.unmark();
    const point = [one.cell[0], one.cell[0]],
      across = [one.cell[1], one.cell[1]];
    maps[one.step].mark("chosen", point, across);
    if (one.step === "rectified") maps.map.mark("patch", point, across);
    if (one.step !== "pooled") return maps.image.mark("patch", one.rows, one.columns);
    maps[rectified ? "rectified" : "map"].mark("patch", one.rows, one.columns);
    if (rectified) maps.map.mark("patch", one.rows, one.columns);
    const read = ([first, last], side) => [first * stride - padding, last * stride - padding + side - 1];
    return maps.image.mark("patch", read(one.rows, kernel.rows.length), read(one.columns, kernel.rows[0].length));
  }

  unmount() {
    this.line.stop();
    this.walkLine.stop();
    this.later.cancel();
  }
}

export function mount(container, context) {
  const view = new FilterView(container, context);
  return { update: (state) => view.update(state), unmount: () => view.unmount() };
}
