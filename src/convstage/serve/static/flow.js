// The network from left to right: each stage unfolds into its filters and maps.

import { drawWhenSeen, legend } from "./canvas.js";
import { button, el, fill, fresh, size } from "./dom.js";
import { Maps, Vector } from "./maps.js";

/** A folded stage shows so many of its last maps. */
const FOLDED = 6;

export class Flow {
  /**
   * @param choose called with a layer's name, a cell, and whether the keyboard chose it
   * @param folded called with the names of the stages that are open, after one has been opened or closed
   */
  constructor({ layers, choose, folded, say, called, lens }) {
    Object.assign(this, {
      layers,
      choose,
      folded,
      say,
      called,
      lens,
      open: new Set(),
      stages: new Map(),
      tiles: new Map(),
      walk: null,
    });
    this.keys = el(
      "p",
      { class: "note no-print", id: fresh("keys") },
      "Click a cell to see how its value came about. With the keyboard: Tab goes from layer to layer, ",
      "the arrow keys from cell to cell, Page Up and Page Down from map to map, Enter opens the receipt, Escape closes it.",
    );
    this.strip = el("div", { class: "flow" });
    this.decision = el("div");
    this.node = el("section", { class: "panel", "aria-label": "the network" }, this.keys, this.strip);
  }

  /** Take a walk: the first one makes the stages, those after it change what is drawn. */
  take(walk, decision) {
    const isFirst = this.walk === null;
    this.walk = walk;
    fill(this.decision, decision);
    if (!isFirst) {
      for (const one of this.stages.values()) this.fillStage(one, true);
      this.input.retake(() => walk.input.src);
      return;
    }
    this.strip.append(this.image(walk));
    for (const stage of walk.stages) {
      const one = {
        stage,
        node: el("section", {
          class: `stage ${stage.is_map ? "of-maps" : "of-vectors"}`,
          dataset: { stage: stage.name },
        }),
      };
      this.stages.set(stage.name, one);
      this.strip.append(one.node);
      this.fillStage(one);
    }
    this.strip.append(
      el(
        "section",
        { class: "stage decided", "aria-label": "probabilities" },
        el("h3", {}, "Probabilities"),
        this.decision,
      ),
    );
  }

  image(walk) {
    const layer = this.layers.all[0];
    this.input = this.register(
      new Maps({
        ...this.shared,
        layer,
        count: 1,
        single: true,
        source: () => walk.input.src,
        label: `the image, ${size(layer.output)}`,
      }),
    );
    return el("section", { class: "stage of-image" }, el("h3", {}, `Image: ${size(layer.output)}`), this.input.node);
  }

  get shared() {
    const { choose, say, called, lens, keys } = this;
    return { choose, say, called, lens, describe: keys.id };
  }

  register(tiles) {
    this.tiles.set(tiles.layer.name, tiles);
    return tiles;
  }

  fillStage(one, isRefresh = false) {
    const stage = this.walk.stages.find(({ name }) => name === one.stage.name);
    one.stage = stage;
    const isOpen = this.open.has(stage.name) || !stage.is_map;
    if (isRefresh) {
      fill(one.legend, legend(stage.scale));
      for (const step of stage.steps) this.tiles.get(step.layer)?.retake(source(step.maps, step.layer));
      return;
    }
    for (const step of stage.steps) this.tiles.delete(step.layer);
    const body = el("div", { class: "stage-body", id: fresh("stage") });
    one.legend = el("div", {}, legend(stage.scale));
    one.toggle ??= stage.is_map ? button(stage.title, () => this.toggle(stage.name)) : null;
    one.toggle?.setAttribute("aria-expanded", String(isOpen));
    one.toggle?.setAttribute("aria-controls", body.id);
    // The heading is kept, so that the focus stays on its button.
    if (!one.head)
      one.node.append(
        (one.head = el("h3", {}, one.toggle ?? stage.title)),
        (one.rest = el("div", { class: "stage-rest" })),
      );
    one.node.classList.toggle("open", isOpen);
    fill(one.rest, one.legend, body);
    if (!stage.is_map) body.append(...stage.steps.map((step) => this.vector(step)));
    else if (isOpen)
      body.append(
        ...[
          stage.filters ? this.filters(stage) : null,
          ...stage.steps.map((step) => this.column(step, step.count)),
        ].filter(Boolean),
      );
    else {
      const last = stage.steps.at(-1);
      body.append(this.column(last, Math.min(last.count, FOLDED)));
      if (last.count > FOLDED) one.rest.append(el("p", { class: "note" }, `${FOLDED} of ${last.count} maps`));
    }
  }

