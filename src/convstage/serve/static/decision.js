// The decision: the classes with their probabilities, and the evidence over the image, with its grade.

import { isStopped, latest } from "./api.js";
import { drawImage, legend, loadImage } from "./canvas.js";
import { button, el, fill, labelled, named, percent, select, written } from "./dom.js";

/** The classes with their probabilities; each opens the receipt of its softmax. */
export function probabilities(walk, classes, choose) {
  const rows = classes.map((name, k) => [name, walk.probabilities[name] ?? 0, k]).sort((a, b) => b[1] - a[1]);
  const line = ([name, share, k]) => {
    const bar = el("span");
    bar.style.setProperty("width", `${100 * share}%`);
    return el(
      "tr",
      { class: name === walk.prediction ? "predicted" : "" },
      el("th", { scope: "row" }, named(name)),
      el(
        "td",
        {},
        button(percent(share), () => choose("softmax", [k], true), {
          "aria-label": `how the probability of ${name}, ${percent(share)}, came about`,
        }),
      ),
      el("td", { class: "bar" }, bar),
    );
  };
  return [
    el(
      "table",
      { class: "classes" },
      el(
        "thead",
        { class: "hidden" },
        el(
          "tr",
          {},
          ["class", "probability", "as a bar"].map((head) => el("th", { scope: "col" }, head)),
        ),
      ),
      el("tbody", {}, rows.map(line)),
    ),
    walk.views > 1
      ? el(
          "p",
          { class: "note" },
          `The run predicts from ${walk.views} views of the image, each moved a little; ` +
            "the maps and receipts are those of the image as it is.",
        )
      : null,
    walk.temperature !== 1
      ? el(
          "p",
          { class: "note" },
          `Logits are divided by the temperature ${written(walk.temperature)} before the softmax.`,
        )
      : null,
  ];
}

export class EvidencePanel {
  constructor({ run, state, status, ask }) {
    Object.assign(this, { run, state, status, ask, walk: null, shown: null, refused: new Set(), line: latest() });
    this.method = select(
      run.methods.map(({ name, title }) => [name, title]),
      run.methods[0].name,
      (method) => state.set({ method }),
    );
    this.target = select([["", "the predicted class"], ...run.classes], "", (target) =>
      state.set({ target: target || null }),
    );
    this.opacity = el("input", { type: "range", min: 0, max: 100, value: 75, on: { input: () => this.fade() } });
    this.image = el("canvas", { role: "img" });
    this.map = el("canvas", { class: "overlay", "aria-hidden": "true" });
    this.picture = el("div", { class: "cells evidence-picture" }, this.image, this.map);
    this.scale = el("div");
    this.words = el("div", { class: "evidence-words", "aria-live": "polite" });
    this.gradeButton = button("Grade this evidence", () => this.grade());
    this.graded = el("div", { class: "grade", "aria-live": "polite" });
    this.node = el(
      "section",
      { class: "panel evidence", "aria-labelledby": "evidence-title" },
      el("h2", { id: "evidence-title" }, "Evidence"),
      el(
        "div",
        { class: "row" },
        labelled("Method", this.method),
        labelled("for", this.target),
        labelled("Opacity", this.opacity),
      ),
      el(
        "div",
        { class: "evidence-body" },
        el("div", {}, this.picture, this.scale),
        el("div", {}, this.words, this.gradeButton, this.graded),
      ),
    );
    this.fade();
  }

  fade() {
    this.map.style.setProperty("opacity", String(this.opacity.value / 100));
    this.opacity.setAttribute("aria-valuetext", `${this.opacity.value}%`);
  }

  /** Take a walk, or the address's choices; asks for evidence when either is new. */
  update(walk, { method, target }) {
    // Unless one is chosen, the first that this network does not refuse.
    const { methods } = this.run,
      chosen = methods.find((one) => one.name === method);
    const known = chosen ?? methods.find(({ name }) => !this.refused.has(name)) ?? methods[0];
    const isClass = this.run.classes.includes(target);
    this.method.value = known.name;
    this.target.value = isClass ? target : "";
    const wanted = [walk.id, known.name, isClass ? target : ""].join("\n");
    if (wanted === this.shown) return;
    this.shown = wanted;
    this.walk = walk;
    this.question = { method: known.name, target: isClass ? target : null };
    this.load(known, chosen === undefined);
  }

