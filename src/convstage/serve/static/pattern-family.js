// The members of a family: a slider for each free letter, a switch for each optional part, and a list to choose from.

import { isStopped, latest } from "./api.js";
import { button, debounced, el, fill, fresh, labelled, named } from "./dom.js";

/** What is listed unless something else is asked for. */
const RANGE = "1..3";

/** Letters with what they are, as the address has them: N:2,M:1..3. */
const read = (text) =>
  Object.fromEntries(
    (text ?? "")
      .split(",")
      .filter(Boolean)
      .map((part) => part.split(":")),
  );
const write = (counts) =>
  Object.entries(counts)
    .map(([letter, value]) => `${letter}:${value}`)
    .join(",");
/** Parts that are kept, as the address has them: 10; nothing when all are. */
const bits = (keep) => (keep.includes(false) ? keep.map((one) => (one ? "1" : "0")).join("") : null);

/** Counts in words: 1 to 4, or 0, 2 and 3. */
function inWords(counts) {
  const [first, last] = [counts[0], counts.at(-1)];
  if (counts.length > 2 && last - first === counts.length - 1) return `${first} to ${last}`;
  return counts.length > 1 ? `${counts.slice(0, -1).join(", ")} and ${last}` : String(first);
}

export class Family {
  /**
   * @param changed called with changes of the address while a slider moves
   * @param use called with changes of the address when a member is chosen
   * @param plan asks `/api/plan`, with a pattern, more of the request, and a signal that stops it
   */
  constructor({ changed, use, plan }) {
    Object.assign(this, { changed, use, plan, known: null, line: latest() });
    this.sliders = el("div", { class: "row" });
    this.parts = el("div", { class: "row" });
    this.ranges = el("div", { class: "row" });
    this.words = el("p", { class: "note", role: "status" });
    this.list = el("div", {
      class: "scroll members",
      tabIndex: 0,
      role: "region",
      "aria-label": "members of the family",
    });
    this.node = el(
      "section",
      { class: "panel family", hidden: true, "aria-labelledby": "family-title" },
      el("h2", { id: "family-title" }, "Family"),
      el(
        "p",
        {},
        "Free letters say how often a part is repeated; a part with ? may be there or not. The sliders choose one " +
          "member; its plan and picture are below.",
      ),
      this.sliders,
      this.parts,
      el("details", { open: true }, el("summary", {}, "Its members"), this.ranges, this.words, this.list),
    );
    this.slowly = debounced((changes) => this.changed(changes), 120);
  }

  hide() {
    this.node.hidden = true;
    this.line.stop();
  }

  remove() {
    this.slowly.cancel();
    this.line.stop();
  }

  /** The plan of the member that the address chooses. */
  async member(family, { pattern, counts, keep, ranges }, signal) {
    const letters = Object.keys(family.letters),
      given = read(counts),
      asked = read(ranges);
    this.controls(family, letters);
    this.node.hidden = false;
    this.counts = Object.fromEntries(
      letters.map((letter) => [letter, /^\d{1,2}$/.test(given[letter] ?? "") ? given[letter] : "1"]),
    );
    this.keep = this.boxes.map((_, n) => keep?.[n] !== "0");
    for (const letter of letters) {
      const range = this.rangeInputs[letter];
      if (range !== document.activeElement) range.value = asked[letter] ?? RANGE;
    }
    this.slide();
    this.boxes.forEach((box, n) => {
      box.checked = this.keep[n];
    });
    this.listed(pattern, Object.fromEntries(letters.map((letter) => [letter, asked[letter] ?? RANGE])));
    const chosen = { counts: this.counts, keep: this.keep };
    const [account, answer] = await Promise.allSettled([
      this.plan(pattern, { ...chosen, members: false, picture: false }, signal),
      this.plan(pattern, chosen, signal),
    ]);
    // Also where this member does not fit: the sliders show the way to those that do.
    if (account.value?.family) this.reach(account.value.family);
    if (answer.status === "rejected") throw answer.reason;
    this.chosen = answer.value.pattern;
    this.markChosen();
    return answer.value;
  }

  /** Let the sliders go as far as the network fits, the other letters and parts being what they are. */
  reach({ letters }) {
    for (const [letter, { fits }] of Object.entries(letters)) this.inputs[letter].fits = fits;
    this.slide();
  }

  /** Set the sliders to the member that is chosen, which may be one that does not fit. */
  slide() {
    for (const [letter, { slider, output, words, fits }] of Object.entries(this.inputs)) {
      const chosen = Number(this.counts[letter]);
      slider.min = Math.min(chosen, ...fits);
      slider.max = Math.max(chosen, ...fits);
      if (slider !== document.activeElement) slider.value = chosen;
      output.textContent = chosen;
      words.textContent = fits.length ? `${inWords(fits)} ${fits.length > 1 ? "fit" : "fits"}` : "";
    }
  }

