// Rows in a plane. `data` is what `dashboard/scatter.py` packs: the length of a JSON header, the header, and the arrays
// that it lists. The other files of this folder are parts of the same module.

const GROWN = 1.5; // the canvas reaches beyond what is seen, so that it can be moved before it is drawn anew
const QUICK = 6; // milliseconds: what is drawn in them is drawn in each frame, else as soon as the hand rests
const REST = 150; // milliseconds
const KINDS = { f32: Float32Array, u16: Uint16Array, u8: Uint8Array };

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".points");
  root.chart ??= new Chart(root);
  root.chart.show(read(data));
  return () => root.chart.close();
}

function read(bytes) {
  const whole = bytes.slice().buffer; // of its own, so that the arrays in it are aligned
  const length = new DataView(whole).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(whole, 4, length)));
  let from = 4 + length;
  for (const [name, kind, count] of header.arrays) {
    header[name] = new KINDS[kind](whole, from, count);
    from += Math.ceil(header[name].byteLength / 4) * 4;
  }
  return header;
}

class Chart {
  constructor(root) {
    this.root = root;
    this.find = (name) => root.querySelector(`.${name}`);
    [this.canvas, this.surface] = ["canvas", "surface"].map(this.find);
    this.cost = 0;
    this.size = [0, 0];
    this.hidden = 0;
    this.told = -1;
    this.gpu = new Gpu(this.canvas);
    this.find("without").hidden = this.gpu.gl !== null;
    this.canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    this.canvas.addEventListener("webglcontextrestored", () => {
      this.gpu = new Gpu(this.canvas);
      this.gpu.upload(this.shown);
      this.anew();
    });
    listen(this);
    this.sized = new ResizeObserver(() => this.resize());
    this.sized.observe(this.surface);
  }

  show(shown) {
    const isAnother = shown.frame !== this.shown?.frame; // the same plane keeps what was moved and zoomed to
    const isOther = JSON.stringify(shown.legend) !== JSON.stringify(this.shown?.legend);
    this.shown = shown;
    this.grid = new Grid(shown.at);
    if (isOther) this.legend();
    this.ramp();
    this.name();
    this.tell(-1);
    if (isAnother) this.all();
    this.gpu.upload(shown);
    this.anew();
  }

  legend() {
    this.hidden = 0;
    const entries = this.shown.legend.map(({ name, colour }, group) => {
      const entry = document.createElement("button");
      entry.setAttribute("aria-pressed", "true");
      entry.title = "show or hide";
      entry.append(document.createElement("i"), name);
      entry.firstChild.style.background = colour;
      entry.onclick = () => {
        this.hidden ^= 1 << group;
        entry.setAttribute("aria-pressed", String(!((this.hidden >> group) & 1)));
        this.tell(-1);
        this.anew();
      };
      return entry;
    });
    this.find("legend").replaceChildren(...entries);
  }

  ramp() {
    const scale = this.shown.scale;
    this.find("scale").hidden = !scale;
    if (!scale) return;
    this.find("ramp").style.background = `linear-gradient(to right, ${scale.colours.join(", ")})`;
    for (const name of ["low", "high", "title"]) this.find(name).textContent = scale[name];
  }

  name() {
    [this.find("across").textContent, this.find("up").textContent] = this.shown.axes;
    this.surface.setAttribute("aria-label", this.shown.label);
    this.names = this.shown.names.map(({ name, x, y, style }) => {
      const drawn = Object.assign(document.createElement("span"), { textContent: name, className: style });
      return { drawn, x, y };
    });
    this.find("names").replaceChildren(...this.names.map((each) => each.drawn));
  }

  resize() {
    const wasNothing = !this.size[0];
    this.size = [this.surface.clientWidth, this.surface.clientHeight];
    this.ratio = Math.min(2, window.devicePixelRatio || 1);
    [this.canvas.width, this.canvas.height] = this.size.map((side) => Math.max(1, Math.round(side * GROWN * this.ratio)));
    if (wasNothing && this.shown) this.all();
    this.painted = null;
    this.paint(); // at once: a canvas that gets another size is empty
  }

  all() {
    const [left, low, right, high] = this.grid.box;
    this.view = { x: (left + right) / 2, y: (low + high) / 2, scale: 1 };
    this.view.scale = 0.92 * Math.min(this.size[0] / (right - left || 1), this.size[1] / (high - low || 1)) || 1;
    this.draw();
  }

