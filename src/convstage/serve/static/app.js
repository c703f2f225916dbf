// The shell: the run's name, the views as the address says, the colours, and what is said to the user.

import { api, isStopped } from "./api.js";
import { button, el, fill, named, percent } from "./dom.js";
import { state } from "./state.js";

/** The views by their names in the address; the first one is shown when it names none. */
const VIEWS = { walk: "Walk", filter: "Filter bench", pattern: "Pattern bench", learn: "Learn" };
/** Work that takes longer than this, in milliseconds, is shown. */
const MOMENT = 300;

const byId = (id) => document.getElementById(id);

// --------------------------------------------------------------------------------------------------- what is said

let running = 0;

const status = {
  /** Say something to those who cannot see the change. */
  say(text) {
    byId("said").textContent = text;
  },

  /** Show an error until it is closed; one that only says that something newer has come is not shown. */
  fail(error) {
    if (isStopped(error)) return;
    const toast = el("div", { class: "toast error", role: "alert" }, el("p", {}, named(error.message)));
    toast.append(button("Close", () => toast.remove(), { "aria-label": "Close the message" }));
    for (const other of byId("toasts").children) if (other.textContent === toast.textContent) other.remove();
    byId("toasts").append(toast);
  },

  /** Show that something is going on, if it takes longer than a moment. Returns the promise. */
  busy(promise, words) {
    running++;
    const timer = setTimeout(() => {
      byId("busy").textContent = words;
      byId("busy").hidden = false;
      status.say(words);
    }, MOMENT);
    const end = () => {
      clearTimeout(timer);
      if (--running === 0) byId("busy").hidden = true;
    };
    promise.then(end, end);
    return promise;
  },
};

// ------------------------------------------------------------------------------------------------------ the views

let shown = null;

/** Each view keeps its own part of the address while another is shown. */
const lastAddress = {};

function links(current) {
  fill(
    byId("views"),
    Object.entries(VIEWS).map(([name, title]) =>
      el(
        "a",
        {
          href: state.address(lastAddress[name] ?? { view: name }),
          "aria-current": name === current ? "page" : null,
          on: {
            click: (event) => {
              if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
              event.preventDefault();
              goTo(name);
            },
          },
        },
        title,
      ),
    ),
  );
}

function goTo(name) {
  if (name === shown?.name) return;
  const now = state.get(),
    next = lastAddress[name] ?? { view: name };
  const gone = Object.fromEntries(Object.keys(now).map((key) => [key, null]));
  state.set({ ...gone, ...next });
}

const nameOf = (now) => (Object.hasOwn(VIEWS, now.view) ? now.view : Object.keys(VIEWS)[0]);
const load = (name) => import(`./view-${name}.js`);

async function show(now, run) {
  const name = nameOf(now);
  lastAddress[name] = { ...now, view: name };
  if (shown?.name === name) {
    shown.view?.update(now);
    return;
  }
  shown?.view?.unmount();
  const own = { name, view: null };
  shown = own;
  links(name);
  byId("toasts").replaceChildren();
  const container = el("div", { class: `view view-${name}` });
  fill(byId("view"), container);
  document.title = `${VIEWS[name]} · ${run.name} · convstage`;
  try {
    const { mount } = await load(name);
    if (shown !== own) return; // Another view has been chosen while this one was on its way.
    own.view = mount(container, { api, state, run, status });
    own.view.update(state.get());
  } catch (error) {
    status.fail(error);
  }
}

// ------------------------------------------------------------------------------------------------------ the shell

function theme() {
  const select = byId("theme");
  const apply = (value) => {
    if (value === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = value;
  };
  let kept = "auto";
  try {
    kept = localStorage.getItem("theme") ?? "auto";
  } catch {
    // A browser may keep nothing for anyone: the colours are then those of the system each time.
  }
  select.value = ["light", "dark"].includes(kept) ? kept : "auto";
  apply(select.value);
  select.addEventListener("change", () => {
    apply(select.value);
    try {
      localStorage.setItem("theme", select.value);
    } catch {
      // As above.
    }
  });
}

function head(run) {
  const accuracy = run.figures?.accuracy;
  fill(
    byId("run"),
    named(run.name),
    " ",
    el("code", { title: run.pattern }, run.pattern),
    accuracy ? ` accuracy ${percent(accuracy.value)} (${percent(accuracy.low)} to ${percent(accuracy.high)})` : null,
  );
  byId("about").textContent = `convstage ${run.version}`;
}

async function start() {
  theme();
  byId("view").addEventListener("keydown", (event) => event.key === "Escape" && byId("toasts").replaceChildren());
  try {
    // The view's script comes while the server answers; if it cannot be had, `show` says so.
    load(nameOf(state.get())).catch(() => {});
    const run = await api.get("/api/run");
    head(run);
    state.subscribe((now) => show(now, run));
    await show(state.get(), run);
  } catch (error) {
    fill(
      byId("view"),
      el("h1", {}, "The explorer cannot start"),
      el("p", { class: "error", role: "alert" }, named(error.message)),
    );
  }
}

start();
