// What all pictures share: where they are put, and their axes: where numbers lie, which are named, and how.
const NS = "http://www.w3.org/2000/svg";
const LEFT = 58, RIGHT = 10, TOP = 8, BOTTOM = 24;
const MINUTE = 60e3, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const STEPS = [1e3, 5e3, 15e3, 30e3, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR,
  3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 4 * DAY, 7 * DAY, 14 * DAY, 28 * DAY, 56 * DAY, 91 * DAY];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function scale({ kind, from, to }, low, high) {
  const f = kind === "log" ? Math.log10 : (v) => v;
  const a = f(from), k = (high - low) / (f(to) - a || 1);
  return (v) => low + k * (f(v) - a);
}

function ticks({ kind, from, to, ticks: given }, room, each) {
  if (given && given.length) return given;
  const most = Math.max(2, Math.floor(room / each));
  if (kind === "time") {
    const step = STEPS.find((s) => (to - from) / s <= most) ?? Math.ceil((to - from) / most / DAY) * DAY;
    return range(Math.ceil(from / step) * step, to, step);
  }
  if (kind === "log") {
    const low = Math.ceil(Math.log10(from) - 1e-9), high = Math.floor(Math.log10(to) + 1e-9);
    const step = Math.max(1, Math.ceil((high - low + 1) / most));
    return range(low, high, step).map((power) => 10 ** power);
  }
  const rough = (to - from) / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((k) => k * power >= rough - 1e-12);
  return range(Math.ceil(from / step - 1e-9) * step, to, step);
}

function range(first, last, step) {
  const found = [];
  for (let i = 0; first + i * step <= last + step * 1e-9; i++) found.push(first + i * step);
  return found;
}

function label(axis, value) {
  if (axis.kind === "time") return moment(value, axis.to - axis.from);
  if (axis.form === "percent") return `${+(100 * value).toFixed(1)}%`.replace("-", "−");
  const size = Math.abs(value);
  const text = size && (size < 1e-3 || size >= 1e5) ? (+value.toPrecision(2)).toExponential() : `${+value.toPrecision(4)}`;
  return text.replace("e+", "e").replaceAll("-", "−");
}

function moment(value, length) {
  const at = new Date(value), two = (n) => `${n}`.padStart(2, "0");
  if (length > 2 * DAY) return `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]}`;
  const clock = `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`;
  return length < 10 * MINUTE ? `${clock}:${two(at.getUTCSeconds())}` : clock;
}

function axes(svg, chart, x, y, width, height) {
  for (const value of ticks(chart.y, height - TOP - BOTTOM, 34)) {
    const at = y(value);
    if (at < TOP - 1 || at > height - BOTTOM + 1) continue;
    svg.append(make("path", { d: `M${LEFT} ${at}H${width - RIGHT}`, class: "grid" }));
    svg.append(make("text", { x: LEFT - 6, y: at + 4, "text-anchor": "end" }, label(chart.y, value)));
  }
  let last = "";
  for (const value of ticks(chart.x, width - LEFT - RIGHT, chart.x.kind === "time" ? 76 : 48)) {
    const at = x(value), text = label(chart.x, value);
    svg.append(make("path", { d: `M${at} ${height - BOTTOM}v4`, class: "tick" }));
    if (text !== last) svg.append(make("text", { x: at, y: height - 7, "text-anchor": "middle" }, text));
    last = text;
  }
  svg.append(make("path", { d: `M${LEFT} ${height - BOTTOM}H${width - RIGHT}`, class: "tick" }));
  const middle = (TOP + height - BOTTOM) / 2;
  const turned = { x: 0, y: 0, transform: `translate(11 ${middle}) rotate(-90)`, "text-anchor": "middle", class: "name" };
  svg.append(make("text", turned, chart.y.title));
  if (chart.x.title) svg.append(make("text", { x: width - RIGHT, y: height - BOTTOM - 6, "text-anchor": "end", class: "name" }, chart.x.title));
}

function boxAt(root, i) {
  if (root.children[i]) return root.children[i];
  const box = document.createElement("figure");
  box.append(document.createElement("figcaption"), document.createElement("div"), document.createElement("output"));
  return root.appendChild(box);
}

function make(name, attributes, text) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}
