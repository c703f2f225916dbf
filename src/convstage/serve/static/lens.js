// The lens: the map under the pointer, or where the keyboard is, enlarged beside it.

import { drawImage } from "./canvas.js";
import { el, setStyle } from "./dom.js";

const WAIT = 120,
  GAP = 12,
  SIDE = 320;

export class Lens {
  constructor() {
    this.canvas = el("canvas");
    this.words = el("p", { class: "note" });
    this.node = el(
      "div",
      { class: "lens", hidden: true, "aria-hidden": "true" },
      el("div", { class: "cells" }, this.canvas),
      this.words,
    );
    document.body.append(this.node);
    this.timer = 0;
    this.key = (event) => event.key === "Escape" && this.hide();
    document.addEventListener("keydown", this.key);
  }

  /** Show a map beside a tile: at once, or after a moment, so that a pointer on its way does not make it flicker. */
  show(tile, { src, words, wait = WAIT }) {
    clearTimeout(this.timer);
    this.timer = setTimeout(async () => {
      try {
        await drawImage(this.canvas, src);
      } catch {
        return; // The tile itself says that its map is missing.
      }
      this.words.textContent = words;
      this.node.hidden = false;
      this.place(tile);
    }, wait);
  }

  place(tile) {
    const { width, height } = this.canvas,
      longer = Math.max(width, height);
    const side = Math.min(SIDE, 0.6 * window.innerWidth);
    setStyle(this.canvas, { width: `${(side * width) / longer}px`, height: `${(side * height) / longer}px` });
    const box = tile.getBoundingClientRect(),
      own = this.node.getBoundingClientRect();
    const right = box.right + GAP + own.width <= window.innerWidth,
      left = box.left - GAP - own.width >= 0;
    let x = right ? box.right + GAP : box.left - GAP - own.width,
      y = box.top + box.height / 2 - own.height / 2;
    if (!right && !left) {
      // On a phone there is no room at the sides: above, or below.
      x = (window.innerWidth - own.width) / 2;
      y = box.top - GAP - own.height >= 0 ? box.top - GAP - own.height : box.bottom + GAP;
    }
    setStyle(this.node, {
      left: `${Math.max(4, x)}px`,
      top: `${Math.max(4, Math.min(window.innerHeight - own.height - 4, y))}px`,
    });
  }

  hide() {
    clearTimeout(this.timer);
    this.node.hidden = true;
  }

  remove() {
    this.hide();
    document.removeEventListener("keydown", this.key);
    this.node.remove();
  }
}
