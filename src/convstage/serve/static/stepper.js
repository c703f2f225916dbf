// Stepping: the window moves over the map before, and the map fills in cell by cell.

import { drawImage, mark } from "./canvas.js";
import { button, debounced, el, labelled, select, setOptions, written } from "./dom.js";
import { cellAt } from "./maps.js";

/** The speed in cells a second is 2 to the power of what the slider says. */
const SLOWEST = 0,
  FASTEST = 12;
/** Unless it is chosen, a map takes about so many seconds, but no cell is passed more slowly than this a second. */
const WHOLE = 20,
  AT_LEAST = 8;
/** Values are asked for in parts of at most so many rows and columns. */
const PART = 64;

export class Stepper {
  /**
   * @param layers `Layers`
   * @param chosen called with a layer's name and a cell when the window comes to rest
   * @param fetchValues called with a layer's name, a map, rows and columns; returns the values
   */
  constructor({ layers, chosen, fetchValues, status }) {
    Object.assign(this, {
      layers,
      chosen,
      fetchValues,
      status,
      walk: null,
      timer: 0,
      cell: [0, 0, 0],
      reached: 0,
      parts: new Map(),
    });
    this.rest = debounced(() => this.chosen(this.layer.name, this.cell), 250);
    this.layerSelect = select([], "", (name) => this.show(name, [0, 0, 0]));
    this.mapSelect = select([], "", (k) => this.show(this.layer.name, [0, 0, Number(k)]));
    this.beforeSelect = select([], "", () => this.drawBefore());
    this.playButton = button("Play", () => this.toggle(), { class: "primary" });
    this.speedInput = el("input", {
      type: "range",
      min: SLOWEST,
      max: FASTEST,
      step: 0.5,
      on: {
        input: () => {
          this.isChosen = true;
          this.setSpeed();
        },
      },
    });
    this.before = el("canvas");
    this.after = el("canvas");
    this.beforeCells = el("span", { class: "cells marked patch window" }, this.before);
    this.afterCells = el("span", { class: "cells marked chosen" }, this.after);
    this.beforeWords = el("figcaption");
    this.afterWords = el("figcaption");
    this.stage = el(
      "div",
      {
        class: "stepping",
        tabIndex: 0,
        role: "application",
        "aria-roledescription": "window",
        "aria-label": "the window; the arrow keys move it, Space plays and pauses, Enter opens the receipt",
        on: { keydown: (event) => this.key(event) },
      },
      el("figure", {}, this.beforeCells, this.beforeWords),
      el("span", { class: "arrow", "aria-hidden": "true" }, "→"),
      el("figure", {}, this.afterCells, this.afterWords),
    );
    for (const node of [this.beforeCells, this.afterCells]) this.draggable(node);
    this.beforeLabelled = labelled("of the map before, channel", this.beforeSelect);
    this.node = el(
      "section",
      { class: "panel stepper", "aria-labelledby": "stepper-title" },
      el("h2", { id: "stepper-title" }, "How a map comes about"),
      el(
        "p",
        { class: "note" },
        "The window moves over the map before; each place gives one cell. ",
        "Drag it, play it, or move it by the arrow keys.",
      ),
      el(
        "div",
        { class: "row" },
        labelled("Layer", this.layerSelect),
        labelled("map", this.mapSelect),
        this.beforeLabelled,
      ),
      el(
        "div",
        { class: "row" },
        this.playButton,
        button("From the start", () => this.restart()),
        button("Whole map", () => this.whole()),
        labelled("Speed", this.speedInput),
      ),
      this.stage,
    );
  }

  /** Take a new walk; the layer and the cell stay. */
  take(walk) {
    this.walk = walk;
    this.parts.clear();
    const sliding = this.layers.sliding;
    this.node.hidden = sliding.length === 0;
    if (this.node.hidden) return;
    setOptions(
      this.layerSelect,
      sliding.map((layer) => layer.name),
      this.layer?.name,
    );
    this.show(this.layer?.name ?? sliding[0].name, this.cell);
  }

