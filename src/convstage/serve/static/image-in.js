// The image in: from the run's own images, from a file, dropped, pasted, or drawn.

import { button, el, fill, named, percent, select, setStyle, size } from "./dom.js";
import { Drawing, LARGEST } from "./drawing.js";
import { isStopped, latest } from "./api.js";

const PAGE = 60;
/** So many classes stand beside the image. */
const LIKELIEST = 3;
const PARTS = { test: "test", val: "validation", train: "training" };

export class ImageIn {
  /**
   * @param choose called with `{index}`, `{file}` or `{pixels}`
   */
  constructor({ api, run, status, choose }) {
    Object.assign(this, {
      api,
      run,
      status,
      choose,
      part: Object.keys(PARTS).find((part) => run.images[part] > 0) ?? null,
      line: latest(),
    });
    this.file = el("input", {
      type: "file",
      accept: "image/*,.dcm",
      multiple: true,
      class: "hidden",
      tabIndex: -1,
      "aria-hidden": "true",
      "aria-label": "image files",
      on: {
        change: () => {
          this.take(this.file.files);
          this.file.value = "";
        },
      },
    });
    this.panels = el("div", { class: "image-panels" });
    this.openers = new Map();
    const opener = (name, text, make) => {
      const made = button(text, () => this.open(name), { "aria-expanded": "false" });
      this.openers.set(name, { button: made, make });
      return made;
    };
    const { height, width, channels } = run.input;
    this.canDraw = channels === 1 && Math.max(height, width) <= LARGEST;
    this.now = el("div", { class: "image-now" });
    this.node = el(
      "section",
      { class: "panel image-in", "aria-labelledby": "image-title" },
      el(
        "div",
        { class: "image-head" },
        this.now,
        el(
          "div",
          {},
          el("h2", { id: "image-title" }, "Image"),
          el(
            "div",
            { class: "row" },
            this.part ? opener("gallery", "One of the run's images", () => this.gallery()) : null,
            button("Open files…", () => this.file.click()),
            this.file,
            this.canDraw ? opener("draw", "Draw one", () => this.drawing()) : null,
          ),
          el(
            "p",
            { class: "note" },
            "Or drop image files anywhere on this page, or paste an image. ",
            `The network reads ${size([height, width, channels])}.`,
          ),
        ),
      ),
      this.panels,
    );
    this.listen();
  }

  /** Say which image it is, and what the run says of it; `index` is its number in the run, if it was chosen by it. */
  show(walk, index) {
    const truth =
      walk.truth === null
        ? "Its class is not known: it is none of the run's images."
        : [
            `Its class is `,
            named(walk.truth),
            walk.truth === walk.prediction ? ", as predicted" : ": the prediction is wrong",
            "; it is one of the ",
            PARTS[walk.part] ?? walk.part,
            " images.",
          ];
    const shared =
      index === undefined
        ? el("p", { class: "note" }, "This image is in this page only: the address of the page cannot share it.")
        : null;
    fill(
      this.now,
      el("img", { class: "pixels", src: walk.input.src, alt: "the image as the network reads it" }),
      el(
        "div",
        {},
        el("p", { class: "image-name" }, named(walk.name)),
        el("p", { class: "prediction" }, el("b", {}, named(walk.prediction)), ` ${percent(walk.probability)}`),
        this.chances(walk),
        el("p", { class: "note truth" }, truth),
        shared,
      ),
    );
    this.current = index;
    this.markCurrent();
  }

  /** The likeliest classes, where the style sheet has them: on a phone all of them are far below. */
  chances({ probabilities }) {
    const likeliest = Object.entries(probabilities).sort((a, b) => b[1] - a[1]);
    return el(
      "ul",
      { class: "chances", "aria-label": "the likeliest classes" },
      likeliest.slice(0, LIKELIEST).map(([name, share]) => {
        const bar = el("span");
        setStyle(bar, { width: percent(share) });
        return el("li", {}, named(name), ` ${percent(share)}`, el("span", { class: "bar" }, bar));
      }),
    );
  }

  markCurrent() {
    for (const one of this.panels.querySelectorAll("[data-index]"))
      one.setAttribute("aria-pressed", String(one.dataset.index === String(this.current)));
  }

  open(name) {
    const wasOpen = this.openers.get(name).button.getAttribute("aria-expanded") === "true";
    for (const { button: other } of this.openers.values()) other.setAttribute("aria-expanded", "false");
    this.panels.replaceChildren();
    if (wasOpen) return;
    this.openers.get(name).button.setAttribute("aria-expanded", "true");
    this.panels.append(this.openers.get(name).make());
  }

