// The walk: one image through the network, its receipts, and the decision.

import { ApiError, isStopped, latest } from "./api.js";
import { el, named, percent } from "./dom.js";
import { EvidencePanel, probabilities } from "./decision.js";
import { Flow } from "./flow.js";
import { ImageIn } from "./image-in.js";
import { Layers, readCell } from "./layers.js";
import { Lens } from "./lens.js";
import { ReceiptPanel } from "./receipt.js";
import { Stepper } from "./stepper.js";

class WalkView {
  constructor(container, context) {
    const { api, state, run, status } = context;
    Object.assign(this, {
      api,
      state,
      run,
      status,
      walk: null,
      body: null,
      shownBody: null,
      explained: null,
      wantsFocus: false,
    });
    this.layers = new Layers(run.plan);
    this.walks = latest();
    this.receipts = latest();
    const called = (layer, cell) => this.layers.called(layer, cell, run.classes),
      choose = (...given) => this.choose(...given);
    this.lens = new Lens();
    this.imageIn = new ImageIn({ api, run, status, choose: (body) => this.take(body) });
    this.flow = new Flow({
      layers: this.layers,
      choose,
      called,
      lens: this.lens,
      say: status.say,
      folded: (open) => state.set({ open: open.join(",") || "none" }, { replace: true }),
    });
    this.receipt = new ReceiptPanel({
      layers: this.layers,
      classes: run.classes,
      choose,
      status,
      close: () => state.set({ layer: null, cell: null }),
      step: (layer, cell) => {
        this.stepper.show(layer, cell);
        this.stepper.node.scrollIntoView({ block: "start" });
        this.stepper.stage.focus();
      },
    });
    this.stepper = new Stepper({
      layers: this.layers,
      status,
      chosen: choose,
      fetchValues: (...given) => this.values(...given),
    });
    this.evidence = new EvidencePanel({
      run,
      state,
      status,
      ask: (signal, question) => this.ask((id) => api.post("/api/evidence", { id, ...question }, { signal })),
    });
    this.title = el("h1", {}, "One image through the network");
    this.rest = el(
      "div",
      { class: "walk", hidden: true },
      this.flow.node,
      el("div", { class: "pair" }, this.stepper.node, this.evidence.node),
    );
    // Whether the network is better than a shortcut stands beside all that it says.
    const verdict = run.verdict ? el("p", { class: "note" }, named(run.verdict)) : "";
    container.append(this.title, verdict, this.imageIn.node, this.rest, this.receipt.node);
    container.addEventListener("missing", () => this.again());
  }

  // ------------------------------------------------------------------------------------------------ the image

  /** Take an image of the run, a file, or drawn pixels. */
  async take(body) {
    if (body.index !== undefined) return this.state.set({ image: body.index });
    this.body = body; // Before the address changes: it has no place for such an image.
    this.state.set({ image: null });
    await this.load(body);
  }

  send(body, signal) {
    if (!body.file) return this.api.post("/api/walk", body, { signal });
    const form = new FormData();
    form.append("image", body.file);
    return this.api.post("/api/walk", form, { signal });
  }

  async load(body) {
    this.body = body;
    try {
      const walk = await this.status.busy(
        this.walks((signal) => this.send(body, signal)),
        "Walking the image through the network…",
      );
      this.show(walk);
    } catch (error) {
      this.status.fail(error);
      if (isStopped(error)) return;
      // What is shown stays, and the address says so.
      this.body = this.shownBody;
      if (this.walk) this.state.set({ image: this.body.index ?? null }, { replace: true });
    }
  }

  show(walk) {
    Object.assign(this, { walk, explained: null, shownBody: this.body });
    Object.assign(this.state.session, { walk, body: this.body });
    this.rest.hidden = false;
    this.imageIn.show(walk, this.body.index);
    this.flow.take(
      walk,
      probabilities(walk, this.run.classes, (...given) => this.choose(...given)),
    );
    this.stepper.take(walk);
    document.title = `${walk.prediction}: ${walk.name} · convstage`;
    this.status.say(`${walk.name}: ${walk.prediction}, ${percent(walk.probability)}`);
    this.update(this.state.get());
  }

