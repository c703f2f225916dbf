// An image drawn by hand, for networks that read small greyscale images.

import { button, debounced, el, labelled, select } from "./dom.js";
import { cellAt } from "./maps.js";

/** Larger images than this are not drawn pixel by pixel. */
export const LARGEST = 64;

const BLACK = 0,
  WHITE = 255;

export class Drawing {
  /** @param drawn called with rows of pixels, 0 to 255, soon after a change */
  constructor({ height, width, drawn, status }) {
    Object.assign(this, {
      height,
      width,
      status,
      pixels: new Float32Array(height * width),
      ink: WHITE,
      radius: Math.max(1, Math.round(Math.min(height, width) / 18)),
      at: [height >> 1, width >> 1],
      past: [],
    });
    this.changed = debounced(() => drawn(this.rows), 250);
    this.canvas = el("canvas", {
      width,
      height,
      tabIndex: 0,
      role: "application",
      "aria-roledescription": "drawing",
      "aria-label": `drawing of ${height}×${width} pixels; the arrow keys move the brush, Space paints`,
      on: {
        keydown: (event) => this.key(event),
        focus: () => this.showBrush(),
        blur: () => this.brush.classList.remove("at"),
      },
    });
    this.brush = el("span", { class: "cells" }, this.canvas);
    this.brush.style.setProperty("--ratio", `${width} / ${height}`);
    this.pointer();
    this.node = el(
      "div",
      { class: "drawing" },
      this.brush,
      el(
        "div",
        { class: "row" },
        labelled(
          "Ink",
          select(
            [
              [WHITE, "white"],
              [BLACK, "black"],
            ],
            WHITE,
            (ink) => {
              this.ink = Number(ink);
            },
          ),
        ),
        labelled(
          "Brush",
          select(
            [1, 2, 3, 4].map((radius) => [radius, `${2 * radius - 1} pixels`]),
            this.radius,
            (radius) => {
              this.radius = Number(radius);
            },
          ),
        ),
        button("Undo", () => this.undo()),
        button("Clear", () => this.clear(BLACK)),
        button("All white", () => this.clear(WHITE)),
      ),
    );
    this.draw();
  }

  get rows() {
    return Array.from({ length: this.height }, (_, y) =>
      Array.from(this.pixels.subarray(y * this.width, (y + 1) * this.width), Math.round),
    );
  }

  draw() {
    const context = this.canvas.getContext("2d"),
      picture = context.createImageData(this.width, this.height);
    this.pixels.forEach((pixel, n) => picture.data.set([pixel, pixel, pixel, 255], 4 * n));
    context.putImageData(picture, 0, 0);
  }

  keep() {
    this.past.push(this.pixels.slice());
    if (this.past.length > 50) this.past.shift();
  }

  undo() {
    const before = this.past.pop();
    if (!before) return;
    this.pixels = before;
    this.draw();
    this.changed();
  }

  clear(value) {
    this.keep();
    this.pixels.fill(value);
    this.draw();
    this.changed();
  }

  /** Paint a soft dot: at its edge only a part of the ink, as on scanned digits. */
  dot(y, x) {
    const reach = this.radius;
    for (let row = Math.max(0, Math.floor(y - reach)); row <= Math.min(this.height - 1, Math.ceil(y + reach)); row++)
      for (
        let column = Math.max(0, Math.floor(x - reach));
        column <= Math.min(this.width - 1, Math.ceil(x + reach));
        column++
      ) {
        const share = Math.min(1, Math.max(0, reach - Math.hypot(row - y, column - x)));
        const n = row * this.width + column,
          wanted = this.pixels[n] + share * (this.ink - this.pixels[n]);
        this.pixels[n] = this.ink === WHITE ? Math.max(this.pixels[n], wanted) : Math.min(this.pixels[n], wanted);
      }
  }

  /** A line of dots, so that a quick hand leaves no gaps. */
  line([y0, x0], [y1, x1]) {
    const steps = Math.max(1, Math.ceil(2 * Math.hypot(y1 - y0, x1 - x0)));
    for (let n = 0; n <= steps; n++) this.dot(y0 + ((y1 - y0) * n) / steps, x0 + ((x1 - x0) * n) / steps);
    this.draw();
    this.changed();
  }

  pointer() {
    let before = null;
    this.canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.canvas.setPointerCapture(event.pointerId);
      this.keep();
      before = cellAt(this.canvas, event, [this.height, this.width]);
      this.line(before, before);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (!this.canvas.hasPointerCapture(event.pointerId)) return;
      const now = cellAt(this.canvas, event, [this.height, this.width]);
      this.line(before, now);
      before = now;
    });
  }

  key(event) {
    const [row, column] = this.at;
    const moved = {
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
    }[event.key];
    if (moved)
      this.at = [Math.min(this.height - 1, Math.max(0, moved[0])), Math.min(this.width - 1, Math.max(0, moved[1]))];
    else if (event.key === " ") {
      this.keep();
      this.line(this.at, this.at);
    } else if (event.key === "z" && (event.ctrlKey || event.metaKey)) this.undo();
    else return;
    event.preventDefault();
    this.showBrush();
  }

  /** Show where the keyboard's brush is. */
  showBrush() {
    if (!this.canvas.matches(":focus-visible")) return;
    const [row, column] = this.at;
    this.brush.classList.add("at");
    for (const [name, n, of] of [
      ["ay", row, this.height],
      ["ax", column, this.width],
    ])
      this.brush.style.setProperty(`--${name}`, `${(100 * n) / of}%`);
    for (const [name, of] of [
      ["ah", this.height],
      ["aw", this.width],
    ])
      this.brush.style.setProperty(`--${name}`, `${100 / of}%`);
    this.status.say(`row ${row}, column ${column}: ${Math.round(this.pixels[row * this.width + column])}`);
  }
}
