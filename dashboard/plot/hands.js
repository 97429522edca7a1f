// Pointer, wheel and keys: what they do to a chart.

const REACH = 10; // pixels within which a point is under the pointer
const KEYS = { ArrowLeft: [-60, 0], ArrowRight: [60, 0], ArrowUp: [0, -60], ArrowDown: [0, 60] };
const ZOOMS = { "+": 1.4, "=": 1.4, "-": 1 / 1.4, _: 1 / 1.4 };

function listen(chart) {
  const { surface, find } = chart;
  const pointers = new Map();
  const on = (name, heard) => surface.addEventListener(name, heard);
  on("pointerdown", (event) => {
    surface.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
    chart.root.classList.remove("keyed");
  });
  for (const name of ["pointerup", "pointercancel"]) on(name, (event) => pointers.delete(event.pointerId));
  on("pointermove", (event) => moved(chart, pointers, event));
  on("pointerleave", () => pointers.size || chart.tell(-1));
  on("dblclick", () => chart.all());
  const wheeled = (event) => {
    event.preventDefault();
    chart.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.offsetX, event.offsetY);
  };
  surface.addEventListener("wheel", wheeled, { passive: false });
  on("keydown", (event) => pressed(chart, event));
  on("blur", () => chart.root.classList.remove("keyed"));
  find("closer").onclick = () => chart.zoom(1.4);
  find("further").onclick = () => chart.zoom(1 / 1.4);
  find("whole").onclick = () => chart.all();
}

function moved(chart, pointers, event) {
  const before = pointers.get(event.pointerId), now = [event.offsetX, event.offsetY];
  if (!before) return chart.tell(chart.under(...now, REACH), now);
  pointers.set(event.pointerId, now);
  const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
  const share = other ? 0.5 : 1; // two fingers move by their middle, and zoom by how far they are apart
  chart.pan(share * (before[0] - now[0]), share * (before[1] - now[1]));
  if (other) {
    const apart = ([x, y]) => Math.hypot(x - other[0], y - other[1]) || 1;
    chart.zoom(apart(now) / apart(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
  }
  chart.tell(-1);
}

function pressed(chart, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key in KEYS) chart.pan(...KEYS[event.key]);
  else if (event.key in ZOOMS) chart.zoom(ZOOMS[event.key]);
  else if (event.key === "0" || event.key === "Home") chart.all();
  else return;
  event.preventDefault();
  chart.root.classList.add("keyed"); // a cross at the centre takes the pointer's place
  const [width, height] = chart.size;
  chart.tell(chart.under(width / 2, height / 2, 3 * REACH), [width / 2, height / 2]);
}
