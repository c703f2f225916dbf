// The lens: the map under the pointer or the finger, or where the keyboard is, enlarged beside it.

import { loadImage } from "./canvas.js";
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
    Object.assign(this, { timer: 0, turn: 0, isHeld: false, pick: null });
    this.listeners = {
      keydown: (event) => event.key === "Escape" && this.hide(),
      // What a finger has enlarged stays until something else is touched.
      pointerdown: (event) => this.isHeld && !this.node.contains(event.target) && this.hide(),
    };
    for (const [name, listener] of Object.entries(this.listeners)) document.addEventListener(name, listener, true);
    this.node.addEventListener("mousedown", (event) => event.preventDefault()); // The focus stays where it is.
    this.canvas.addEventListener("click", (event) => this.isHeld && this.pick?.(event, this.canvas));
  }

  /**
   * Show a map beside a tile: at once, or after a moment, so that a pointer on its way does not make it flicker.
   *
   * One that is held stays, and `pick` is called with the event, and the canvas, when a cell of it is touched.
   */
  show(tile, { src, words, wait = WAIT, isHeld = false, pick = null }) {
    this.stop();
    this.timer = setTimeout(() => this.draw(tile, { src, words, isHeld, pick }), wait);
  }

  async draw(tile, { src, words, isHeld, pick }) {
    const turn = this.turn;
    let image;
    try {
      image = await loadImage(src);
    } catch {
      return; // The tile itself says that its map is missing.
    }
    // Meanwhile the pointer may have gone, or be on another map.
    if (turn !== this.turn) return;
    Object.assign(this.canvas, { width: image.naturalWidth, height: image.naturalHeight });
    this.canvas.getContext("2d").drawImage(image, 0, 0);
    Object.assign(this, { isHeld, pick });
    this.node.classList.toggle("held", isHeld);
    this.words.textContent = isHeld && pick ? `${words}: touch a cell` : words;
    this.node.hidden = false;
    this.place(tile);
  }

  place(tile) {
    const { width, height } = this.canvas,
      longer = Math.max(width, height);
    const side = Math.min(SIDE, (this.isHeld ? 0.8 : 0.6) * window.innerWidth);
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

  stop() {
    clearTimeout(this.timer);
    this.turn++;
  }

  hide() {
    this.stop();
    this.node.hidden = true;
  }

  remove() {
    this.hide();
    for (const [name, listener] of Object.entries(this.listeners)) document.removeEventListener(name, listener, true);
    this.node.remove();
  }
}
