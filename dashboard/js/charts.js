// Charts from columns of numbers, as SVG. All text is set as text and never as HTML.
// A chart is drawn again when its numbers or its width change. Arrow keys go from window to window, as the pointer does.
const NEAR = 14;  // pixels from the pointer within which a window is told of
const shown = new WeakMap();

export default function ({ data, parentElement }) {
  let page = shown.get(parentElement);
  if (!page) {
    const root = parentElement.appendChild(document.createElement("div"));
    root.className = "drift charts";
    page = { root, charts: [], width: 0 };
    page.watch = new ResizeObserver(() => root.clientWidth !== page.width && redraw(page));
    page.watch.observe(root);
    shown.set(parentElement, page);
  }
  page.root.style.setProperty("--least", `${data.least}px`);
  page.charts = data.charts.map((chart, i) => ({ chart, box: boxAt(page.root, i) }));
  while (page.root.children.length > data.charts.length) page.root.lastChild.remove();
  redraw(page);
  return () => { page.watch.disconnect(); shown.delete(parentElement); };
}

function redraw(page) {
  page.width = page.root.clientWidth;
  if (!page.width) return;
  // All are measured before any is drawn, for to measure after a change lays out the whole page.
  const widths = page.charts.map(({ box }) => box.clientWidth);
  page.charts.forEach(({ chart, box }, i) => draw(chart, box, widths[i]));
}

function draw(chart, box, width) {
  const [caption, paper, told] = box.children, height = chart.height;
  const hasFocus = paper.contains(document.activeElement);
  head(chart, caption);
  const x = scale(chart.x, LEFT, width - RIGHT), y = scale(chart.y, height - BOTTOM, TOP);
  const svg = make("svg", { class: "chart", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", tabindex: 0 });
  svg.setAttribute("aria-label", chart.title);
  axes(svg, chart, x, y, width, height);
  const inside = svg.appendChild(make("g", {}));
  const frame = { x, y, left: LEFT, right: width - RIGHT, top: TOP, floor: height - BOTTOM };
  for (const layer of chart.layers) MARKS[layer.mark](inside, layer, frame);
  const cursor = svg.appendChild(make("circle", { r: 5, class: "cursor", visibility: "hidden" }));
  paper.replaceChildren(svg);
  if (hasFocus) svg.focus({ preventScroll: true });
  told.textContent = "";
  listen(svg, chart, frame, cursor, told);
}

function head(chart, caption) {
  caption.replaceChildren();
  if (!chart.heading) return;
  const name = document.createElement(chart.href ? "a" : "h3");
  name.textContent = chart.heading;
  if (chart.href) Object.assign(name, { href: chart.href, target: "_self" });
  const note = document.createElement("span"), key = document.createElement("p");
  note.textContent = chart.note;
  key.className = "key";
  for (const [text, colour, style] of chart.key) {
    const sample = document.createElement("i"), entry = document.createElement("span");
    Object.assign(sample, { className: style }).style.color = colour;
    entry.append(sample, text);
    key.append(entry);
  }
  caption.append(name, " ", chart.key.length ? key : note);
}

// ---- what the pointer and the arrow keys say

function listen(svg, chart, frame, cursor, told) {
  const points = chart.layers.filter((layer) => layer.mark === "points" && layer.tips.length)
    .flatMap((layer) => layer.x.map((at, i) => ({ x: frame.x(at), y: frame.y(layer.y[i]), tip: layer.tips[i] })))
    .sort((a, b) => a.x - b.x);
  const around = (at) => chart.layers.flatMap((layer) => {
    if (!layer.tips?.length || layer.mark === "points") return [];
    const ends = layer.end ?? layer.x;
    return layer.tips.filter((_, i) => at >= frame.x(layer.x[i]) - 4 && at <= frame.x(ends[i]) + 4);
  });
  let place = -1;
  const say = (i, at) => {
    place = i;
    const tips = [...(i < 0 ? [] : [points[i].tip]), ...around(at)];
    told.textContent = tips.join("\n");
    cursor.setAttribute("visibility", i < 0 ? "hidden" : "visible");
    if (i >= 0) { cursor.setAttribute("cx", points[i].x); cursor.setAttribute("cy", points[i].y); }
    const isRight = at > (frame.left + frame.right) / 2;
    Object.assign(told.style, { left: isRight ? "auto" : `${at + 12}px`, right: isRight ? `calc(100% - ${at - 12}px)` : "auto" });
  };
  svg.onpointermove = (event) => {
    const box = svg.getBoundingClientRect(), a = event.clientX - box.left, b = event.clientY - box.top;
    const far = (p) => Math.abs(p.x - a) + 0.2 * Math.abs(p.y - b);
    const near = points.reduce((best, p, i) => (far(p) < (best < 0 ? Infinity : far(points[best])) ? i : best), -1);
    say(near >= 0 && Math.abs(points[near].x - a) <= NEAR ? near : -1, a);
  };
  svg.onpointerleave = svg.onblur = () => { told.textContent = ""; cursor.setAttribute("visibility", "hidden"); };
  svg.onkeydown = (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !points.length) return;
    event.preventDefault();
    const next = place < 0 && step < 0 ? points.length - 1 : Math.min(points.length - 1, Math.max(0, place + step));
    say(next, points[next].x);
  };
}
