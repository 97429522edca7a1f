// All stretches of time against all others, as a picture with a pixel for each pair. A click, or Enter, chooses a pair.
const VIRIDIS = [[68, 1, 84], [72, 40, 120], [62, 73, 137], [49, 104, 142], [38, 130, 142], [31, 158, 137], [53, 183, 121],
  [110, 206, 88], [181, 222, 43], [253, 231, 37]];
const shown = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let page = shown.get(parentElement);
  if (!page) {
    const root = parentElement.appendChild(document.createElement("div"));
    root.className = "drift charts";
    page = { box: boxAt(root, 0), width: 0 };
    page.watch = new ResizeObserver(() => root.clientWidth !== page.width && show(page));
    page.watch.observe(root);
    shown.set(parentElement, page);
  }
  page.data = data;
  page.choose = (pair) => setTriggerValue("cell", pair);
  page.picture = picture(data);
  show(page);
  return () => { page.watch.disconnect(); shown.delete(parentElement); };
}

function cells({ starts, step }) {
  const places = starts.map((start) => Math.round((start - starts[0]) / step));
  return { places, count: places.at(-1) + 1 };
}

function picture({ starts, step, most, distances }) {
  const { places, count } = cells({ starts, step });
  const canvas = Object.assign(document.createElement("canvas"), { width: count, height: count });
  const paper = canvas.getContext("2d"), image = paper.createImageData(count, count);
  places.forEach((column, a) => places.forEach((row, b) => {
    image.data.set([...colour(between(distances, a, b) / most), 255], 4 * ((count - 1 - row) * count + column));
  }));
  paper.putImageData(image, 0, 0);
  return canvas.toDataURL();
}

// Distances are kept once for each pair: row `a` begins with the pair of `a` and itself.
function between(distances, a, b) {
  return distances[Math.min(a, b)][Math.abs(a - b)];
}

function colour(share) {
  const at = Math.min(1, share) * (VIRIDIS.length - 1), i = Math.min(VIRIDIS.length - 2, Math.floor(at));
  return VIRIDIS[i].map((low, k) => Math.round(low + (at - i) * (VIRIDIS[i + 1][k] - low)));
}

function show(page) {
  const { data, box } = page, [caption, paper, told] = box.children;
  page.width = box.parentElement.clientWidth;
  if (!page.width) return;
  const { starts, step, side } = data, width = box.clientWidth, height = Math.min(side, width);
  const axis = { kind: "time", from: starts[0], to: starts.at(-1) + step, title: "" };
  const chart = { x: axis, y: axis, height };
  const x = scale(axis, LEFT, width - RIGHT), y = scale(axis, height - BOTTOM, TOP);
  const svg = make("svg", { class: "chart matrix", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", tabindex: 0 });
  svg.setAttribute("aria-label", data.title);
  svg.append(make("image", { href: page.picture, x: LEFT, y: TOP, width: width - LEFT - RIGHT, height: height - TOP - BOTTOM,
    preserveAspectRatio: "none", style: "image-rendering: pixelated" }));
  axes(svg, chart, x, y, width, height);
  const mark = svg.appendChild(make("rect", { class: "cursor", visibility: "hidden",
    width: x(starts[0] + step) - LEFT, height: height - BOTTOM - y(starts[0] + step) }));
  paper.replaceChildren(svg);
  key(caption, data.most);
  follow({ svg, mark, told, x, y, data, choose: page.choose });
}

function key(caption, most) {
  const bar = document.createElement("i");
  bar.style.background = `linear-gradient(to right, ${VIRIDIS.map((rgb) => `rgb(${rgb})`)})`;
  caption.className = "scale";
  caption.replaceChildren("0 ", bar, ` ${most.toPrecision(3)} standard deviations apart`);
}

function follow({ svg, mark, told, x, y, data, choose }) {
  const { starts, step, names, distances } = data, { places } = cells(data), n = starts.length;
  let pair = null;
  const say = (a, b) => {
    pair = [a, b];
    told.textContent = `${names[a]}\n${names[b]}\n${between(distances, a, b)} sd apart`;
    mark.setAttribute("visibility", "visible");
    mark.setAttribute("x", x(starts[a]));
    mark.setAttribute("y", y(starts[b] + step));
    const isRight = places[a] > places[n - 1] / 2, at = x(starts[a]);
    Object.assign(told.style, { left: isRight ? "auto" : `${at + 16}px`, right: isRight ? `calc(100% - ${at - 8}px)` : "auto",
      top: `${y(starts[b])}px` });
  };
  const under = (event) => {
    const box = svg.getBoundingClientRect(), first = starts[0];
    const at = (low, high, of) => places.indexOf(Math.floor(((of - low) / (high - low)) * (places[n - 1] + 1)));
    const a = at(x(first), x(starts[n - 1] + step), event.clientX - box.left);
    const b = at(y(first), y(starts[n - 1] + step), event.clientY - box.top);
    return a < 0 || b < 0 ? null : [a, b];
  };
  const leave = () => { told.textContent = ""; mark.setAttribute("visibility", "hidden"); };
  svg.onpointermove = (event) => { const found = under(event); if (found) say(...found); else leave(); };
  svg.onpointerleave = svg.onblur = leave;
  svg.onclick = (event) => { const found = under(event); if (found) choose(found); };
  svg.onkeydown = (event) => {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (event.key === "Enter" && pair) choose(pair);
    if (!move) return;
    event.preventDefault();
    const [a, b] = pair ?? [n - 1, 0], within = (i) => Math.min(n - 1, Math.max(0, i));
    say(within(a + move[0]), within(b + move[1]));
  };
}
