"use strict";

// ---------------------------------------------------------------- numbers in writing, as convstage.stage.receipt does

/** Round half to even, as Python does; JavaScript rounds halves up. */
function fixed(x, places) {
  const size = Math.abs(x), halves = size * 2 ** (places + 1);
  if (!Number.isInteger(halves) || halves % 2 !== 1) return x.toFixed(places);
  const below = Math.floor(size * 10 ** places);
  return ((Math.sign(x) * (below + (below % 2))) / 10 ** places).toFixed(places);
}

/** A number with as many decimals as it needs and may have: 1, 0.5, but 0.50 for 0.501. */
function written(x, decimals = 2) {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf";
  const isZero = Number(fixed(x, decimals)) === 0;
  for (let places = 0; places <= decimals; places++) {
    const rounded = Number(fixed(x, places));
    if (Math.abs(x - rounded) <= (isZero ? 1e-12 : 1e-6)) return (rounded + 0).toFixed(places);
  }
  if (!isZero) return fixed(x, decimals);
  const [digit, power] = x.toExponential(0).split("e-");
  return power > 4 ? `${digit}e-${power.padStart(2, "0")}` : String(Number(x.toExponential(0)));
}

const guarded = (text) => (text.startsWith("-") ? `(${text})` : text);
const abbreviated = (parts, terms) =>
  parts.length <= terms ? parts : [...parts.slice(0, terms - (terms >> 1)), "…", ...parts.slice(-(terms >> 1))];
const added = (parts, terms) => abbreviated(parts, terms).join(" + ");
const summands = (values) => Array.from(values, (x, i) => (i ? guarded(written(x)) : written(x)));
const products = (values, weights) => summands(values).map((text, i) => `${text}×${guarded(written(weights[i]))}`);
const total = (values) => values.reduce((sum, x) => sum + x, 0);

/** Abramowitz and Stegun 7.1.6: all terms are positive, so that nothing cancels out. */
function erf(x) {
  const size = Math.abs(x);
  if (size > 6) return Math.sign(x);
  let term = size, sum = size;
  for (let n = 1; term > 1e-17 * sum; n++) sum += term *= (2 * size * size) / (2 * n + 1);
  return (Math.sign(x) * 2 * Math.exp(-size * size) * sum) / Math.sqrt(Math.PI);
}

const ACTIVATIONS = {
  relu: (x) => (x > 0 || Number.isNaN(x) ? x : 0),
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  tanh: Math.tanh,
  leaky_relu: (x) => (x > 0 ? x : 0.01 * x),
  elu: (x) => (x > 0 ? x : Math.expm1(x)),
  gelu: (x) => (x * (1 + erf(x / Math.SQRT2))) / 2,
  silu: (x) => x / (1 + Math.exp(-x)),
};

// ------------------------------------------------------------------------------------------- kinds of layers
// needs: which numbers of its own it takes.  value: one number of the layer, from the layer below.
// receipt: the number's arithmetic as text; the one cell that it comes from, if there is one; what to show.

/** The patch under a filter, channel by channel, the filter, and the one times the other. */
function patchOf(net, i, [row, column, filter]) {
  const layer = net.layers[i], [height, width, channels] = layer.input, [high, wide] = layer.size;
  const top = row * layer.stride[0] - layer.margins[0], left = column * layer.stride[1] - layer.margins[2];
  const found = [];
  for (let c = 0; c < channels; c++) {
    const patch = [], weights = [];
    for (let y = 0; y < high; y++)
      for (let x = 0; x < wide; x++) {
        const inside = top + y >= 0 && top + y < height && left + x >= 0 && left + x < width;
        patch.push(inside ? net.get(i - 1, [top + y, left + x, c]) : 0);
        weights.push(net.numbers[layer.weight + ((filter * high + y) * wide + x) * channels + c]);
      }
    const multiplied = patch.map((x, n) => x * weights[n]);
    found.push({ patch, weights, products: multiplied, sum: total(multiplied) });
  }
  return found;
}

function windowOf(net, i, [row, column, filter]) {
  const layer = net.layers[i], cells = [];
  for (let y = 0; y < layer.size[0]; y++)
    for (let x = 0; x < layer.size[1]; x++) cells.push([row * layer.stride[0] + y, column * layer.stride[1] + x, filter]);
  const values = cells.map((cell) => net.get(i - 1, cell));
  // The first maximum wins, but the last NaN.
  const winner = values.reduce((best, x, n) => (Number.isNaN(x) || x > values[best] ? n : best), 0);
  return { cells, values, winner };
}