  /** Put the window where a cell comes from. */
  show(name, cell, { all = false } = {}) {
    const layer = this.layers.get(name);
    if (!this.walk || !layer?.filter || layer.output.length !== 3) return;
    const isNew = layer.name !== this.layer?.name || cell[2] !== this.cell[2] || this.drawnFor !== this.walk.id;
    if (isNew) {
      this.pause();
      Object.assign(this, { layer, drawnFor: this.walk.id, reached: 0 });
      this.layerSelect.value = name;
      setOptions(this.mapSelect, [...Array(layer.output[2]).keys()], cell[2]);
      const channels = this.layers.before(name).kind === "INPUT" ? 1 : layer.input[2];
      if (!this.isChosen) this.speedInput.value = Math.log2(Math.max(AT_LEAST, this.total / WHOLE));
      this.setSpeed();
      this.pooling = layer.kind === "POOL";
      this.beforeLabelled.hidden = channels === 1 || this.pooling;
      setOptions(
        this.beforeSelect,
        [...Array(channels).keys()],
        Math.min(Number(this.beforeSelect.value || 0), channels - 1),
      );
    }
    this.cell = cell;
    if (all) this.reached = Infinity;
    this.place();
    if (isNew) this.drawMaps();
  }

  setSpeed() {
    this.speed = 2 ** Number(this.speedInput.value);
    this.speedInput.setAttribute("aria-valuetext", `${Math.round(this.speed)} cells a second`);
  }

  source(name, k) {
    return this.layers.get(name).kind === "INPUT"
      ? this.walk.input.src
      : `/api/walk/${this.walk.id}/maps/${name}/${k}.png`;
  }

  async drawBefore() {
    const before = this.layers.before(this.layer.name),
      k = this.pooling ? this.cell[2] : Number(this.beforeSelect.value || 0);
    this.beforeWords.textContent = before.kind === "INPUT" ? "the image" : `${before.name}, map ${k}`;
    const [height, width] = before.output;
    for (const [node, ratio] of [
      [this.beforeCells, [width, height]],
      [this.afterCells, this.layer.output.slice(0, 2).reverse()],
    ])
      node.style.setProperty("--ratio", ratio.join(" / "));
    await drawImage(this.before, this.source(before.name, k)).catch((error) => this.status.fail(error));
  }

  async drawMaps() {
    const key = [this.walk.id, this.layer.name, this.cell[2]].join("/");
    this.drawing = key;
    const whole = document.createElement("canvas");
    await Promise.all([
      this.drawBefore(),
      drawImage(whole, this.source(this.layer.name, this.cell[2])).catch((error) => this.status.fail(error)),
    ]);
    if (this.drawing !== key) return; // Another map has been chosen meanwhile.
    this.map = whole;
    this.after.width = whole.width;
    this.after.height = whole.height;
    this.painted = 0;
    this.place();
  }

  get width() {
    return this.layer.output[1];
  }
  get total() {
    return this.layer.output[0] * this.width;
  }
  get position() {
    return this.cell[0] * this.width + this.cell[1];
  }

  /** Draw where the window is, and the map as far as it has come. */
  place() {
    const [row, column] = this.cell,
      { rows, columns } = this.layers.window(this.layer.name, this.cell);
    mark(this.beforeCells, rows, columns, this.layer.input);
    mark(this.afterCells, [row, row], [column, column], this.layer.output);
    this.reached = Math.min(this.total, Math.max(this.reached, this.position + 1));
    this.fillIn();
    this.tell();
  }

  /** Copy what the window has passed from the whole map, row by row. */
  fillIn() {
    if (!this.map) return;
    const context = this.after.getContext("2d");
    if (this.reached < this.painted) {
      context.clearRect(0, 0, this.after.width, this.after.height);
      this.painted = 0;
    }
    const copy = (x, y, w, h) => w > 0 && h > 0 && context.drawImage(this.map, x, y, w, h, x, y, w, h);
    const from = Math.floor(this.painted / this.width),
      to = Math.floor(this.reached / this.width);
    copy(0, from, this.width, to - from);
    copy(0, to, this.reached % this.width, 1);
    this.painted = this.reached;
    this.after.dataset.reached = this.reached;
  }