  draw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.paint();
    });
  }

  // The next frame is drawn, and not what was drawn before moved to its place.
  anew() {
    this.painted = null;
    this.draw();
  }

  paint() {
    const { size, view, shown, told } = this;
    if (!shown || !size[0]) return;
    const place = (x, y) =>
      `translate(${size[0] / 2 + (x - view.x) * view.scale}px, ${size[1] / 2 - (y - view.y) * view.scale}px)`;
    this.label(place);
    this.find("ring").hidden = told < 0;
    if (told >= 0) this.find("ring").style.transform = place(shown.at[2 * told], shown.at[2 * told + 1]);
    clearTimeout(this.resting);
    if (this.cost < QUICK || !this.isCovered()) this.repaint();
    else this.resting = setTimeout(() => this.anew(), REST);
    const { painted } = this, by = view.scale / painted.scale;
    const [right, down] = [(painted.x - view.x) * view.scale, (view.y - painted.y) * view.scale];
    this.canvas.style.transform = `translate(${right}px, ${down}px) scale(${by})`;
  }

  // Of names that would lie upon one another the first is shown.
  label(place) {
    const { view } = this, kept = [];
    for (const each of this.names) {
      const { drawn, x, y } = each;
      each.width ||= drawn.offsetWidth;
      const lies = (o) => Math.abs(o.x - x) * view.scale < (o.width + each.width) / 2 && Math.abs(o.y - y) * view.scale < 16;
      const isFree = !kept.some(lies);
      if (isFree) kept.push(each);
      drawn.style.transform = `${place(x, y)} translate(-50%, -50%)`;
      drawn.style.visibility = isFree ? "visible" : "hidden";
    }
  }

  repaint() {
    const size = this.size.map((side) => side * GROWN);
    this.painted = { ...this.view };
    this.cost = this.gpu.paint(this.shown, this.view, size, this.ratio, this.hidden);
  }

  isCovered() {
    const { painted, view, size } = this;
    if (!painted) return false;
    const by = view.scale / painted.scale;
    const apart = [(painted.x - view.x) * view.scale, (painted.y - view.y) * view.scale];
    return by < 2 && apart.every((moved, side) => Math.abs(moved) <= (size[side] * (GROWN * by - 1)) / 2);
  }

  pan(right, down) {
    this.view.x += right / this.view.scale;
    this.view.y -= down / this.view.scale;
    this.draw();
  }

  // What lies at (x, y) of the canvas stays there.
  zoom(by, x = this.size[0] / 2, y = this.size[1] / 2) {
    const [right, down] = [x - this.size[0] / 2, y - this.size[1] / 2];
    this.pan(right, down);
    this.view.scale *= by;
    this.pan(-right, -down);
  }

  under(x, y, reach) {
    const { view, shown, size } = this;
    const [right, up] = [x - size[0] / 2, size[1] / 2 - y];
    const isShown = (i) => !((this.hidden >> shown.group[i]) & 1);
    return this.grid.nearest(view.x + right / view.scale, view.y + up / view.scale, reach / view.scale, isShown);
  }

  tell(i, at) {
    const tip = this.find("tip");
    if (i !== this.told) {
      this.told = i;
      tip.hidden = i < 0;
      tip.replaceChildren(...(i < 0 ? [] : this.facts(i)));
      this.draw();
    }
    if (i < 0) return;
    const [x, y] = at.map((a, side) => {
      const length = side ? tip.offsetHeight : tip.offsetWidth;
      return Math.max(0, a > this.size[side] / 2 ? a - length - 14 : a + 14);
    });
    tip.style.transform = `translate(${x}px, ${y}px)`;
  }

  facts(i) {
    const { shown } = this;
    const line = (kind, textContent) => Object.assign(document.createElement(kind), { textContent });
    const told = shown.facts.flatMap(({ title, array, words }) => {
      const value = shown[array][i];
      const number = Number.isFinite(value) ? String(Number(value.toPrecision(3))) : "";
      const text = words ? words[value] : number;
      return text ? [line("div", `${title} ${text}`)] : [];
    });
    return [line("b", shown.ids[i] || (shown.group[i] ? "no id" : "row of the reference")), ...told];
  }

  close() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.resting);
    this.sized.disconnect();
    this.gpu.close();
  }
}
