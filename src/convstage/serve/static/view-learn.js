// Learn: questions made from this very network. Predict, then look.

import { isStopped, latest } from "./api.js";
import { button, el, fill, fresh, labelled, named, setOptions } from "./dom.js";

/** Seeds are below this. */
const SEEDS = 2 ** 32;

/** What has been answered since the page was opened: another view does not take it away. */
const score = { right: 0, asked: 0, answered: new Set() };

class LearnView {
  constructor(container, { api, state, run, status }) {
    Object.assign(this, { api, state, run, status, line: latest(), marking: latest(), question: null, asked: null });
    this.kind = el("select", { on: { change: () => this.next(this.kind.value || null) } });
    this.score = el("p", { class: "score", role: "status" });
    this.card = el("section", { class: "panel question", "aria-labelledby": "question-title", "aria-busy": "true" });
    this.problem = el("p", { class: "error", role: "alert", hidden: true });
    container.append(
      el("h1", {}, "Learn"),
      el(
        "p",
        {},
        "Questions about this very network, its images and the lecture's nine. Say what you expect before you look. " +
          "Answers are computed by the same arithmetic as the receipts of the walk.",
      ),
      el("div", { class: "row" }, labelled("Questions about", this.kind), this.score),
      this.card,
      this.problem,
    );
    setOptions(this.kind, [["", "everything, in turn"]], "");
    this.tally();
  }

  // -------------------------------------------------------------------------------------------------- the address

  async update(state) {
    const seed = /^\d{1,10}$/.test(state.seed ?? "") && Number(state.seed) < SEEDS ? Number(state.seed) : null;
    // A question has an address of its own, so that it can be shared.
    if (seed === null) return this.state.set({ seed: Math.floor(Math.random() * SEEDS) }, { replace: true });
    const index = /^\d+$/.test(state.image ?? "") ? Number(state.image) : null;
    const asked = JSON.stringify([state.kind ?? null, seed, index]);
    if (asked === this.asked) return undefined;
    Object.assign(this, { asked, request: { kind: state.kind ?? null, seed, index } });
    this.marking.stop();
    this.card.setAttribute("aria-busy", "true");
    try {
      const question = await this.line((signal) =>
        this.status.busy(this.api.post("/api/learn", this.request, { signal }), "Making a question…"),
      );
      this.refuse(null);
      this.ask(question);
    } catch (error) {
      if (isStopped(error)) return undefined;
      this.asked = null;
      this.card.hidden = true;
      this.refuse(error);
    }
    this.card.setAttribute("aria-busy", "false");
    return undefined;
  }

  /** The next question, of a kind or of all in turn. */
  next(kind = this.request.kind) {
    this.wantsFocus = true;
    this.state.set({ kind, seed: (this.request.seed + 1) % SEEDS });
  }

  refuse(error) {
    this.problem.hidden = error === null;
    fill(
      this.problem,
      error === null ? null : [named(error.message), " ", button("Another question", () => this.next(null))],
    );
  }

  tally() {
    this.score.textContent = score.asked ? `${score.right} of ${score.asked} right` : "Nothing answered yet";
  }

  // ------------------------------------------------------------------------------------------------- the question

  ask(question) {
    this.question = question;
    this.card.hidden = false;
    setOptions(
      this.kind,
      [["", "everything, in turn"], ...question.kinds.map(({ name, title }) => [name, title])],
      this.request.kind ?? "",
    );
    const { about, choices, tables, hint, note } = question;
    this.title = el("h2", { id: "question-title", tabIndex: -1 }, question.title);
    this.verdict = el("div", { class: "verdict", role: "status" });
    this.submit = el("button", { type: "submit", class: "primary" }, "Answer");
    this.shower = button("Show me", () => this.answer(null));
    this.answerNode = choices ? this.choices(choices) : this.number(question);
    fill(
      this.card,
      this.title,
      el(
        "div",
        { class: "question-body" },
        about.index === null
          ? null
          : el("img", {
              class: "pixels",
              src: `/api/images/${about.index}/thumbnail.png`,
              alt: "the image that goes through the network",
            }),
        el(
          "div",
          {},
          el("p", { class: "question-text" }, named(question.question)),
          tables.length > 0 &&
            el(
              "div",
              { class: "tables", tabIndex: 0, role: "region", "aria-label": "what is given" },
              tables.map((table) => this.table(table)),
            ),
        ),
      ),
      el(
        "form",
        { on: { submit: (event) => this.submitted(event) } },
        this.answerNode,
        el(
          "div",
          { class: "row" },
          this.submit,
          this.shower,
          button("Next question", () => this.next(), { class: "next" }),
        ),
      ),
      el("details", {}, el("summary", {}, "A hint"), el("p", { class: "hint" }, named(hint))),
      this.verdict,
      note ? el("p", { class: "note" }, note) : null,
    );
    if (this.wantsFocus) this.title.focus();
    this.wantsFocus = false;
  }