const normal = (net, i, cell) => {
  const layer = net.layers[i], at = (name) => net.numbers[layer[name] + cell[cell.length - 1]];
  const x = net.get(i - 1, cell), root = Math.sqrt(at("running_var") + layer.epsilon);
  return { x, mean: at("running_mean"), variance: at("running_var"), scale: at("weight"), shift: at("bias"), root };
};

const unit = (net, i, [n]) => {
  const layer = net.layers[i], shown = Math.min(net.terms, layer.input[0]), start = n * shown;
  const found = [];
  for (let s = start; s < start + shown; s++) {
    const place = net.numbers[layer.places + s], weight = net.numbers[layer.weights + s], x = net.get(i - 1, [place]);
    found.push({ place, weight, x, product: x * weight });
  }
  const bias = layer.bias === null ? null : net.numbers[layer.bias + n];
  return { found: found.filter((one) => one.product !== 0), rest: net.numbers[layer.rest + n], bias };
};

const activation = {
  value: (net, i, cell) => ACTIVATIONS[net.layers[i].key](net.get(i - 1, cell)),
  receipt(net, i, cell, value) {
    const text = `${net.layers[i].key}(${written(net.get(i - 1, cell))}) = ${written(value)}`;
    return { text, source: cell };
  },
};

const connected = {
  needs: ["weights"],
  value: (net, i, cell) => {
    const { found, rest, bias } = unit(net, i, cell);
    return total(found.map((one) => one.product)) + rest + (bias ?? 0);
  },
  receipt(net, i, cell, value, terms) {
    const { found, rest, bias } = unit(net, i, cell), largest = found.slice(0, terms), cut = found.slice(terms);
    const others = net.layers[i].input[0] - largest.length, sum = rest + total(cut.map((one) => one.product));
    const parts = products(largest.map((one) => one.x), largest.map((one) => one.weight));
    const left = parts.length ? guarded(written(sum)) : written(sum);
    if (others) parts.push(`${left} (${others.toLocaleString("en")} other${others > 1 ? "s" : ""})`);
    const steps = [parts.join(" + ")];
    if (bias !== null) {
      steps.push(written(total(found.map((one) => one.product)) + rest));
      steps.forEach((step, n) => (steps[n] = `${step} + ${guarded(written(bias))}`));
    }
    return { text: [...steps, written(value)].join(" = "), source: null, terms: largest };
  },
};

