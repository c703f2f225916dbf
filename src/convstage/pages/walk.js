// The page: maps that can be clicked and walked over by keyboard, and the receipt of the chosen cell.

const byId = (id) => document.getElementById(id);

/** An element with text and other elements in it; names of data are text, whatever they look like. */
function element(tag, properties = {}, ...inside) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...inside);
  return made;
}

/** A rectangle over a map of so many rows and columns, in percent, for the style sheet. */
function setMark(target, [rows, columns], [height, width], prefix = "") {
  const parts = { y: [rows[0], height], x: [columns[0], width], h: [rows[1] - rows[0], height], w: [columns[1] - columns[0], width] };
  for (const [name, [n, of]] of Object.entries(parts)) target.style.setProperty(`--${prefix}${name}`, `${(100 * n) / of}%`);
}

const oneCell = (row, column) => [[row, row + 1], [column, column + 1]];

/** A layer's maps, or a vector in rows: where the chosen cell is, and how it is drawn. */
class Maps {
  constructor(node, net, show) {
    Object.assign(this, { node, net, i: net.index(node.dataset.layer) });
    this.size = [Number(node.dataset.rows), Number(node.dataset.columns)];
    this.tiles = [...node.querySelectorAll(".tile")];
    this.at = [this.size[0] >> 1, this.size[1] >> 1, 0];
    if (this.isVector) this.at = [0, 0, 0];
    node.addEventListener("click", (event) => this.click(event, show));
    node.addEventListener("keydown", (event) => this.key(event, show));
    // Not with the mouse: what is under it must stay there until it is clicked.
    node.addEventListener("focus", () => node.matches(":focus-visible") && this.draw());
    node.addEventListener("blur", () => this.node.querySelectorAll(".at").forEach((tile) => tile.classList.remove("at")));
  }

  get isVector() { return this.net.layers[this.i].output.length === 1; }

  /** The cell as the network counts it; null where a vector has ended. */
  get cell() {
    const [row, column, map] = this.at;
    if (!this.isVector) return [row, column, map];
    const place = row * this.size[1] + column;
    return place < this.net.layers[this.i].output[0] ? [place] : null;
  }

  /** Row, column and map on the page of a cell as the network counts it. */
  position(cell) {
    return this.isVector ? [Math.floor(cell[0] / this.size[1]), cell[0] % this.size[1], 0] : cell;
  }

  click(event, show) {
    const tile = event.target.closest(".tile");
    if (!tile) return;
    const box = tile.querySelector(".cells").getBoundingClientRect();
    const axis = (position, start, length, n) => Math.min(n - 1, Math.max(0, Math.floor(((position - start) / length) * n)));
    this.at = [axis(event.clientY, box.top, box.height, this.size[0]), axis(event.clientX, box.left, box.width, this.size[1]), this.tiles.indexOf(tile)];
    if (this.cell) show(this.i, this.cell);
  }

  key(event, show) {
    const [row, column, map] = this.at, [rows, columns] = this.size;
    const moved = {
      ArrowUp: [row - 1, column, map], ArrowDown: [row + 1, column, map],
      ArrowLeft: [row, column - 1, map], ArrowRight: [row, column + 1, map],
      Home: [row, 0, map], End: [row, columns - 1, map],
      PageUp: [row, column, map - 1], PageDown: [row, column, map + 1],
    }[event.key];
    if (event.key === "Enter" || event.key === " ") {
      if (this.cell) show(this.i, this.cell, true);
    } else if (moved) {
      const before = this.at;
      this.at = [[moved[0], rows], [moved[1], columns], [moved[2], this.tiles.length]].map(([n, of]) => Math.min(of - 1, Math.max(0, n)));
      if (!this.cell) this.at = before;
      this.draw();
    } else return;
    event.preventDefault();
  }

  /** Show where the keyboard is, and say the value there. */
  draw() {
    const [row, column, map] = this.at, tile = this.tiles[map];
    this.tiles.forEach((other) => other.classList.toggle("at", other === tile));
    setMark(tile, oneCell(row, column), this.size, "a");
    tile.scrollIntoView({ block: "nearest", inline: "nearest" });
    const value = this.net.has(this.i) ? `: ${written(this.net.get(this.i, this.cell))}` : "";
    byId("said").textContent = `${this.net.called(this.i, this.cell)}${value}`;
  }

  mark(area, map) {
    const marked = map === null ? [this.node] : [this.tiles[map]];
    for (const target of marked.filter(Boolean)) {
      target.classList.add("marked");
      setMark(target, area, this.size);
    }
  }
}