  // ------------------------------------------------------------------------------------- the run's own images

  gallery() {
    const grid = el("div", { class: "gallery", role: "group", "aria-label": "images" });
    const more = button("More", () => load());
    const words = el("p", { class: "note" });
    let offset = 0;
    const load = async () => {
      more.hidden = true;
      try {
        const found = await this.line((signal) =>
          this.api.get(`/api/images?part=${this.part}&offset=${offset}&limit=${PAGE}`, { signal }),
        );
        grid.append(...found.images.map((image) => this.thumbnail(image)));
        offset += found.images.length;
        more.hidden = offset >= found.total;
        words.textContent = `${offset} of ${found.total}`;
        this.markCurrent();
      } catch (error) {
        this.status.fail(error);
        more.hidden = isStopped(error);
      }
    };
    const parts = Object.keys(PARTS)
      .filter((part) => this.run.images[part] > 0)
      .map((part) => [part, `${PARTS[part]} images (${this.run.images[part]})`]);
    const chooser = select(
      parts,
      this.part,
      (part) => {
        this.part = part;
        offset = 0;
        grid.replaceChildren();
        load();
      },
      { "aria-label": "which images" },
    );
    load();
    return el("div", {}, el("div", { class: "row" }, chooser, words), grid, more);
  }

  thumbnail(image) {
    const wrong = image.prediction !== null && image.prediction !== image.truth;
    return el(
      "button",
      {
        type: "button",
        class: "thumbnail",
        "aria-pressed": "false",
        dataset: { index: image.index },
        title: image.name,
        on: { click: () => this.choose({ index: image.index }) },
      },
      el("img", {
        src: `/api/images/${image.index}/thumbnail.png`,
        alt: image.name,
        loading: "lazy",
        width: 56,
        height: 56,
      }),
      el("span", { class: "truth" }, named(image.truth)),
      wrong ? el("span", { class: "wrong" }, "predicted ", named(image.prediction)) : null,
    );
  }

  // --------------------------------------------------------------------------------------------------- files

  /** One file is walked through; of several the predictions are listed, to choose from. */
  async take(files) {
    const given = [...files];
    if (given.length === 1) this.choose({ file: given[0] });
    if (given.length < 2) return;
    const form = new FormData();
    for (const file of given) form.append("images", file);
    try {
      const { predictions } = await this.status.busy(
        this.api.post("/api/predict", form),
        `Predicting ${given.length} images…`,
      );
      for (const { button: other } of this.openers.values()) other.setAttribute("aria-expanded", "false");
      fill(this.panels, this.several(given, predictions));
    } catch (error) {
      this.status.fail(error);
    }
  }

  several(files, predictions) {
    const line = ({ name, label, probability }, n) =>
      el(
        "tr",
        {},
        el(
          "td",
          {},
          button(named(name), () => this.choose({ file: files[n] })),
        ),
        el("td", {}, named(label)),
        el("td", {}, percent(probability)),
      );
    return el(
      "div",
      { class: "scroll" },
      el(
        "table",
        { class: "several" },
        el("caption", {}, "Choose one to walk through."),
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            ["image", "prediction", "probability"].map((head) => el("th", { scope: "col" }, head)),
          ),
        ),
        el("tbody", {}, predictions.map(line)),
      ),
    );
  }

  listen() {
    const isFiles = (event) => event.dataTransfer?.types.includes("Files");
    this.listeners = {
      dragover: (event) => {
        if (isFiles(event)) {
          event.preventDefault();
          document.body.classList.add("dropping");
        }
      },
      dragleave: (event) => event.relatedTarget === null && document.body.classList.remove("dropping"),
      drop: (event) => {
        if (!isFiles(event)) return;
        event.preventDefault();
        document.body.classList.remove("dropping");
        this.take(event.dataTransfer.files);
      },
      paste: (event) => {
        const files = [...(event.clipboardData?.files ?? [])];
        if (!files.length) return;
        event.preventDefault();
        this.take(files);
      },
    };
    for (const [name, listener] of Object.entries(this.listeners)) document.addEventListener(name, listener);
  }

  drawing() {
    const { height, width } = this.run.input;
    this.own ??= new Drawing({ height, width, status: this.status, drawn: (pixels) => this.choose({ pixels }) });
    return this.own.node;
  }

  remove() {
    this.line.stop();
    for (const [name, listener] of Object.entries(this.listeners)) document.removeEventListener(name, listener);
    document.body.classList.remove("dropping");
  }
}
