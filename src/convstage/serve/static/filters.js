// The filters of a stage: tiles on canvas, enlarged by mouse, finger or keyboard.

import { drawWhenSeen, mark } from "./canvas.js";
import { el } from "./dom.js";
import { whenHeld } from "./hold.js";

export class Filters {
  /**
   * @param name of the stage
   * @param source the address of filter k, as a function
   * @param size height and width of the maps that they make, beside which they stand
   * @param say called with what the keyboard has come to
   */
  constructor({ name, count, source, size: [height, width], lens, say, describe }) {
    Object.assign(this, { name, source, lens, say, at: 0 });
    this.node = el("div", {
      class: "maps filters",
      tabIndex: 0,
      role: "application",
      "aria-roledescription": "filters",
      "aria-label": `${count} filters of ${name}`,
      "aria-describedby": describe,
      on: {
        keydown: (event) => this.key(event),
        // Not with the mouse, which enlarges what is under it.
        focus: () => this.node.matches(":focus-visible") && this.show(),
        blur: () => {
          this.clear();
          lens.hide();
        },
      },
    });
    this.node.style.setProperty("--ratio", `${width} / ${height}`);
    for (let k = 0; k < count; k++) this.node.append(this.make(k));
    whenHeld(this.node, (target) => this.enlarge(target.closest(".tile"), 0, true));
  }

  make(k) {
    const tile = el(
      "div",
      { class: "tile", dataset: { map: k } },
      el("span", { class: "cells" }, drawWhenSeen(el("canvas"), this.source(k))),
      el("span", { class: "tile-number", "aria-hidden": "true" }, String(k)),
    );
    tile.addEventListener("pointerenter", ({ pointerType }) => pointerType === "mouse" && this.enlarge(tile));
    tile.addEventListener("pointerleave", ({ pointerType }) => pointerType === "mouse" && this.lens.hide());
    return tile;
  }

  enlarge(tile, wait, isHeld = false) {
    if (!tile) return;
    const k = Number(tile.dataset.map);
    this.lens.show(tile, { src: this.source(k), words: `filter ${k} of ${this.name}`, wait, isHeld });
  }

  key(event) {
    const last = this.node.children.length - 1;
    const moved = {
      ArrowUp: this.at - 1,
      ArrowLeft: this.at - 1,
      PageUp: this.at - 1,
      ArrowDown: this.at + 1,
      ArrowRight: this.at + 1,
      PageDown: this.at + 1,
      Home: 0,
      End: last,
    }[event.key];
    if (moved === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.at = Math.min(last, Math.max(0, moved));
    this.show();
  }

  /** Show where the keyboard is, and say it. */
  show() {
    const tile = this.node.children[this.at];
    this.clear();
    tile.classList.add("at");
    mark(tile, [0, 0], [0, 0], [1, 1], "a");
    tile.scrollIntoView({ block: "nearest", inline: "nearest" });
    this.enlarge(tile, 0);
    this.say(`${this.name}, filter ${this.at} of ${this.node.children.length}`);
  }

  clear() {
    this.node.querySelector(".at")?.classList.remove("at");
  }
}