const KINDS = {
  INPUT: {
    receipt(net, i, cell, value) {
      const [mean, std] = [net.data.mean, net.data.std].map((of) => guarded(written(of[cell[2]])));
      return { text: `(${net.pixels[net.place(i, cell)]}/255 - ${mean})/${std} = ${written(value)}`, source: null };
    },
  },
  CONV: {
    needs: ["weight"],
    value: (net, i, cell) => total(patchOf(net, i, cell).map((channel) => channel.sum)) + net.bias(i, cell[2]),
    /** All filters of one place at once, without a list for each number: millions of products in a moment. */
    fill(net, i, row, column) {
      const layer = net.layers[i], below = net.values[i - 1], [height, width, channels] = layer.input;
      const [high, wide] = layer.size, filters = layer.output[2], start = net.place(i, [row, column, 0]);
      const top = row * layer.stride[0] - layer.margins[0], left = column * layer.stride[1] - layer.margins[2];
      for (let filter = 0; filter < filters; filter++) {
        let sum = net.bias(i, filter);
        for (let y = Math.max(0, -top); y < Math.min(high, height - top); y++)
          for (let x = Math.max(0, -left); x < Math.min(wide, width - left); x++) {
            const from = ((top + y) * width + left + x) * channels;
            const weight = layer.weight + ((filter * high + y) * wide + x) * channels;
            for (let c = 0; c < channels; c++) sum += below[from + c] * net.numbers[weight + c];
          }
        net.values[i][start + filter] = sum;
      }
    },
    receipt(net, i, cell, value, terms) {
      const channels = patchOf(net, i, cell), bias = net.layers[i].bias === null ? null : net.bias(i, cell[2]);
      const sums = channels.map((channel) => added(products(channel.patch, channel.weights), terms));
      let steps = [sums[0]];
      if (sums.length > 1) {
        steps = [added(sums.map((sum) => `(${sum})`), terms), added(summands(channels.map((one) => one.sum)), terms)];
      } else if (bias !== null) steps.push(written(channels[0].sum));
      if (bias !== null) steps = steps.map((step) => `${step} + ${guarded(written(bias))}`);
      return { text: [...steps, written(value)].join(" = "), source: null, channels };
    },
  },
  POOL: {
    value: (net, i, cell) => {
      const { values, winner } = windowOf(net, i, cell);
      return net.layers[i].pooling === "max" ? values[winner] : total(values) / values.length;
    },
    receipt(net, i, cell, value, terms) {
      const { cells, values, winner } = windowOf(net, i, cell);
      if (net.layers[i].pooling === "max") {
        const parts = abbreviated(values.map((x) => written(x)), terms);
        return { text: `max(${parts.join(", ")}) = ${written(value)}`, source: cells[winner], values };
      }
      const sum = `(${added(summands(values), terms)})/${values.length} = ${written(total(values))}/${values.length}`;
      return { text: `${sum} = ${written(value)}`, source: null, values };
    },
  },
  BN: {
    needs: ["running_mean", "running_var", "weight", "bias"],
    value: (net, i, cell) => {
      const { x, mean, root, scale, shift } = normal(net, i, cell);
      return ((x - mean) / root) * scale + shift;
    },
    receipt(net, i, cell, value) {
      const { x, mean, variance, root, scale, shift } = normal(net, i, cell);
      const rest = `×${guarded(written(scale))} + ${guarded(written(shift))}`;
      const under = `√(${written(variance)} + ${written(net.layers[i].epsilon)})`;
      const first = `(${written(x)} - ${guarded(written(mean))})/${under}${rest}`;
      return { text: `${first} = ${written((x - mean) / root)}${rest} = ${written(value)}`, source: cell };
    },
  },
  GAP: {
    receipt(net, i, [map], value, terms) {
      const [height, width] = net.layers[i].input, values = [];
      for (let cell = 0; cell < height * width; cell++) values.push(net.get(i - 1, [Math.floor(cell / width), cell % width, map]));
      const sum = `(${added(summands(values), terms)})/${values.length} = ${written(total(values))}/${values.length}`;
      return { text: `${sum} = ${written(value)}`, source: null };
    },
  },
  FLATTEN: {
    receipt(net, i, [place], value) {
      const [, width, channels] = net.layers[i].input, cell = Math.floor(place / channels);
      const source = [Math.floor(cell / width), cell % width, place % channels];
      return { text: `the value at ${where(source, "channel")} = ${written(value)}`, source };
    },
  },
  DROPOUT: {
    value: (net, i, cell) => net.get(i - 1, cell),
    receipt: (net, i, cell, value) => ({ text: `unchanged = ${written(value)}`, source: cell }),
  },
  FC: connected,
  CLASSIFIER: connected,
  SOFTMAX: {
    receipt(net, i, [own], value, terms) {
      const logits = Array.from(net.values[i - 1]), t = net.data.temperature, over = t === 1 ? "" : `/${written(t)}`;
      const largest = Math.max(...logits) / t;
      const powers = logits.map((x) => `e^(${written(x)}${over} - ${guarded(written(largest))})`);
      const shares = logits.map((x) => written(Math.exp(x / t - largest)));
      const steps = [powers, shares].map((parts) => `${parts[own]}/(${added(parts, terms)})`);
      return { text: [...steps, written(value)].join(" = "), source: [own] };
    },
  },
};
for (const key of Object.keys(ACTIVATIONS)) KINDS[key.toUpperCase()] = activation;

const where = (cell, noun) =>
  cell.length === 1 ? `${noun} ${cell[0]}` : `row ${cell[0]}, column ${cell[1]}, ${noun} ${cell[2]}`;
const lines = (axis, [from, to]) => (to - from === 1 ? `${axis} ${from}` : `${axis}s ${from} to ${to - 1}`);

// ------------------------------------------------------------------------------------------------ the network

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

/** The layers, and their values: all of them, or as far as they have been asked for. */
class Network {
  constructor(data) {
    this.data = data;
    this.terms = data.products;
    const last = data.layers[data.layers.length - 1];
    this.layers = [...data.layers, { ...last, name: "softmax", kind: "SOFTMAX", key: "softmax", input: last.output }];
    this.numbers = new Float32Array(bytes(data.numbers).buffer);
    this.pixels = bytes(data.pixels);
    this.values = this.layers.map((layer) => this.embedded(layer));
    this.known = this.layers.map(() => null);
    const channels = data.layers[0].output[2];
    const [mean, std] = [data.mean, data.std].map((of) => new Float32Array(of));
    // float32 at each step, as in the network.
    this.values[0] = Float32Array.from(this.pixels, (x, n) =>
      Math.fround(Math.fround(x / 255) - mean[n % channels]) / std[n % channels]);
    const end = this.layers.length - 1, logits = this.values[end - 1];
    if (logits) {
      const scaled = Array.from(logits, (x) => x / data.temperature), largest = Math.max(...scaled);
      const powers = scaled.map((x) => Math.exp(x - largest)), sum = total(powers);
      this.values[end] = Float64Array.from(powers, (x) => x / sum);
    }
  }

  embedded(layer) {
    if (layer.values === null || layer.values === undefined) return null;
    return this.numbers.subarray(layer.values, layer.values + layer.output.reduce((a, b) => a * b, 1));
  }