  /** Ask for something of the walk; one that the server has forgotten is sent again first. */
  async ask(question) {
    try {
      return await question(this.walk.id);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) throw error;
      await this.again();
      return question(this.walk.id);
    }
  }

  /** Send the image again: the server keeps the latest walks only. The same image has the same name there. */
  async again() {
    this.resending ??= this.send(this.body).then(
      (walk) => {
        this.flow.take(
          walk,
          probabilities(walk, this.run.classes, (...given) => this.choose(...given)),
        );
      },
      (error) => this.status.fail(error),
    );
    await this.resending;
    // Hundreds of maps may be missing at once; they come back with one request.
    setTimeout(() => {
      this.resending = null;
    }, 2000);
  }

  // ------------------------------------------------------------------------------------------------- receipts

  choose(layer, cell, wantsFocus = false) {
    this.wantsFocus = wantsFocus;
    const { layer: before, cell: cellBefore } = this.state.get();
    if (before === layer && cellBefore === cell.join(","))
      this.receipt.node.hidden ? this.explain(layer, cell) : wantsFocus && this.receipt.title.focus();
    else this.state.set({ layer, cell: cell.join(",") });
  }

  async explain(layer, cell) {
    this.explained = `${layer}:${cell}`;
    this.receipt.await(layer, cell);
    this.flow.unfold(layer, cell[2]);
    if (this.layers.isMap(layer)) this.stepper.show(layer, cell);
    const focus = this.wantsFocus;
    this.wantsFocus = false;
    try {
      const answer = await this.receipts((signal) =>
        this.ask((id) => this.api.post("/api/receipt", { id, layer, cell }, { signal })),
      );
      this.flow.mark(answer);
      this.receipt.show(answer, focus);
    } catch (error) {
      if (!isStopped(error)) this.receipt.fail(error);
    }
  }

  values(layer, k, rows, columns) {
    const query = `rows=${rows.join(":")}&columns=${columns.join(":")}`;
    return this.ask((id) => this.api.get(`/api/walk/${id}/values/${layer}/${k}?${query}`)).then(({ values }) => values);
  }

  // ------------------------------------------------------------------------------------------------ the address

  async update(now) {
    if (now.image === undefined && !this.body) return this.start();
    if (now.image !== undefined && this.body?.index !== Number(now.image)) return this.open(now.image);
    if (!this.walk) return;
    this.flow.setOpen(now.open === undefined ? this.opened : now.open.split(","));
    this.evidence.update(this.walk, now);
    const cell = readCell(now.cell);
    if (now.layer === undefined) {
      this.explained = null;
      this.receipts.stop();
      this.flow.unmark();
      this.receipt.close();
    } else if (cell === null || !this.layers.has(now.layer, cell)) {
      this.status.fail(
        new Error(`This network has no cell ${now.cell ?? ""} in a layer ${now.layer}. Choose one in the maps.`),
      );
      this.state.set({ layer: null, cell: null }, { replace: true });
    } else if (this.explained !== `${now.layer}:${cell}`) await this.explain(now.layer, cell);
  }

  /** Unless the address says so, the first stage is open, where there is room. */
  get opened() {
    return window.innerWidth >= 1024
      ? this.walk.stages
          .filter(({ is_map: isMap }) => isMap)
          .slice(0, 1)
          .map(({ name }) => name)
      : [];
  }

  open(image) {
    if (/^\d+$/.test(image)) return this.load({ index: Number(image) });
    this.status.fail(
      new Error(`The address names an image ${image}; images are numbered from 0. Choose one of the run's images.`),
    );
    return this.state.set({ image: null }, { replace: true });
  }

  /** An address without an image: the one that was there before, or the first one of the test set. */
  async start() {
    const { walk, body } = this.state.session;
    if (walk) {
      this.body = body;
      if (body.index !== undefined) return this.state.set({ image: body.index }, { replace: true });
      return this.show(walk);
    }
    const part = ["test", "val", "train"].find((one) => this.run.images[one] > 0);
    try {
      const found = part ? await this.api.get(`/api/images?part=${part}&offset=0&limit=1`) : { images: [] };
      if (found.images.length) return this.state.set({ image: found.images[0].index }, { replace: true });
      this.status.say("Open, drop, paste or draw an image to begin.");
    } catch (error) {
      this.status.fail(error);
    }
    return undefined;
  }

  unmount() {
    for (const line of [this.walks, this.receipts]) line.stop();
    for (const part of [this.imageIn, this.receipt, this.stepper, this.evidence, this.lens]) part.remove();
  }
}

export function mount(container, context) {
  const view = new WalkView(container, context);
  return { update: (state) => view.update(state), unmount: () => view.unmount() };
}
