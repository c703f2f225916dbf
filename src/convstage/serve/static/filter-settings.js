// The settings of the filter bench, as the address has them.

/** Where the lecture begins: its nine, its filter, and what it does with them. */
export const START = {
  on: "nine",
  kernel: "loopy",
  stride: "1",
  padding: "0",
  flip: "no",
  relu: "yes",
  pool: "max,2,1",
  at: "map,0,0",
};
/** What the filter is laid on. */
export const IMAGES = {
  nine: "the lecture's nine",
  "nine-shifted": "the nine, one column further left",
  walk: "the image of the walk",
  drawing: "a drawing",
};
/** The largest stride, padding, and side of a pooling's window. */
export const LARGEST = { stride: 8, padding: 7, pool: 8 };

/** A text as a whole number within bounds; null when it is none. */
export const whole = (text, low, high) =>
  /^\d+$/.test(text ?? "") && Number(text) >= low && Number(text) <= high ? Number(text) : null;

/** Settings that the address does not say, or says wrongly, are those of the lecture. */
export function settingsOf(state) {
  const now = { ...START, ...state };
  const pool = /^(max|avg),([1-8]),([1-8])$/.exec(now.pool);
  const [step, row, column] = now.at.split(",");
  const isThere = (step === "pooled" && pool) || (step === "rectified" && now.relu === "yes");
  return {
    on: Object.hasOwn(IMAGES, now.on) ? now.on : START.on,
    kernel: now.kernel,
    stride: whole(now.stride, 1, LARGEST.stride) ?? 1,
    padding: whole(now.padding, 0, LARGEST.padding) ?? 0,
    flip: now.flip === "yes",
    relu: now.relu === "yes",
    pool: pool ? { kind: pool[1], size: Number(pool[2]), stride: Number(pool[3]) } : null,
    step: isThere ? step : "map",
    cell: [whole(row, 0, 1e6) ?? 0, whole(column, 0, 1e6) ?? 0],
  };
}
