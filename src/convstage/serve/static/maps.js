// The maps of one layer: tiles on canvas, cells to click and to walk over by keyboard, and marks on them.

import { drawWhenSeen, mark } from "./canvas.js";
import { el } from "./dom.js";

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
    const canvas = event.target.closest(".tile")?.querySelector("canvas");
    if (!canvas) return;
    this.at = [...cellAt(canvas, event, this.size), this.mapOf(canvas)];
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
      PageUp: [row, column, map - 1],
      PageDown: [row, column, map + 1],
    }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" || event.key === " ") {
      if (this.cell) this.choose(this.layer.name, this.cell, true);
    } else if (moved) {
      const before = this.at;
      this.at = [
        [moved[0], rows],
        [moved[1], columns],
        [moved[2], this.maps],
      ].map(([n, of]) => Math.min(of - 1, Math.max(0, n)));
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
    this.node.querySelectorAll("canvas").forEach((canvas, k) => drawWhenSeen(canvas, source(k)));
  }

  enlarge() {}
}

/** Feature maps, or the image. */
export class Maps extends Tiles {
  /**
   * @param source the address of map k, as a function
   * @param count how many maps are shown; the layer may have more
   */
  constructor({ source, count, single = false, ...rest }) {
    super(rest);
    Object.assign(this, { source, single, size: this.layer.output.slice(0, 2), shown: count });
    this.node.style.setProperty("--ratio", `${this.size[1]} / ${this.size[0]}`);
    this.start = [this.size[0] >> 1, this.size[1] >> 1, 0];
    for (let k = 0; k < count; k++) this.node.append(this.make(k));
  }

  get kind() {
    return "feature maps";
  }
  /** Of the image all channels are one picture. */
  get maps() {
    return this.single ? this.layer.output[2] : this.shown;
  }
  toCell(at) {
    return at;
  }
  fromCell(cell) {
    return cell;
  }
  tile(map) {
    return this.node.children[this.single ? 0 : map];
  }
  mapOf(canvas) {
    return this.single ? (this.at?.[2] ?? 0) : Number(canvas.closest(".tile").dataset.map);
  }

  make(k) {
    const canvas = drawWhenSeen(el("canvas", { width: this.size[1], height: this.size[0] }), this.source(k));
    const tile = el(
      "div",
      { class: "tile", dataset: { map: k } },
      el("span", { class: "cells" }, canvas),
      this.single ? null : el("span", { class: "tile-number", "aria-hidden": "true" }, String(k)),
    );
    tile.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && this.enlarge(tile));
    tile.addEventListener("pointerleave", () => this.lens?.hide());
    return tile;
  }

  enlarge(tile, wait) {
    const k = Number(tile.dataset.map);
    this.lens?.show(tile, {
      src: this.source(k),
      words: this.single ? "the image" : `${this.layer.name}, map ${k}`,
      wait,
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
      maps: 1,
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
