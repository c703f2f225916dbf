// What the plan says of the layers: their sizes, and which window of the layer before a cell has read.

/** The last step of a walk, which is no layer of the pattern. */
const SOFTMAX = "softmax";

export class Layers {
  /** @param plan as `GET /api/run` has it */
  constructor(plan) {
    const last = plan.layers.at(-1);
    this.all = [
      ...plan.layers,
      { ...last, name: SOFTMAX, kind: "SOFTMAX", input: last.output, output: last.output, filter: null },
    ];
    this.byName = new Map(this.all.map((layer, index) => [layer.name, { ...layer, index }]));
  }

  get(name) {
    return this.byName.get(name);
  }
  before(name) {
    return this.all[this.get(name).index - 1];
  }
  isMap(name) {
    return this.get(name).output.length === 3;
  }

  /** Whether a cell is one of a layer's. */
  has(name, cell) {
    const layer = this.get(name);
    return (
      layer !== undefined &&
      cell.length === layer.output.length &&
      cell.every((n, axis) => Number.isInteger(n) && n >= 0 && n < layer.output[axis])
    );
  }

  /** The maps that the window of a layer's filter slides over, and that it makes maps of. */
  get sliding() {
    return this.all.filter((layer) => layer.filter && layer.output.length === 3 && layer.input.length === 3);
  }

  /** Rows and columns, [first, last], that a cell's window covers, padding included. */
  window(name, [row, column]) {
    const { filter, stride, padding } = this.get(name);
    const top = row * stride[0] - padding.top,
      left = column * stride[1] - padding.left;
    return { rows: [top, top + filter[0] - 1], columns: [left, left + filter[1] - 1] };
  }

  /** The cell whose window has its middle nearest to a place of the map before. */
  under(name, [row, column]) {
    const { filter, stride, padding, output } = this.get(name);
    const axis = (place, margin, side, step, length) =>
      Math.min(length - 1, Math.max(0, Math.round((place + margin - (side - 1) / 2) / step)));
    return [
      axis(row, padding.top, filter[0], stride[0], output[0]),
      axis(column, padding.left, filter[1], stride[1], output[1]),
    ];
  }

  /** What a cell is called: row 3, column 4, filter 0; unit 5; or a class. */
  called(name, cell, classes) {
    const layer = this.get(name);
    if (cell.length === 3)
      return `row ${cell[0]}, column ${cell[1]}, ${layer.kind === "INPUT" ? "channel" : "filter"} ${cell[2]}`;
    if (layer.index >= this.all.length - 2) return `class ${classes[cell[0]]}`;
    return `${name.startsWith("fc") ? "unit" : "place"} ${cell[0]}`;
  }
}

/** A cell as the address has it: numbers with commas. Null when it is none. */
export function readCell(text) {
  const cell = (text ?? "").split(",").map((part) => (part.trim() === "" ? NaN : Number(part)));
  return cell.every(Number.isInteger) ? cell : null;
}
