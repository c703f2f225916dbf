// The network from left to right: each stage unfolds into its filters and maps.

import { legend } from "./canvas.js";
import { button, el, fill, fresh, size } from "./dom.js";
import { Filters } from "./filters.js";
import { Maps, Vector } from "./maps.js";

/** A folded stage shows so many of its last maps: those with the largest values. */
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
      "the arrow keys from cell to cell, Page Up and Page Down from map to map, Enter opens the receipt, Escape closes it. ",
      "On a touch screen: hold a map to enlarge it, then touch a cell in it.",
    );
    this.strip = el("div", { class: "flow" });
    this.decision = el("div");
    // Beside what scrolls, so that the decision is in sight however many stages there are.
    this.decided = el(
      "section",
      { class: "stage decided", "aria-label": "probabilities" },
      el("h3", {}, "Probabilities"),
      this.decision,
    );
    this.node = el(
      "section",
      { class: "panel", "aria-label": "the network" },
      this.keys,
      el("div", { class: "network" }, this.strip, this.decided),
    );
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
  }

  image(walk) {
    const layer = this.layers.all[0];
    this.input = this.register(
      new Maps({
        ...this.shared,
        layer,
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
      for (const step of stage.steps)
        this.tiles.get(step.layer)?.retake(source(step.maps, step.layer), shown(stage, step, isOpen));
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
          ...stage.steps.map((step) => this.column(step, shown(stage, step, isOpen))),
        ].filter(Boolean),
      );
    else {
      const last = stage.steps.at(-1);
      const words = last.count > FOLDED ? `${FOLDED} strongest of ${last.count} maps` : null;
      body.append(this.column(last, shown(stage, last, isOpen), words));
    }
  }

  /** The filters stand beside the maps that they make. */
  filters({ name, filters, steps }) {
    const { say, lens, keys } = this,
      size = steps[0].shape.slice(0, 2);
    const address = source(filters.src, steps[0].layer);
    const made = new Filters({ name, count: filters.count, source: address, size, lens, say, describe: keys.id });
    return el(
      "div",
      { class: "column" },
      el("h4", {}, "filters"),
      el("p", { class: "note" }, legend(filters.scale)),
      made.node,
    );
  }

  column(step, numbers, which = null) {
    const layer = this.layers.get(step.layer),
      label = [step.layer, size(step.shape), step.words, which].filter(Boolean).join(", ");
    const maps = this.register(
      new Maps({ ...this.shared, layer, numbers, source: source(step.maps, step.layer), label }),
    );
    return el(
      "div",
      { class: "column" },
      el("h4", { title: step.words }, step.layer.split(".").at(-1)),
      el("p", { class: "note" }, size(step.shape)),
      which && el("p", { class: "note which" }, which),
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
    if (!one || this.open.has(one.stage.name) || tiles?.has(map)) return false;
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

/** Numbers of a step's maps that are shown: all, or of a folded stage the strongest where there are more than a few. */
const shown = ({ strongest }, { count }, isOpen) =>
  isOpen || count <= FOLDED ? [...Array(count).keys()] : strongest.slice(0, FOLDED);
