// What the page shows, as the address says it: an address can be shared, and goes back and forward with the browser.

const listeners = new Set();

/** The state: names and texts, none of them empty. */
export const get = () =>
  Object.fromEntries([...new URLSearchParams(location.search)].filter(([, value]) => value !== ""));

/** The address of a state; what is null is left out. */
export function address(state) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(state))
    if (value !== null && value !== undefined && value !== "") query.set(name, value);
  // These are fine in a query, and an address with them can be read.
  const text = query.toString().replaceAll("%2C", ",").replaceAll("%3A", ":").replaceAll("%2F", "/");
  return text ? `${location.pathname}?${text}` : location.pathname;
}

/**
 * Change some of the state; what is set to null goes.
 *
 * `replace` changes the current entry of the browser's history: for what changes while it is being dragged or typed.
 */
export function set(changes, { replace = false } = {}) {
  const before = get(),
    next = { ...before };
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") delete next[name];
    else next[name] = String(value);
  }
  if (address(next) === address(before)) return;
  history[replace ? "replaceState" : "pushState"](null, "", address(next));
  tell();
}

/** Call a function with every new state; returns a function that ends it. */
export function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell() {
  const state = get();
  for (const listener of [...listeners]) listener(state);
}

window.addEventListener("popstate", tell);

/** What the views share that no address can hold: the walk of the image in use, as the server answered it. */
export const session = { walk: null };

export const state = { get, set, address, subscribe, session };
