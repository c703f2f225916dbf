// Maps on canvas: one pixel for each cell, enlarged by the style sheet, drawn when they come into sight.

import { el, setStyle, written } from "./dom.js";

/** So many maps load at a time: the server's answers to clicks shall not wait behind hundreds of maps. */
const AT_ONCE = 4;

const queue = [];
let loading = 0;

/** Load an image; rejects when there is none. */
export async function loadImage(src) {
  const image = new Image();
  image.src = src;
  await image.decode();
  return image;
}

/** Draw an image, cell for pixel. The canvas takes its size. */
export async function drawImage(canvas, src) {
  const image = await loadImage(src);
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  canvas.getContext("2d").drawImage(image, 0, 0);
  canvas.dataset.drawn = src;
  return canvas;
}

const observer = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      observer.unobserve(target);
      queue.push(target);
    }
    next();
  },
  { rootMargin: "200px" },
);

function next() {
  while (loading < AT_ONCE && queue.length) {
    const canvas = queue.shift();
    // It may have gone, or have been given another map, since it was seen.
    if (!canvas.isConnected || !canvas.dataset.src) continue;
    loading++;
    drawImage(canvas, canvas.dataset.src)
      .catch(() =>
        canvas.dispatchEvent(new CustomEvent("missing", { bubbles: true, detail: { src: canvas.dataset.src } })),
      )
      .finally(() => {
        loading--;
        next();
      });
  }
}

/** Draw an image when the canvas is seen; it sends the event `missing` when there is none. */
export function drawWhenSeen(canvas, src) {
  canvas.dataset.src = src;
  delete canvas.dataset.drawn;
  observer.unobserve(canvas);
  observer.observe(canvas);
  return canvas;
}

/** A scale's colours, read from its bar. */
export class Colours {
  constructor(scale, pixels) {
    Object.assign(this, { scale, pixels, count: pixels.length / 4 });
  }

  static async of(scale) {
    const canvas = await drawImage(document.createElement("canvas"), scale.bar);
    return new Colours(scale, canvas.getContext("2d").getImageData(0, 0, canvas.width, 1).data);
  }

  /** Red, green and blue of a value; what is not a number has a colour that no scale has. */
  rgb(value) {
    if (!Number.isFinite(value)) return [255, 0, 255];
    const { low, high, signed } = this.scale;
    const share = high > low ? Math.min(1, Math.max(0, (value - low) / (high - low))) : signed ? 0.5 : 0;
    const at = 4 * Math.round(share * (this.count - 1));
    return [this.pixels[at], this.pixels[at + 1], this.pixels[at + 2]];
  }

  /** Black or white, whichever can be read on a value's colour. */
  ink(value) {
    const [r, g, b] = this.rgb(value).map((part) =>
      part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4,
    );
    return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.18 ? "#000" : "#fff";
  }
}

/** Draw rows of values, a pixel for each; of rows of different lengths the end stays empty. */
export function drawValues(canvas, rows, colours) {
  canvas.height = rows.length;
  canvas.width = Math.max(1, ...rows.map((row) => row.length));
  const context = canvas.getContext("2d"),
    picture = context.createImageData(canvas.width, canvas.height);
  rows.forEach((row, y) =>
    row.forEach((value, x) => picture.data.set([...colours.rgb(value), 255], 4 * (y * canvas.width + x))),
  );
  context.putImageData(picture, 0, 0);
  return canvas;
}

/** A scale as a bar with its ends. */
export function legend(scale) {
  const ends = scale.signed ? [scale.low, 0, scale.high] : [scale.low, scale.high];
  const [low, high] = [written(scale.low), written(scale.high)];
  return el(
    "span",
    { class: "legend", role: "img", "aria-label": `colour scale from ${low} to ${high}` },
    el("img", { class: "pixels", src: scale.bar, alt: "" }),
    el(
      "span",
      { class: "ends", "aria-hidden": "true" },
      ends.map((end) => el("span", {}, written(end))),
    ),
  );
}

/** Where a rectangle of rows and columns, [first, last] each, lies on a map: percentages for the style sheet. */
export function mark(node, rows, columns, [height, width], prefix = "") {
  const share = (n, of) => `${(100 * n) / of}%`;
  setStyle(node, {
    [`--${prefix}y`]: share(rows[0], height),
    [`--${prefix}h`]: share(rows[1] - rows[0] + 1, height),
    [`--${prefix}x`]: share(columns[0], width),
    [`--${prefix}w`]: share(columns[1] - columns[0] + 1, width),
  });
}