  index(name) { return this.layers.findIndex((layer) => layer.name === name); }
  bias(i, filter) { return this.layers[i].bias === null ? 0 : this.numbers[this.layers[i].bias + filter]; }

  place(i, cell) {
    const [, width, channels] = this.layers[i].output;
    return cell.length === 1 ? cell[0] : (cell[0] * width + cell[1]) * channels + cell[2];
  }

  /** Whether the page holds what a layer's values, or its receipts, are computed from. */
  has(i) { return this.layers[i].output.length === 1 ? Boolean(this.values[i]) : this.canExplain(i) || this.isWhole(i); }
  isWhole(i) { return Boolean(this.values[i]) && !this.known[i]; }
  canExplain(i) {
    if (i === 0) return true;
    const layer = this.layers[i], needs = KINDS[layer.kind].needs ?? [];
    const isThere = layer.output.length === 3 || Boolean(this.values[i]);
    return isThere && needs.every((name) => Number.isInteger(layer[name])) && this.has(i - 1);
  }

  get(i, cell) {
    if (cell.length === 3) this.need(i, [cell[0], cell[0] + 1], [cell[1], cell[1] + 1]);
    return this.values[i][this.place(i, cell)];
  }

  /** Which rows and columns below a part of a layer reads, without padding. */
  before(i, rows, columns) {
    const { size, stride, margins, input } = this.layers[i];
    if (!size) return [rows, columns];
    const side = ([from, to], axis) => {
      const start = from * stride[axis] - margins[2 * axis], stop = (to - 1) * stride[axis] - margins[2 * axis] + size[axis];
      return [Math.max(0, start), Math.min(input[axis], stop)];
    };
    return [side(rows, 0), side(columns, 1)];
  }

  /** Compute a part of a layer, where it is not there yet, and what it needs of those below. */
  need(i, rows, columns) {
    const layer = this.layers[i], [height, width, channels] = layer.output;
    if (this.isWhole(i)) return;
    this.values[i] ??= new Float32Array(height * width * channels);
    this.known[i] ??= new Uint8Array(height * width);
    const missing = [];
    for (let row = rows[0]; row < rows[1]; row++)
      for (let column = columns[0]; column < columns[1]; column++)
        if (!this.known[i][row * width + column]) missing.push([row, column]);
    if (!missing.length) return;
    this.need(i - 1, ...this.before(i, rows, columns));
    const kind = KINDS[layer.kind];
    for (const [row, column] of missing) {
      if (kind.fill) kind.fill(this, i, row, column);
      else for (let c = 0; c < channels; c++) this.values[i][this.place(i, [row, column, c])] = kind.value(this, i, [row, column, c]);
      this.known[i][row * width + column] = 1;
    }
  }

  /** Receipts from one number downwards, as long as each comes from a single cell. */
  chain(i, cell, terms = 9) {
    const found = [];
    for (let at = cell; at && i >= 0; i--) {
      if (!this.canExplain(i)) break;
      const value = this.value(i, at), receipt = KINDS[this.layers[i].kind].receipt(this, i, at, value, terms);
      found.push({ i, cell: at, value, ...receipt });
      at = receipt.source;
    }
    return found;
  }

  /** A cell's value as its receipt computes it, in double precision from what the layer has read. */
  value(i, cell) {
    const kind = KINDS[this.layers[i].kind];
    return kind.value && i > 0 ? kind.value(this, i, cell) : this.get(i, cell);
  }

  /** Rows and columns of the image that a number depends on. */
  field(i, cell) {
    const [height, width] = this.layers[0].output;
    for (; this.layers[i].output.length === 1; i--) {
      if (this.layers[i].readsAll) return [[0, height], [0, width]];
      if (this.layers[i].input.length === 3) cell = KINDS.FLATTEN.receipt(this, i, cell, 0).source;
    }
    let area = [[cell[0], cell[0] + 1], [cell[1], cell[1] + 1]];
    for (; i > 0; i--) area = this.before(i, ...area);
    return area;
  }

  called(i, cell) {
    const isClass = i >= this.layers.length - 2;
    return isClass ? `class ${this.data.classes[cell[0]]}` : where(cell, this.layers[i].noun);
  }

  /** The whole receipt as text, as convstage.Walk.explain writes it. */
  explain(i, cell, terms = 9) {
    const found = this.chain(i, cell, terms).flatMap((one) => [
      `${this.layers[one.i].name}, ${this.called(one.i, one.cell)}`, `  ${one.text}`]);
    const [rows, columns] = this.field(i, cell);
    return [...found, `receptive field: ${lines("row", rows)}, ${lines("column", columns)} of the image`].join("\n");
  }
}