  /** The filters stand beside the maps that they make. */
  filters(stage) {
    const { filters, name, steps } = stage,
      [height, width] = steps[0].shape;
    const node = el("div", { class: "maps filters", role: "img", "aria-label": `${filters.count} filters of ${name}` });
    node.style.setProperty("--ratio", `${width} / ${height}`);
    const address = source(filters.src, steps[0].layer);
    for (let k = 0; k < filters.count; k++) {
      const canvas = drawWhenSeen(el("canvas"), address(k));
      const tile = el(
        "div",
        { class: "tile", dataset: { map: k } },
        el("span", { class: "cells" }, canvas),
        el("span", { class: "tile-number", "aria-hidden": "true" }, String(k)),
      );
      tile.addEventListener(
        "pointerenter",
        (event) =>
          event.pointerType === "mouse" && this.lens.show(tile, { src: address(k), words: `filter ${k} of ${name}` }),
      );
      tile.addEventListener("pointerleave", () => this.lens.hide());
      node.append(tile);
    }
    return el(
      "div",
      { class: "column" },
      el("h4", {}, "filters"),
      el("p", { class: "note" }, legend(filters.scale)),
      node,
    );
  }

  column(step, count) {
    const layer = this.layers.get(step.layer),
      words = `${step.layer}, ${size(step.shape)}, ${step.words}`;
    const maps = this.register(
      new Maps({ ...this.shared, layer, count, source: source(step.maps, step.layer), label: words }),
    );
    return el(
      "div",
      { class: "column" },
      el("h4", { title: step.words }, step.layer.split(".").at(-1)),
      el("p", { class: "note" }, size(step.shape)),
      maps.node,
    );
  }

  vector(step) {
    const layer = this.layers.get(step.layer);
    const vector = this.register(
      new Vector({
        ...this.shared,
        layer,
        columns: step.columns,
        source: source(step.maps, step.layer),
        label: `${step.layer}, ${size(step.shape)}, ${step.words}`,
      }),
    );
    return el(
      "div",
      { class: "column" },
      el("h4", { title: step.words }, `${step.layer}: ${size(step.shape)}`),
      vector.node,
    );
  }

  toggle(name) {
    this.open.has(name) ? this.open.delete(name) : this.open.add(name);
    this.fillStage(this.stages.get(name));
    this.folded([...this.open]);
  }

  /** Open and close stages, so that those named are open. */
  setOpen(names) {
    for (const [name, one] of this.stages) {
      if (!one.stage.is_map || names.includes(name) === this.open.has(name)) continue;
      this.open.has(name) ? this.open.delete(name) : this.open.add(name);
      this.fillStage(one);
    }
  }

  /** Open the stage of a layer, if that is needed to see one of its maps; says whether it was. */
  unfold(name, map) {
    const one = [...this.stages.values()].find(
      ({ stage }) => stage.is_map && stage.steps.some(({ layer }) => layer === name),
    );
    const tiles = this.tiles.get(name);
    if (!one || this.open.has(one.stage.name) || (tiles && map < tiles.shown)) return false;
    this.toggle(one.stage.name);
    return true;
  }

  unmark() {
    for (const tiles of this.tiles.values()) tiles.unmark();
  }

  /** Mark a cell, the patch that it has read, and its receptive field in all maps before. */
  mark({ layer, cell, patches }) {
    this.unmark();
    const tiles = this.tiles.get(layer);
    if (tiles) {
      const [row, column, map] = tiles.fromCell(cell);
      tiles.at = [row, column, map];
      tiles.mark("chosen", [row, row], [column, column], tiles.single ? null : map);
      tiles.tile(tiles.single ? 0 : map)?.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
    let kind = "patch";
    for (let at = this.layers.get(layer).index - 1; at >= 0; at--) {
      const { name } = this.layers.all[at],
        area = patches[name],
        maps = this.tiles.get(name);
      if (area) maps?.mark(kind, area.rows, area.columns, maps.single ? null : area.filter);
      if (area || this.layers.all[at].output.length === 3) kind = "field";
    }
  }
}

/** The address of map k of a layer, by the template of the answer. */
const source = (template, layer) => (k) => template.replace("{layer}", layer).replace("{k}", k);