/** The image as numbers, all of it or what is around a cell; what has been read is framed. */
function drawMatrix(net, show, [row, column, channel], read) {
  const [height, width, channels] = net.layers[0].output;
  const side = (at, length) => {
    if (length <= 32) return [0, length];
    const start = Math.min(Math.max(0, at - 7), length - 15);
    return [start, start + 15];
  };
  const rows = side(row, height), columns = side(column, width);
  const isAll = read[0][1] - read[0][0] === height && read[1][1] - read[1][0] === width;
  const head = element("tr", {}, element("th"));
  for (let x = columns[0]; x < columns[1]; x++) head.append(element("th", { textContent: x }));
  const body = element("tbody");
  for (let y = rows[0]; y < rows[1]; y++) {
    const line = element("tr", {}, element("th", { textContent: y }));
    for (let x = columns[0]; x < columns[1]; x++) {
      const pixel = net.pixels[(y * width + x) * channels + channel];
      const cell = element("td", { textContent: pixel });
      cell.style.background = `rgb(${pixel}, ${pixel}, ${pixel})`;
      cell.style.color = pixel < 118 ? "#fff" : "#000";
      cell.classList.toggle("read", !isAll && y >= read[0][0] && y < read[0][1] && x >= read[1][0] && x < read[1][1]);
      cell.classList.toggle("chosen", y === row && x === column);
      cell.addEventListener("click", () => show(0, [y, x, channel]));
      line.append(cell);
    }
    body.append(line);
  }
  byId("matrix").replaceChildren(element("thead", {}, head), body);
}

/** Numbers as a small table, so many in a row. */
function table(values, columns, describe = () => "") {
  const made = element("table");
  for (let start = 0; start < values.length; start += columns) {
    const line = element("tr");
    for (let n = start; n < start + columns; n++) line.append(element("td", { textContent: written(values[n]), className: describe(n) }));
    made.append(line);
  }
  return made;
}

