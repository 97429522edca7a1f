// What lies in a chart, by its name: each takes where it goes, its numbers, and the frame.
const px = (v) => Math.round(v * 10) / 10;

function path(layer, ys, { x, y }) {
  let d = "", before = null;
  layer.x.forEach((at, i) => {
    const value = ys[i];
    if (at === null || value === null) { before = null; return; }
    const a = px(x(at)), b = px(y(value));
    d += before === null ? `M${a} ${b}` : layer.step ? `H${a}V${b}` : `L${a} ${b}`;
    before = b;
  });
  return d;
}

function between(layer, { x, y }) {
  const runs = [[]];
  layer.x.forEach((at, i) => (at === null || layer.low[i] === null ? runs.push([]) : runs.at(-1).push(i)));
  return runs.filter((run) => run.length).map((run) => {
    const corner = (of) => (i) => `${px(x(layer.x[i]))} ${px(y(of[i]))}`;
    const steps = (of) => (i, k, all) => (k ? `H${px(x(layer.x[i]))}V${px(y(of[i]))}` : corner(of)(i));
    const back = [...run].reverse();
    if (!layer.step) return `M${run.map(corner(layer.high)).join("L")}L${back.map(corner(layer.low)).join("L")}Z`;
    return `M${run.map(steps(layer.high)).join("")}V${px(y(layer.low[back[0]]))}H${px(x(layer.x[run[0]]))}Z`;
  }).join("");
}

const SHAPES = {
  dot: (a, b) => `M${a} ${b}h0`,
  triangle: (a, b, s) => `M${px(a - s)} ${px(b + 0.8 * s)}h${2 * s}L${a} ${px(b - s)}Z`,
  cross: (a, b, s) => `M${px(a - s)} ${px(b - s)}l${2 * s} ${2 * s}m0 ${-2 * s}l${-2 * s} ${2 * s}`,
};

const MARKS = {
  line: (g, layer, f) => g.append(make("path", { d: path(layer, layer.y, f), fill: "none", stroke: layer.colour,
    "stroke-width": layer.width, "stroke-dasharray": layer.dash.join(" ") || undefined, "stroke-linejoin": "round", "data-mark": "line" })),
  area: (g, layer, f) => g.append(make("path", { d: between(layer, f), fill: layer.colour, opacity: layer.opacity, "data-mark": "area" })),
  points(g, layer, f) {
    if (layer.shape === "none") return;
    const size = layer.size, of = SHAPES[layer.shape];
    const d = layer.x.map((at, i) => of(px(f.x(at)), px(f.y(layer.y[i])), size)).join("");
    const stroked = { stroke: layer.colour, fill: "none", "stroke-width": layer.shape === "dot" ? 2 * size : 1.8, "stroke-linecap": "round" };
    g.append(make("path", { d, opacity: 0.9, "data-mark": layer.shape, ...(layer.shape === "triangle" ? { fill: layer.colour } : stroked) }));
  },
  bars(g, layer, f) {
    layer.x.forEach((at, i) => {
      const top = px(f.y(layer.high[i])), left = px(f.x(at));
      g.append(make("rect", { x: left, y: top, width: Math.max(0.5, px(f.x(layer.end[i])) - left),
        height: Math.max(0, px(f.y(layer.low[i])) - top), fill: layer.colour, opacity: layer.opacity, "data-mark": "bar" }));
    });
  },
  stretches(g, layer, f) {
    layer.x.forEach((at, i) => {
      const left = px(f.x(at)), width = Math.max(1, px(f.x(layer.end[i])) - left), colour = layer.colours[i];
      g.append(make("rect", { x: left, y: f.top, width, height: f.floor - f.top, fill: colour, opacity: layer.opacity, "data-mark": layer.kind }));
      // What is planned has a bar above it, and what fires an edge, so that they are told apart without their colours.
      if (layer.kind === "planned") g.append(make("rect", { x: left, y: 0, width, height: 4, fill: colour }));
      if (layer.kind === "firing") g.append(make("path", { d: `M${left} ${f.top}V${f.floor}`, stroke: colour, "stroke-width": 1.5 }));
      if (layer.kind !== "gap") return;
      const middle = left + width / 2;
      g.append(make("path", { d: SHAPES.cross(px(middle), f.floor - 8, 3.5), stroke: colour, "stroke-width": 1.8 }));
      if (width > 90) g.append(make("text", { x: middle, y: f.floor - 18, "text-anchor": "middle" }, layer.texts[i]));
    });
  },
  moments(g, layer, f) {
    let free = -Infinity;
    layer.x.forEach((at, i) => {
      const a = px(f.x(at));
      g.append(make("path", { d: `M${a} ${f.top}V${f.floor}`, stroke: layer.colour, "stroke-dasharray": "2 3", "stroke-width": 1.5, "data-mark": "moment" }));
      g.append(make("path", { d: `M${a - 4} ${f.top - 6}h8l-4 6Z`, fill: layer.colour }));
      if (a < free || f.floor - f.top < 150) return;  // low charts say it to the pointer alone
      const left = a > f.right - 120;
      const name = g.appendChild(make("text", { x: left ? a - 6 : a + 6, y: f.top + 10, "text-anchor": left ? "end" : "start" }, layer.texts[i]));
      free = a + 12 + name.textContent.length * 6;
    });
  },
  level(g, layer, f) {
    const at = px(f.y(layer.y));
    g.append(make("path", { d: `M${f.left} ${at}H${f.right}`, stroke: layer.colour, "stroke-dasharray": "6 4", "stroke-width": 1.3, "data-mark": "level" }));
    g.append(make("text", { x: f.left + 4, y: at + (layer.above ? -5 : 12), fill: layer.colour, class: "bound" }, layer.text));
  },
};