  /** Make the controls anew only when the family is another one: what has the focus keeps it. */
  controls({ letters, optional }, names) {
    const key = JSON.stringify([names, optional]);
    if (key === this.known) return;
    Object.assign(this, { known: key, listedFor: null });
    this.inputs = Object.fromEntries(
      names.map((letter) => {
        const output = el("output", { class: "number" }),
          words = el("span", { class: "note", id: fresh("fits") });
        const slider = el("input", {
          type: "range",
          step: 1,
          "aria-describedby": words.id,
          on: { input: () => this.slid(letter, slider, output) },
        });
        const node = el("span", { class: "slider" }, labelled(letter, slider), " ", output, " ", words);
        return [letter, { slider, output, words, node, fits: letters[letter].fits }];
      }),
    );
    const typed = { type: "text", class: "short", maxLength: 13, autocomplete: "off" };
    this.rangeInputs = Object.fromEntries(
      names.map((letter) => [letter, el("input", { ...typed, on: { change: () => this.ranged() } })]),
    );
    this.boxes = optional.map(() => el("input", { type: "checkbox", on: { change: () => this.switched() } }));
    fill(
      this.sliders,
      Object.values(this.inputs).map(({ node }) => node),
    );
    fill(
      this.parts,
      this.boxes.map((box, n) => el("label", { class: "check" }, box, " with ", el("code", {}, named(optional[n])))),
    );
    fill(
      this.ranges,
      names.map((letter) => labelled(`List ${letter} =`, this.rangeInputs[letter])),
      names.length ? el("span", { class: "note" }, "such as 2 or 1..3") : null,
    );
  }

  slid(letter, slider, output) {
    output.textContent = slider.value;
    this.counts = { ...this.counts, [letter]: slider.value };
    this.slowly({ counts: write(this.counts) });
  }

  switched() {
    this.changed({ keep: bits(this.boxes.map((box) => box.checked)) });
  }

  ranged() {
    this.changed({
      ranges: write(
        Object.fromEntries(
          Object.entries(this.rangeInputs).map(([letter, input]) => [letter, input.value.trim() || RANGE]),
        ),
      ),
    });
  }

  // -------------------------------------------------------------------------------------------------- the members

  /** List the members; while only the sliders move, the list stays. */
  async listed(pattern, counts) {
    const key = JSON.stringify([pattern, counts]);
    if (key === this.listedFor) return;
    this.listedFor = key;
    try {
      const { family } = await this.line((signal) => this.plan(pattern, { counts, picture: false }, signal));
      this.members(family?.members ?? [], Object.keys(counts));
    } catch (error) {
      if (isStopped(error)) return;
      this.listedFor = null;
      this.words.textContent = error.message;
      fill(this.list);
    }
  }

  members(members, letters) {
    const fits = members.filter((one) => one.fits).length,
      choices = 2 ** this.boxes.length;
    this.words.textContent = members.length
      ? `${members.length} members; ${fits === members.length ? "all fit" : `${fits} fit`}.`
      : "One member.";
    this.rows = members.map((one, n) =>
      el(
        "tr",
        { class: one.fits ? null : "unfit", dataset: { pattern: one.pattern } },
        letters.map((letter) => el("td", {}, String(one.counts[letter]))),
        el("td", {}, one.fits ? one.parameters.toLocaleString("en") : ""),
        el("td", {}, one.fits ? one.multiply_adds.toLocaleString("en") : ""),
        // Members come with each optional part kept first, the last part changing fastest.
        el(
          "td",
          { class: "pattern" },
          button(one.pattern, () => this.pick(one, n % choices), { "aria-label": `Show ${one.pattern}` }),
          one.problem ? el("p", { class: "note" }, named(one.problem)) : null,
        ),
      ),
    );
    fill(
      this.list,
      members.length
        ? el(
            "table",
            {},
            el("caption", { class: "hidden" }, "Members of the family"),
            el(
              "thead",
              {},
              el(
                "tr",
                {},
                [...letters, "parameters", "multiply-adds", "pattern"].map((title) =>
                  el("th", { scope: "col" }, title),
                ),
              ),
            ),
            el("tbody", {}, this.rows),
          )
        : null,
    );
    this.markChosen();
  }

  markChosen() {
    for (const row of this.rows ?? []) {
      if (row.dataset.pattern === this.chosen) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
  }

  pick(one, choice) {
    const parts = this.boxes.length;
    const keep = this.boxes.map((_, n) => (choice & (1 << (parts - 1 - n))) === 0);
    this.use({ counts: write(one.counts), keep: bits(keep) });
  }
}
