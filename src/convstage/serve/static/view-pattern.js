// The pattern bench: a pattern that is typed, and its plan, its picture and its cost, or what is wrong with it, live.

import { ApiError, isStopped, latest } from "./api.js";
import { button, debounced, el, fill, labelled, named, size } from "./dom.js";
import { Family } from "./pattern-family.js";
import { costs, planTable } from "./plan-table.js";

/** The lecture's layer pattern, and the architectures that it calls common. */
const EXAMPLES = [
  ["linear", "INPUT -> FC -> CLASSIFIER"],
  ["one convolution", "INPUT -> CONV -> RELU -> FC -> CLASSIFIER"],
  ["two stages", "INPUT -> [CONV -> RELU -> POOL]*2 -> FC -> RELU -> CLASSIFIER"],
  ["three double stages", "INPUT -> [CONV -> RELU -> CONV -> RELU -> POOL]*3 -> [FC -> RELU]*2 -> CLASSIFIER"],
  ["the family of all", "INPUT -> [[CONV -> RELU]*N -> POOL?]*M -> [FC -> RELU]*K -> CLASSIFIER"],
];

/** Layers that are volumes of their own in the picture. */
const VOLUMES = new Set(["INPUT", "CONV", "POOL", "GAP", "FLATTEN", "FC", "CLASSIFIER"]);
/** Which member of a family is shown says nothing about another pattern. */
const NO_MEMBER = { counts: null, ranges: null, keep: null };

/** The line that holds a part of a text: before it, the part, behind it. Positions count characters. */
export function lineOf(text, start, end) {
  const letters = Array.from(text);
  const first = letters.lastIndexOf("\n", start - 1) + 1,
    next = letters.indexOf("\n", start);
  const last = next < 0 ? letters.length : next,
    stop = Math.min(Math.max(end, start), last);
  const part = (from, to) => letters.slice(from, to).join("");
  return {
    before: part(first, start),
    part: part(start, stop),
    behind: part(stop, last),
    columns: start - first,
    width: Math.max(1, stop - start),
  };
}