  async tell() {
    const [row, column, k] = this.cell,
      { name } = this.layer,
      top = row - (row % PART),
      left = column - (column % PART);
    const words = (value) =>
      `${name}, map ${k}: row ${row}, column ${column}${value === undefined ? "" : ` = ${written(value)}`}`;
    const key = [this.walk.id, name, k, top, left].join("/");
    const values = this.parts.get(key);
    if (Array.isArray(values)) {
      this.afterWords.textContent = words(values[row - top][column - left]);
      return;
    }
    this.afterWords.textContent = words();
    if (values) return; // On its way.
    const [height, width] = this.layer.output;
    this.parts.set(
      key,
      this.fetchValues(name, k, [top, Math.min(height, top + PART)], [left, Math.min(width, left + PART)])
        .then((found) => {
          this.parts.set(key, found);
          if (this.layer.name === name) this.tell();
        })
        .catch(() => this.parts.delete(key)),
    );
  }

  moveTo(position) {
    const at = Math.min(this.total - 1, Math.max(0, position));
    this.cell = [Math.floor(at / this.width), at % this.width, this.cell[2]];
    this.place();
  }

  toggle() {
    this.timer ? this.pause() : this.play();
  }

  play() {
    if (this.position >= this.total - 1) this.restart();
    this.playButton.firstChild.data = "Pause";
    this.rest.cancel();
    let before = performance.now(),
      due = 0;
    const tick = (now) => {
      due += ((now - before) / 1000) * this.speed;
      before = now;
      if (due >= 1) {
        this.moveTo(this.position + Math.floor(due));
        due %= 1;
      }
      if (this.position >= this.total - 1) return this.pause();
      this.timer = requestAnimationFrame(tick);
    };
    this.timer = requestAnimationFrame(tick);
  }

  pause() {
    if (!this.timer) return;
    cancelAnimationFrame(this.timer);
    this.timer = 0;
    this.playButton.firstChild.data = "Play";
    this.status.say(this.afterWords.textContent);
  }

  restart() {
    this.reached = 0;
    this.moveTo(0);
  }

  whole() {
    this.pause();
    this.reached = this.total;
    this.fillIn();
  }

  key(event) {
    const [row, column, k] = this.cell,
      [height, width, maps] = this.layer.output;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const moved = {
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      Home: [row, 0],
      End: [row, width - 1],
    }[event.key];
    if (moved) {
      this.pause();
      // Past the end of a row comes the next one, as the window goes.
      const isStep = event.key === "ArrowLeft" || event.key === "ArrowRight";
      if (isStep) this.moveTo(this.position + (event.key === "ArrowRight" ? 1 : -1));
      else this.moveTo(Math.min(height - 1, Math.max(0, moved[0])) * width + moved[1]);
      this.status.say(this.afterWords.textContent);
    } else if (event.key === "PageUp" || event.key === "PageDown") {
      const next = Math.min(maps - 1, Math.max(0, k + (event.key === "PageUp" ? -1 : 1)));
      this.show(this.layer.name, [row, column, next], { all: true });
    } else if (event.key === " ") this.toggle();
    else if (event.key === "Enter") this.chosen(this.layer.name, this.cell, true);
    else return;
    event.preventDefault();
  }

  /** Let the window be dragged, over the map before or over the map that it makes. */
  draggable(node) {
    const move = (event) => {
      const isBefore = node === this.beforeCells,
        canvas = isBefore ? this.before : this.after;
      const at = cellAt(canvas, event, isBefore ? this.layer.input : this.layer.output);
      const [row, column] = isBefore ? this.layers.under(this.layer.name, at) : at;
      if (row === this.cell[0] && column === this.cell[1]) return;
      this.moveTo(row * this.width + column);
      this.rest();
    };
    node.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.pause();
      node.setPointerCapture(event.pointerId);
      move(event);
    });
    node.addEventListener("pointermove", (event) => node.hasPointerCapture(event.pointerId) && move(event));
  }

  remove() {
    this.pause();
    this.rest.cancel();
  }
}
