// The maps of one layer: tiles on canvas, cells to click and to walk over by keyboard, and marks on them.

import { drawWhenSeen, mark } from "./canvas.js";
import { el } from "./dom.js";
import { whenHeld } from "./hold.js";

/** Where a click lies on a canvas, in cells. */
export function cellAt(canvas, event, [height, width]) {
  const box = canvas.getBoundingClientRect();
  const axis = (position, start, length, n) =>
    Math.min(n - 1, Math.max(0, Math.floor(((position - start) / length) * n)));
  return [axis(event.clientY, box.top, box.height, height), axis(event.clientX, box.left, box.width, width)];
}

/** Maps and vectors alike: what they share is the keyboard, the marks and the lens. */
class Tiles {
  /**
   * @param layer its entry of `Layers`
   * @param label what it is, for people who cannot see it
   * @param choose called with the layer's name and a cell
   * @param say called with what the keyboard has come to
   */
  constructor({ layer, label, choose, say, called, lens, describe }) {
    Object.assign(this, { layer, choose, say, called, lens });
    this.at = null;
    this.node = el("div", {
      class: this.kind === "vector" ? "maps vector" : "maps",
      tabIndex: 0,
      role: "application",
      "aria-roledescription": this.kind,
      "aria-label": label,
      "aria-describedby": describe,
      dataset: { layer: layer.name },
      on: {
        click: (event) => this.click(event),
        keydown: (event) => this.key(event),
        // Not with the mouse: what is under it must stay there until it is clicked.
        focus: () => this.node.matches(":focus-visible") && this.draw(),
        blur: () => {
          this.clearAt();
          lens?.hide();
        },
      },
    });
  }

  get cell() {
    return this.toCell(this.at);
  }

  click(event) {
    const tile = event.target.closest(".tile");
    if (tile) this.pick(tile, cellAt(tile.querySelector("canvas"), event, this.size));
  }

  /** Choose a cell of a map, by the tile or by the lens that enlarges it. */
  pick(tile, [row, column]) {
    this.at = [row, column, this.mapOf(tile)];
    this.lens?.hide();
    if (this.cell) this.choose(this.layer.name, this.cell);
  }

  key(event) {
    this.at ??= this.start;
    const [row, column, map] = this.at,
      [rows, columns] = this.size;
    const moved = {
      ArrowUp: [row - 1, column, map],
      ArrowDown: [row + 1, column, map],
      ArrowLeft: [row, column - 1, map],
      ArrowRight: [row, column + 1, map],
      Home: [row, 0, map],
      End: [row, columns - 1, map],
      PageUp: [row, column, this.beside(map, -1)],
      PageDown: [row, column, this.beside(map, 1)],
    }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" || event.key === " ") {
      if (this.cell) this.choose(this.layer.name, this.cell, true);
    } else if (moved) {
      const before = this.at;
      const within = (n, of) => Math.min(of - 1, Math.max(0, n));
      this.at = [within(moved[0], rows), within(moved[1], columns), moved[2]];
      if (!this.cell) this.at = before;
      this.draw();
    } else return;
    event.preventDefault();
  }

  /** Show where the keyboard is, and say it. */
  draw() {
    this.at ??= this.start;
    const [row, column] = this.at,
      tile = this.tile(this.at[2]);
    this.clearAt();
    if (!tile) return;
    tile.classList.add("at");
    mark(tile, [row, row], [column, column], this.size, "a");
    tile.scrollIntoView({ block: "nearest", inline: "nearest" });
    this.enlarge(tile, 0);
    this.say(`${this.layer.name}, ${this.called(this.layer.name, this.cell)}`);
  }

  clearAt() {
    this.node.querySelectorAll(".at").forEach((tile) => tile.classList.remove("at"));
  }

  /** Mark rows and columns on one map, or on all when `map` is null; `kind` is a class of the style sheet. */
  mark(kind, rows, columns, map = null) {
    for (const node of map === null ? [this.node] : [this.tile(map)].filter(Boolean)) {
      node.classList.add("marked", kind);
      mark(node, rows, columns, this.size);
    }
  }

  unmark() {
    for (const node of [this.node, ...this.node.querySelectorAll(".marked")])
      node.classList.remove("marked", "patch", "field", "chosen");
  }

  /** Draw another image's maps in the place of these. */
  retake(source) {
    this.source = source;
    for (const tile of this.node.children) drawWhenSeen(tile.querySelector("canvas"), source(Number(tile.dataset.map)));
  }

  /** The map that is so many further on. */
  beside(map) {
    return map;
  }

  enlarge() {}
}

