// Elements with text and other elements in them. Names of data are text, whatever they look like: nothing parses HTML.

/**
 * Make an element.
 *
 * Properties: `class`, `dataset`, `style` (an object, set through the CSSOM), `on` (an object of listeners);
 * `aria-…`, `role` and other names with a dash become attributes, all others properties of the element.
 * A property that is null or undefined is left out. Children: elements, texts, lists of them; null is left out.
 */
export function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (name === "class") made.className = value;
    else if (name === "dataset") Object.assign(made.dataset, value);
    else if (name === "style") setStyle(made, value);
    else if (name === "on")
      for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    else if (name.includes("-") || ATTRIBUTES.has(name)) made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...given(children));
  return made;
}

/** What HTML knows as attributes only, or by another name. */
const ATTRIBUTES = new Set(["role", "for", "list", "colspan", "rowspan", "scope", "form", "inputmode", "enterkeyhint"]);

const given = (children) =>
  children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);

/** Set styles, custom properties (`--x`) too; a style sheet's policy allows this, but no `style` attribute. */
export function setStyle(node, styles) {
  for (const [name, value] of Object.entries(styles)) node.style.setProperty(name, value);
}

/** Put children in the place of what a node has. */
export function fill(node, ...children) {
  node.replaceChildren(...given(children));
  return node;
}

/** A name from a data set, isolated, so that one written from right to left does not turn its neighbours. */
export const named = (text) => el("bdi", {}, String(text));

/** A button with a label and what it does. */
export const button = (label, action, properties = {}) =>
  el("button", { type: "button", ...properties, on: { click: action, ...(properties.on ?? {}) } }, label);

let count = 0;
/** An id that no other element has. */
export const fresh = (stem = "id") => `${stem}-${++count}`;

/** A labelled control: the label's text first, the control after it. */
export function labelled(text, control, properties = {}) {
  control.id ||= fresh("control");
  return el("span", { class: "labelled", ...properties }, el("label", { for: control.id }, text), control);
}

/** A select: options are [value, text] or text. */
export function select(options, value, changed, properties = {}) {
  const made = el("select", { ...properties, on: { change: () => changed(made.value) } });
  setOptions(made, options, value);
  return made;
}

export function setOptions(made, options, value) {
  fill(
    made,
    options.map((option) => {
      const [own, text] = Array.isArray(option) ? option : [option, option];
      return el("option", { value: own, selected: String(own) === String(value) }, String(text));
    }),
  );
}

/** Call a function once, when nothing has called for it in so many milliseconds. */
export function debounced(action, wait = 150) {
  let timer = 0;
  const later = (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...values), wait);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}

/** A number for people: three significant digits, no more decimals than needed; what is not finite is text already. */
export function written(value, digits = 3) {
  if (value === null || value === undefined) return "";
  if (typeof value === "string") return value;
  if (!Number.isFinite(value)) return String(value);
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6))
    return value.toExponential(1).replace("e+", "e");
  return String(Number(value.toPrecision(digits)));
}

/** A number in a table: two decimals at most, but something of what is very small. */
export function short(value) {
  if (typeof value !== "number" || !Number.isFinite(value)) return written(value);
  if (value !== 0 && Math.abs(value) < 0.005) return value.toExponential(0);
  return Math.abs(value) >= 1e5 ? written(value) : String(Number(value.toFixed(2)));
}

export const percent = (share, decimals = 1) => `${(100 * share).toFixed(decimals)}%`;

/** The sizes of a shape: 28×28×1. */
export const size = (shape) => shape.join("×");