class PatternView {
  constructor(container, { api, state, run, status }) {
    Object.assign(this, { api, state, run, status, line: latest(), asked: null, picture: null, isEmpty: false });
    const { height, width, channels } = run.input;
    this.changed = debounced(() => this.typed(), 200);
    const typed = { on: { input: () => this.changed() }, autocomplete: "off", spellcheck: false };
    this.text = el("textarea", {
      rows: 3,
      maxLength: run.limits.pattern_characters,
      "aria-describedby": "pattern-problem",
      ...typed,
    });
    this.size = el("input", {
      type: "text",
      class: "size",
      maxLength: 40,
      placeholder: `${height}x${width}x${channels}`,
      ...typed,
    });
    this.classes = el("input", {
      type: "text",
      inputmode: "numeric",
      class: "short",
      maxLength: 7,
      placeholder: String(run.classes.length),
      ...typed,
    });
    this.problem = el("div", { class: "pattern-problem", id: "pattern-problem", role: "alert" });
    this.assumed = el("p", { class: "note" });
    this.costs = el("dl", { class: "costs" });
    this.plan = el("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": "plan, layer by layer" });
    this.image = el("img", { class: "architecture", alt: "" });
    this.drawn = el(
      "section",
      { "aria-labelledby": "picture-title" },
      el("h2", { id: "picture-title" }, "Picture"),
      el(
        "div",
        { class: "scroll plot", tabIndex: 0, role: "region", "aria-label": "picture of the network" },
        this.image,
      ),
    );
    const set = (replace) => (changes) => this.set(changes, replace);
    this.family = new Family({
      changed: set(true),
      use: set(false),
      plan: (pattern, changes, signal) => this.post(pattern, changes, signal),
    });
    this.member = el("p", { class: "member" });
    this.results = el(
      "div",
      { class: "results" },
      this.member,
      this.assumed,
      this.costs,
      this.drawn,
      el("section", { "aria-labelledby": "plan-title" }, el("h2", { id: "plan-title" }, "Plan"), this.plan),
    );
    container.append(
      el("h1", {}, "Pattern bench"),
      el(
        "p",
        {},
        "A network is written as a pattern of layers. Its sizes, parameters and cost follow before anything is " +
          "computed; a mistake is shown where it is. Free letters and ? make a family.",
      ),
      el(
        "form",
        { class: "panel", "aria-label": "pattern", on: { submit: (event) => event.preventDefault() } },
        labelled("Pattern", this.text, { class: "labelled wide" }),
        this.problem,
        el(
          "div",
          { class: "row" },
          labelled("Image, height x width x channels", this.size),
          labelled("Classes", this.classes),
        ),
        el(
          "div",
          { class: "row", role: "group", "aria-label": "examples" },
          el("span", { class: "note" }, "Use"),
          button("this run's", () => this.use(run.pattern), { title: run.pattern }),
          EXAMPLES.map(([name, pattern]) => button(name, () => this.use(pattern), { title: pattern })),
        ),
      ),
      this.family.node,
      this.results,
    );
  }

  // -------------------------------------------------------------------------------------------------- the address

  set(changes, replace = true) {
    const { pattern } = changes;
    // The run's own pattern needs no place in the address.
    this.state.set({ ...changes, ...(pattern === this.run.pattern ? { pattern: null } : {}) }, { replace });
  }

  typed() {
    const pattern = this.text.value,
      changes = { pattern, size: this.size.value.trim(), classes: this.classes.value.trim() };
    // The address has no place for a pattern that has been emptied: it stands for the run's own.
    this.isEmpty = pattern.trim() === "";
    const same = pattern === this.shown;
    this.set(same ? changes : { ...changes, ...NO_MEMBER });
    this.update(this.state.get());
  }

  use(pattern) {
    this.isEmpty = false;
    this.set({ pattern, ...NO_MEMBER }, false);
    this.text.value = pattern;
    this.update(this.state.get());
  }

  async update(state) {
    const wanted = {
      size: "",
      classes: "",
      ...state,
      pattern: this.isEmpty ? "" : (state.pattern ?? this.run.pattern),
    };
    for (const [name, control] of [
      ["pattern", this.text],
      ["size", this.size],
      ["classes", this.classes],
    ])
      // Not while it is typed: the caret would jump.
      if (control !== document.activeElement) control.value = wanted[name];
    const asked = JSON.stringify([
      wanted.pattern,
      wanted.size,
      wanted.classes,
      wanted.counts,
      wanted.ranges,
      wanted.keep,
    ]);
    if (asked === this.asked) return;
    Object.assign(this, { asked, shown: wanted.pattern, wanted });
    this.results.setAttribute("aria-busy", "true");
    try {
      const answer = await this.line((signal) => this.status.busy(this.ask(wanted, signal), "Planning…"));
      this.refuse(null);
      this.show(answer);
    } catch (error) {
      if (isStopped(error)) return;
      this.refuse(error);
      if (error.status !== 422) this.asked = null;
    }
    this.results.setAttribute("aria-busy", "false");
  }

  // --------------------------------------------------------------------------------------------------- the answer

  post(pattern, changes, signal) {
    const { size: image, classes } = this.wanted;
    if (classes && !/^[1-9]\d*$/.test(classes))
      throw new ApiError(`The number of classes must be a whole number from 1; it is ${classes}.`, { status: 422 });
    return this.api.post(
      "/api/plan",
      { pattern, input: image || null, classes: classes ? Number(classes) : null, ...changes },
      { signal },
    );
  }

  /** The plan of a pattern; of a family that of the member that is chosen. */
  async ask(wanted, signal) {
    if (wanted.pattern.trim() === "")
      throw new ApiError("Write a pattern, such as INPUT -> CONV -> RELU -> POOL -> CLASSIFIER.", { status: 422 });
    // Of a family: what it is. Its members are listed by a request of their own, which may be refused.
    const answer = await this.post(wanted.pattern, { members: false }, signal);
    if (answer.plan) {
      this.family.hide();
      return answer;
    }
    return this.family.member(answer.family, wanted, signal);
  }

  show({ pattern, plan, table, svg, assumed }) {
    this.results.hidden = false;
    fill(this.member, el("code", {}, named(pattern)));
    const run = [
      assumed.input && `images of ${assumed.input.replaceAll("x", "×")}`,
      assumed.classes && `${assumed.classes} classes`,
    ].filter(Boolean);
    this.assumed.textContent = run.length ? `For ${run.join(" and ")}, as this run has them.` : "";
    fill(this.costs, costs(table, plan));
    fill(
      this.plan,
      planTable(table, (n) => plan.layers[n].parameters > 0),
    );
    this.draw(svg, plan);
    this.status.say(`${table.totals.parameters} parameters, ${table.totals["multiply-adds"]} multiply-adds per image`);
  }

  /** As the content of an image: there a drawing runs no script and loads nothing. */
  draw(svg, plan) {
    if (this.picture) URL.revokeObjectURL(this.picture);
    this.picture = svg ? URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" })) : null;
    this.drawn.hidden = !svg;
    if (!svg) return;
    this.image.src = this.picture;
    const volumes = plan.layers
      .filter(({ kind }) => VOLUMES.has(kind))
      .map((layer) => `${layer.name} ${size(layer.output)}`);
    this.image.alt = `The network from left to right: ${volumes.join(", ")}`;
  }

  refuse(error) {
    this.text.setAttribute("aria-invalid", String(error !== null && Number.isInteger(error.problem?.start)));
    fill(this.problem);
    if (error === null) return;
    this.results.hidden = true;
    const { text = "", start, end, hint } = error.problem ?? {};
    const words = [el("p", { class: "error" }, named(error.message))];
    if (Number.isInteger(start)) {
      const line = lineOf(text, start, end);
      words.push(
        el(
          "pre",
          { class: "caret", tabIndex: 0, role: "region", "aria-label": "where the mistake is" },
          line.before,
          el("mark", {}, line.part || " "),
          line.behind,
          "\n",
          el("span", { "aria-hidden": "true" }, " ".repeat(line.columns) + "^".repeat(line.width)),
        ),
      );
      if (text === this.text.value && end > start) words.push(button("Go there", () => this.goTo(text, start, end)));
    }
    if (hint) words.push(el("p", { class: "hint" }, named(hint)));
    fill(this.problem, words);
  }

  /** The text area counts UTF-16 units, the server characters. */
  goTo(text, start, end) {
    const letters = Array.from(text),
      units = (n) => letters.slice(0, n).join("").length;
    this.text.focus();
    this.text.setSelectionRange(units(start), units(end));
  }

  unmount() {
    this.changed.cancel();
    this.line.stop();
    this.family.remove();
    if (this.picture) URL.revokeObjectURL(this.picture);
  }
}

export function mount(container, context) {
  const view = new PatternView(container, context);
  return { update: (state) => view.update(state), unmount: () => view.unmount() };
}