/** Feature maps, or the image. */
export class Maps extends Tiles {
  /**
   * @param source the address of map k, as a function
   * @param numbers of the maps that are shown, in this order; of the image none: its channels are one picture
   */
  constructor({ source, numbers, ...rest }) {
    super(rest);
    Object.assign(this, { source, single: numbers === undefined, size: this.layer.output.slice(0, 2) });
    // Of the image the keyboard goes through the channels all the same.
    this.numbers = numbers ?? [...Array(this.layer.output[2]).keys()];
    this.node.style.setProperty("--ratio", `${this.size[1]} / ${this.size[0]}`);
    for (const k of this.single ? [0] : this.numbers) this.node.append(this.make(k));
    whenHeld(this.node, (target) => this.enlarge(target.closest(".tile"), 0, true));
  }

  get kind() {
    return "feature maps";
  }
  get start() {
    return [this.size[0] >> 1, this.size[1] >> 1, this.numbers[0]];
  }
  beside(map, step) {
    const { numbers } = this;
    return numbers[Math.min(numbers.length - 1, Math.max(0, numbers.indexOf(map) + step))];
  }
  has(map) {
    return this.numbers.includes(map);
  }
  toCell(at) {
    return at;
  }
  fromCell(cell) {
    return cell;
  }
  tile(map) {
    return this.node.children[this.single ? 0 : this.numbers.indexOf(map)];
  }
  mapOf(tile) {
    return this.single ? (this.at?.[2] ?? 0) : Number(tile.dataset.map);
  }

  /** Draw another image's maps, of which others may be shown; the tiles stay, and with them the focus. */
  retake(source, numbers = this.numbers) {
    if (!this.single)
      [...this.node.children].forEach((tile, n) => {
        tile.dataset.map = numbers[n];
        tile.querySelector(".tile-number").textContent = numbers[n];
      });
    this.numbers = numbers;
    if (this.at && !this.has(this.at[2])) {
      this.at = null;
      this.clearAt();
    }
    super.retake(source);
  }

  make(k) {
    const canvas = drawWhenSeen(el("canvas", { width: this.size[1], height: this.size[0] }), this.source(k));
    const tile = el(
      "div",
      { class: "tile", dataset: { map: k } },
      el("span", { class: "cells" }, canvas),
      this.single ? null : el("span", { class: "tile-number", "aria-hidden": "true" }, String(k)),
    );
    tile.addEventListener("pointerenter", ({ pointerType }) => pointerType === "mouse" && this.enlarge(tile));
    tile.addEventListener("pointerleave", ({ pointerType }) => pointerType === "mouse" && this.lens?.hide());
    return tile;
  }

  enlarge(tile, wait, isHeld = false) {
    if (!tile) return;
    const k = Number(tile.dataset.map);
    this.lens?.show(tile, {
      src: this.source(k),
      words: this.single ? "the image" : `${this.layer.name}, map ${k}`,
      wait,
      isHeld,
      pick: (event, canvas) => this.pick(tile, cellAt(canvas, event, this.size)),
    });
  }
}

/** Numbers in rows: a vector. */
export class Vector extends Tiles {
  /**
   * @param source the address of its picture, as a function
   * @param columns how many numbers a row of the picture has
   */
  constructor({ source, columns, ...rest }) {
    super(rest);
    Object.assign(this, {
      source,
      size: [Math.ceil(this.layer.output[0] / columns), columns],
      start: [0, 0, 0],
    });
    this.node.style.setProperty("--ratio", `${columns} / ${this.size[0]}`);
    const canvas = drawWhenSeen(el("canvas", { width: columns, height: this.size[0] }), source(0));
    this.node.append(el("div", { class: "tile", dataset: { map: 0 } }, el("span", { class: "cells" }, canvas)));
  }

  get kind() {
    return "vector";
  }
  fromCell([place]) {
    return [Math.floor(place / this.size[1]), place % this.size[1], 0];
  }
  tile() {
    return this.node.children[0];
  }
  mapOf() {
    return 0;
  }

  /** Null where the vector has ended. */
  toCell([row, column]) {
    const place = row * this.size[1] + column;
    return place < this.layer.output[0] ? [place] : null;
  }
}