class Receipt {
  constructor(net, maps, show) {
    Object.assign(this, { net, maps, show, node: byId("receipt"), from: null });
    byId("close").addEventListener("click", () => this.close());
    byId("copy").addEventListener("click", () => this.copy());
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.close());
  }

  open(i, cell, focus) {
    const { net } = this;
    this.text = net.canExplain(i) ? net.explain(i, cell) : "";
    if (this.node.hidden) this.from = document.activeElement;
    this.node.hidden = false;
    document.body.classList.add("open");
    byId("receipt-title").replaceChildren(`${net.layers[i].name}, `, element("bdi", { textContent: net.called(i, cell) }));
    const chain = net.canExplain(i) ? net.chain(i, cell) : [];
    byId("lines").replaceChildren(...(chain.length ? chain.flatMap((one, n) => this.line(one, n)) : [this.elsewhere(i, cell)]));
    const [rows, columns] = net.field(i, cell);
    byId("field").textContent = `It depends on ${lines("row", rows)}, ${lines("column", columns)} of the image: its receptive field.`;
    byId("views").replaceChildren(...this.views(i, cell, chain[0]));
    Object.assign(byId("copy"), { textContent: "Copy as text", hidden: !this.text });
    this.node.scrollTop = 0;
    if (focus) byId("receipt-title").focus();
    byId("said").textContent = chain.length ? `${byId("receipt-title").textContent}: ${chain[0].text}` : "";
  }

  close() {
    if (this.node.hidden) return;
    this.node.hidden = true;
    document.body.classList.remove("open");
    document.querySelectorAll(".marked").forEach((marked) => marked.classList.remove("marked"));
    this.from?.focus();
  }

  /** What the page leaves out, so as not to become too large, the command line prints. */
  elsewhere(i, cell) {
    const name = this.net.layers[i].name;
    return element("p", {}, "The numbers of this layer would make the page too large. This prints the receipt: ",
      element("code", { textContent: `convstage explain RUN IMAGE --cell ${name}:${cell.join(",")}` }));
  }

  line(one, n) {
    const { net } = this, layer = net.layers[one.i], title = `${layer.name}, ${net.called(one.i, one.cell)}`;
    const found = [element("p", { className: "number sum", dir: "ltr", textContent: one.text })];
    if (n > 0) {
      const link = element("button", { type: "button" }, element("bdi", { textContent: title }));
      link.addEventListener("click", () => this.show(one.i, one.cell, true));
      found.unshift(element("h3", {}, "from ", link));
    }
    if (one.channels) found.push(...this.channels(one));
    if (one.values) found.push(table(one.values, layer.size[1], (at) => (one.source && String(this.window(one, at)) === String(one.source) ? "won" : "")));
    if (one.terms) found.push(this.terms(one));
    return found;
  }

  window(one, at) {
    const { stride, size } = this.net.layers[one.i];
    return [one.cell[0] * stride[0] + Math.floor(at / size[1]), one.cell[1] * stride[1] + (at % size[1]), one.cell[2]];
  }

  /** Patch × filter = products, for each channel; of many, those that add most first. */
  channels(one) {
    const layer = this.net.layers[one.i], wide = layer.size[1], few = 3;
    const order = one.channels.map((channel, c) => ({ ...channel, c })).sort((a, b) => Math.abs(b.sum) - Math.abs(a.sum));
    const top = one.cell[0] * layer.stride[0] - layer.margins[0], left = one.cell[1] * layer.stride[1] - layer.margins[2];
    const outside = (n) => {
      const y = top + Math.floor(n / wide), x = left + (n % wide);
      return y < 0 || x < 0 || y >= layer.input[0] || x >= layer.input[1] ? "outside" : "";
    };
    const draw = (channel) => element("div", {},
      element("p", { className: "note", textContent: `${one.channels.length > 1 ? `channel ${channel.c}: ` : ""}patch × filter = products, their sum ${written(channel.sum)}` }),
      element("div", { className: "patches" }, table(channel.patch, wide, outside), "×", table(channel.weights, wide), "=", table(channel.products, wide)));
    const shown = element("div", {}, ...order.slice(0, few).map(draw));
    if (order.length <= few) return [shown];
    const more = element("button", { type: "button", textContent: `All ${order.length} channels` });
    more.addEventListener("click", () => { shown.append(...order.slice(few).map(draw)); more.remove(); });
    return [element("p", { className: "note", textContent: `The ${few} of ${order.length} channels that add most:` }), shown, more];
  }

  /** The largest products of a unit, each with the value that it comes from. */
  terms(one) {
    const body = element("tbody");
    for (const { place, weight, x, product } of one.terms) {
      const link = element("button", { type: "button", textContent: this.net.called(one.i - 1, [place]) });
      link.addEventListener("click", () => this.show(one.i - 1, [place], true));
      body.append(element("tr", {}, element("td", {}, link), ...[x, weight, product].map((value) => element("td", { textContent: written(value) }))));
    }
    const head = element("tr", {}, ...["from", "value", "weight", "product"].map((name) => element("th", { scope: "col", textContent: name })));
    return element("table", {}, element("thead", {}, head), body);
  }

  /** The image with the receptive field, what the layer has read, and the cell on its own map. */
  views(i, cell, receipt) {
    const { net } = this, shown = [this.view(0, 0, net.field(i, cell), "its receptive field")];
    const below = net.layers[i - 1];
    if (i > 1 && below.output.length === 3 && cell.length === 3) {
      const strongest = receipt?.channels ? this.strongest(receipt.channels) : cell[2];
      const words = receipt?.channels?.length > 1 ? `${below.name}, channel ${strongest}: adds most` : `what it read of ${below.name}`;
      shown.push(this.view(i - 1, strongest, net.before(i, ...oneCell(...cell)), words));
    }
    const own = this.maps.get(i);
    if (own && i > 0) {
      const [row, column, map] = own.position(cell);
      shown.push(this.view(i, map, oneCell(row, column), net.layers[i].name));
    }
    return shown.filter(Boolean);
  }

  strongest(channels) {
    return channels.reduce((best, channel, c) => (Math.abs(channel.sum) > Math.abs(channels[best].sum) ? c : best), 0);
  }

  view(i, map, area, words) {
    const own = this.maps.get(i), image = own?.tiles[map]?.querySelector("img");
    if (!image) return null;
    const frame = element("span", { className: "view" }, element("img", { src: image.src, alt: "" }));
    setMark(frame, area, own.size);
    return element("figure", { className: own.isVector ? "wide" : "" }, frame, element("figcaption", { textContent: words }));
  }

  async copy() {
    try {
      await navigator.clipboard.writeText(this.text);
    } catch {
      // Pages in frames and from files may not use the clipboard; the old way still works there.
      const text = element("textarea", { value: this.text });
      this.node.append(text);
      text.select();
      document.execCommand("copy");
      text.remove();
    }
    byId("copy").textContent = "Copied";
  }
}

function start() {
  const net = new Network(JSON.parse(byId("data").textContent)), maps = new Map();
  const show = (i, cell, focus = false) => {
    document.querySelectorAll(".marked").forEach((marked) => marked.classList.remove("marked"));
    const field = net.field(i, cell), layer = net.layers[i];
    maps.get(0).mark(field, null);
    if (i > 1 && cell.length === 3) maps.get(i - 1)?.mark(net.before(i, ...oneCell(...cell)), layer.kind === "CONV" ? null : cell[2]);
    if (maps.has(i)) {
      const own = maps.get(i), [row, column, map] = own.position(cell);
      own.at = [row, column, map];
      if (i > 0) own.mark(oneCell(row, column), map);
    }
    const middle = ([from, to]) => (from + to) >> 1;
    drawMatrix(net, show, i ? [middle(field[0]), middle(field[1]), 0] : cell, field);
    receipt.open(i, cell, focus);
  };
  const receipt = new Receipt(net, maps, show);
  for (const node of document.querySelectorAll("[data-layer]")) {
    const own = new Maps(node, net, show);
    maps.set(own.i, own);
  }
  for (const button of document.querySelectorAll("[data-class]"))
    button.addEventListener("click", () => show(net.layers.length - 1, [Number(button.dataset.class)], true));
  const [height, width] = net.layers[0].output;
  drawMatrix(net, show, [height >> 1, width >> 1, 0], [[0, 0], [0, 0]]);
}

start();