  table({ title, columns, rows }) {
    const isMatrix = columns.length === 0;
    return el(
      "div",
      { class: "scroll" },
      el(
        "table",
        { class: isMatrix ? "grid-numbers" : "" },
        el("caption", {}, named(title)),
        isMatrix
          ? null
          : el(
              "thead",
              {},
              el(
                "tr",
                {},
                columns.map((head) => el("th", { scope: "col" }, head)),
              ),
            ),
        el(
          "tbody",
          {},
          rows.map((row) =>
            el(
              "tr",
              {},
              row.map((text) => el("td", {}, named(text))),
            ),
          ),
        ),
      ),
    );
  }

  choices(choices) {
    const name = fresh("choice");
    return el(
      "fieldset",
      { class: "choices" },
      el("legend", { class: "hidden" }, "Choose one"),
      choices.map((choice) =>
        el(
          "label",
          { class: "check" },
          el("input", { type: "radio", name, value: choice, required: true }),
          " ",
          named(choice),
        ),
      ),
    );
  }

  number({ decimals, unit }) {
    const wanted = decimals
      ? `${decimals} decimal${decimals > 1 ? "s are" : " is"} enough`
      : unit === "%"
        ? "to the nearest percent"
        : "a whole number";
    const input = el("input", {
      type: "text",
      required: true,
      maxLength: 40,
      autocomplete: "off",
      spellcheck: false,
      class: "answer",
    });
    return el(
      "div",
      { class: "row" },
      labelled("Your answer", input),
      el("span", {}, unit),
      el("span", { class: "note" }, wanted),
    );
  }

  get given() {
    const chosen = this.answerNode.querySelector("input:checked") ?? this.answerNode.querySelector("input[type=text]");
    return chosen?.value.trim() ? chosen.value : null;
  }

  submitted(event) {
    event.preventDefault();
    if (this.given !== null) this.answer(this.given);
  }

  // --------------------------------------------------------------------------------------------------- the answer

  async answer(given) {
    try {
      const request = { ...this.request, kind: this.question.kind, answer: given };
      const marked = await this.marking((signal) =>
        this.status.busy(this.api.post("/api/learn/answer", request, { signal }), "Checking…"),
      );
      this.reveal(marked, given);
    } catch (error) {
      if (!isStopped(error)) fill(this.verdict, el("p", { class: "error" }, named(error.message)));
    }
  }

  reveal({ right, answer, explanation, about }, given) {
    // The first answer counts; what was only looked at counts as neither.
    if (!score.answered.has(this.asked)) {
      score.answered.add(this.asked);
      if (given !== null) score.asked += 1;
      if (given !== null && right) score.right += 1;
    }
    this.tally();
    const words = given === null ? "" : right ? "Right." : "Not quite.";
    fill(
      this.verdict,
      el(
        "p",
        { class: given === null ? "" : right ? "right" : "wrong" },
        el("b", {}, words),
        words ? " " : null,
        "It is ",
        el("b", {}, named(answer)),
        ".",
      ),
      el("p", { class: "number sum" }, named(explanation)),
      this.inWalk(about),
    );
    this.submit.classList.remove("primary");
    this.card.querySelector(".next").classList.add("primary");
    this.card.querySelector(".next").focus();
  }

  /** The cell in the walk; the page stays, so that the score does. */
  inWalk({ index, layer, cell }) {
    if (index === null || layer === null || cell === null) return null;
    const walk = { view: "walk", image: index, layer, cell: cell.join(",") };
    const go = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
      event.preventDefault();
      this.state.set({ kind: null, seed: null, ...walk });
    };
    return el("a", { href: this.state.address(walk), on: { click: go } }, "See it in the walk");
  }

  unmount() {
    this.line.stop();
    this.marking.stop();
  }
}

export function mount(container, context) {
  const view = new LearnView(container, context);
  return { update: (state) => view.update(state), unmount: () => view.unmount() };
}