  async load(method, isDefault) {
    this.node.setAttribute("aria-busy", "true");
    this.graded.replaceChildren();
    this.gradeButton.hidden = true;
    const { height, width } = this.run.input;
    this.picture.style.setProperty("--ratio", `${width} / ${height}`);
    this.map.getContext("2d").clearRect(0, 0, this.map.width, this.map.height);
    const wanted = this.shown;
    try {
      await drawImage(this.image, this.walk.input.src);
      if (wanted !== this.shown) return undefined; // Something newer has been asked for.
      const answer = await this.line((signal) => this.ask(signal, { ...this.question, grade: false }));
      const map = answer.flat ? null : await loadImage(answer.map);
      this.show(answer, map, method);
    } catch (error) {
      if (isStopped(error)) return undefined;
      if (isDefault && error.status === 422 && !this.refused.has(method.name)) {
        this.refused.add(method.name);
        if (this.refused.size < this.run.methods.length) return this.update(this.walk, this.state.get());
      }
      this.scale.replaceChildren();
      fill(
        this.words,
        el("p", { class: "note" }, `${method.title}: ${method.words}.`),
        el("p", { class: "error", role: "alert" }, named(error.message)),
      );
    }
    this.node.setAttribute("aria-busy", "false");
    return undefined;
  }

  show(answer, map, method) {
    Object.assign(this.map, { width: this.image.width, height: this.image.height });
    if (map) this.map.getContext("2d").drawImage(map, 0, 0, this.map.width, this.map.height);
    this.image.setAttribute("aria-label", `${answer.title} over the image`);
    fill(this.scale, map && answer.scale?.bar ? legend(answer.scale) : null);
    fill(
      this.words,
      el("p", {}, el("b", {}, answer.title), " for ", named(answer.target), `: ${answer.asked}.`),
      answer.flat
        ? el("p", {}, named(answer.reason))
        : el("p", { class: "note" }, "Red speaks for the class, blue against it."),
      this.sum(answer.details),
      answer.notes.map((note) => el("p", { class: "note" }, named(note))),
      el("p", { class: "note" }, `${method.words[0].toUpperCase()}${method.words.slice(1)}. ${method.source}`),
    );
    this.gradeButton.hidden = false;
    this.node.dataset.shown = `${answer.method} ${answer.target}`;
  }

  /** The trace-back is exact: what pixels and biases bring makes the score. */
  sum(details) {
    if (details?.pixels === undefined || details?.biases === undefined) return null;
    const cells = [
      ["pixels", details.pixels],
      ["biases", details.biases],
      ["their sum", details.sum],
      ["the score", details.score],
    ];
    return el(
      "table",
      { class: "sum-table" },
      el("caption", {}, "The sum of the trace-back"),
      el(
        "tbody",
        {},
        cells.map(([name, value]) =>
          el("tr", {}, el("th", { scope: "row" }, name), el("td", { class: "number" }, written(value, 6))),
        ),
        el(
          "tr",
          {},
          el("th", { scope: "row" }, "relative error"),
          el("td", { class: "number" }, Number(details.relative_error).toExponential(1)),
        ),
      ),
    );
  }

  async grade() {
    const shown = this.shown;
    this.gradeButton.disabled = true;
    try {
      const answer = await this.status.busy(
        this.line((signal) => this.ask(signal, { ...this.question, grade: true })),
        "Grading the evidence…",
      );
      if (shown !== this.shown || !answer.grade) return;
      fill(
        this.graded,
        el("p", {}, el("b", {}, answer.grade.verdict)),
        el(
          "ul",
          {},
          answer.grade.sentences.map((sentence) => el("li", {}, sentence)),
        ),
      );
      this.gradeButton.hidden = true;
    } catch (error) {
      this.status.fail(error);
    } finally {
      this.gradeButton.disabled = false;
    }
  }

  remove() {
    this.line.stop();
  }
}
