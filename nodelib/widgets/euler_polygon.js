// Euler's polygon beside the exact flow, computed and drawn in the browser.
// The numerics come first and are exported: the browser tests compare them with nodelib's.

const RATE = -0.2;
const SPEED = 1.5;
const GROWTH = 1.2;

// Each field: what it is, the time span, the start, the part of the plane to draw, and f(x, y).
export const FIELDS = {
  spiral: {
    label: "Spiral",
    span: 2.5,
    start: [1, 0],
    view: [-2.15, 1.75, -1.1, 1.8],
    axes: ["x", "y"],
    f: ([x, y]) => [RATE * x - SPEED * y, SPEED * x + RATE * y],
    exact: ([x, y], t) => {
      const size = Math.exp(RATE * t);
      const [c, s] = [Math.cos(SPEED * t), Math.sin(SPEED * t)];
      return [size * (c * x - s * y), size * (s * x + c * y)];
    },
  },
  pendulum: {
    label: "Pendulum",
    span: 3,
    start: [1.2, 0],
    view: [-3.1, 3.1, -2.6, 2],
    axes: ["angle", "angular velocity"],
    f: ([x, y]) => [y, -Math.sin(x)],
  },
  logistic: {
    label: "Logistic growth",
    span: 3,
    start: [0, 0.1],
    view: [-0.25, 3.25, -0.15, 1.15],
    axes: ["time", "size"],
    f: ([, y]) => [1, GROWTH * y * (1 - y)],
    exact: ([x, y], t) => [x + t, y / (y + (1 - y) * Math.exp(-GROWTH * t))],
  },
};

export const LAYERS = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128];
const DOUBLING = [1, 2, 4, 8, 16, 32, 64, 128];
const REFERENCE_STEPS = 1000;

const along = (y, step, slope) => [y[0] + step * slope[0], y[1] + step * slope[1]];

// The corners of Euler's polygon: y, y + h f(y), and so on; steps + 1 points.
export function euler(field, steps) {
  const { f, span, start } = FIELDS[field];
  const points = [start];
  for (let n = 0; n < steps; n += 1) points.push(along(points[n], span / steps, f(points[n])));
  return points;
}

function rungeKutta(f, y, step) {
  const k1 = f(y);
  const k2 = f(along(y, step / 2, k1));
  const k3 = f(along(y, step / 2, k2));
  const k4 = f(along(y, step, k3));
  const mean = [0, 1].map((i) => (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]) / 6);
  return along(y, step, mean);
}

// The exact flow at `count` + 1 equal times: a formula where there is one, otherwise the
// classical Runge-Kutta method with steps so small that its error is below 1e-9.
export function flow(field, count) {
  const { f, span, start, exact } = FIELDS[field];
  if (exact) return Array.from({ length: count + 1 }, (_, n) => exact(start, (span * n) / count));
  const inner = Math.ceil(REFERENCE_STEPS / count);
  const points = [start];
  for (let n = 0; n < count; n += 1) {
    let y = points[n];
    for (let m = 0; m < inner; m += 1) y = rungeKutta(f, y, span / (count * inner));
    points.push(y);
  }
  return points;
}

export function endPointError(field, steps) {
  const reached = euler(field, steps)[steps];
  const wanted = flow(field, 1)[1];
  return Math.hypot(reached[0] - wanted[0], reached[1] - wanted[1]);
}

// What a reader sees and hears -------------------------------------------------------------

const short = (value) => Number(value.toPrecision(3)).toString();
const layers = (steps) => (steps === 1 ? "1 layer" : `${steps} layers`);

export function sentence(field, steps) {
  const { label, span } = FIELDS[field];
  const error = short(endPointError(field, steps));
  return `${label}: ${layers(steps)}, step size ${short(span / steps)}, end-point error ${error}.`;
}

let instances = 0;

function add(parent, name, attributes = {}, text = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text) node.textContent = text;
  parent.append(node);
  return node;
}

const path = (points, place) =>
  points.map((point, n) => `${n ? "L" : "M"}${place(point).map((v) => v.toFixed(2)).join(" ")}`).join("");

const WIDE = 520;
const HIGH = 386;

function drawPlane(svg, field, steps) {
  const { f, start, view, axes } = FIELDS[field];
  const [left, right, bottom, top] = view;
  const place = ([x, y]) => [
    (WIDE * (x - left)) / (right - left),
    HIGH - (HIGH * (y - bottom)) / (top - bottom),
  ];
  svg.replaceChildren();
  const arrows = add(svg, "g", { class: "nl-field" });
  for (let column = 0; column < 17; column += 1) {
    for (let row = 0; row < 12; row += 1) {
      const at = [left + ((column + 0.5) * (right - left)) / 17, bottom + ((row + 0.5) * (top - bottom)) / 12];
      const [x, y] = place(at);
      const tip = place(along(at, 1e-3, f(at)));
      const size = Math.hypot(tip[0] - x, tip[1] - y);
      if (size < 1e-9) continue;
      const [dx, dy] = [(8 * (tip[0] - x)) / size, (8 * (tip[1] - y)) / size];
      add(arrows, "path", { d: `M${x - dx} ${y - dy}L${x + dx} ${y + dy}` });
      add(arrows, "circle", { cx: x + dx, cy: y + dy, r: 1.7 });
    }
  }
  const exact = flow(field, 200);
  const polygon = euler(field, steps);
  add(svg, "path", { class: "nl-flow", d: path(exact, place) });
  add(svg, "path", { class: "nl-gap", d: path([exact[200], polygon[steps]], place) });
  add(svg, "path", { class: "nl-euler-line", d: path(polygon, place) });
  const radius = steps > 40 ? 2 : steps > 16 ? 3 : 4.5;
  for (const point of polygon) {
    const [cx, cy] = place(point);
    add(svg, "circle", { class: "nl-euler-dot", cx, cy, r: radius });
  }
  const [endX, endY] = place(exact[200]);
  add(svg, "circle", { class: "nl-end", cx: endX, cy: endY, r: 6 });
  const [startX, startY] = place(start);
  add(svg, "circle", { class: "nl-start", cx: startX, cy: startY, r: 5.5 });
  add(svg, "text", { class: "nl-note", x: WIDE - 12, y: HIGH - 10, "text-anchor": "end" }, axes[0]);
  add(svg, "text", { class: "nl-note", x: 12, y: 20 }, axes[1]);
}

function drawErrors(svg, field, steps) {
  const errors = DOUBLING.map((count) => endPointError(field, count));
  const box = { left: 48, right: 246, top: 16, bottom: 184 };
  const low = Math.floor(Math.log10(Math.min(...errors)));
  const high = Math.ceil(Math.log10(Math.max(...errors)));
  const place = ([count, error]) => [
    box.left + ((box.right - box.left) * Math.log2(count)) / 7,
    box.bottom - ((box.bottom - box.top) * (Math.log10(error) - low)) / (high - low),
  ];
  svg.replaceChildren();
  for (let power = low; power <= high; power += 1) {
    const [x, y] = place([1, 10 ** power]);
    add(svg, "path", { class: "nl-grid", d: `M${x} ${y}H${box.right}` });
    const label = add(svg, "text", { class: "nl-tick", x: x - 8, y: y + 4, "text-anchor": "end" }, "10");
    add(label, "tspan", { dy: -5, "font-size": "9" }, power < 0 ? `−${-power}` : `${power}`);
  }
  for (const count of [1, 4, 16, 64]) {
    const [x] = place([count, 1]);
    add(svg, "text", { class: "nl-tick", x, y: box.bottom + 17, "text-anchor": "middle" }, `${count}`);
  }
  add(svg, "text", { class: "nl-note", x: box.right, y: box.bottom + 34, "text-anchor": "end" }, "number of layers L");
  // The line of slope −1 through the finest error: what a method of order 1 must follow.
  const finest = errors[7];
  const first = Math.max(1, Math.ceil((128 * finest) / 10 ** high));
  add(svg, "path", { class: "nl-slope", d: path([[first, (finest * 128) / first], [128, finest]], place) });
  const [noteX, noteY] = place([16, finest * 8]);
  add(svg, "text", { class: "nl-note", x: noteX + 12, y: noteY - 12 }, "slope −1");
  DOUBLING.forEach((count, n) => {
    const [cx, cy] = place([count, errors[n]]);
    add(svg, "circle", { class: "nl-past", cx, cy, r: 3 });
  });
  const [cx, cy] = place([steps, endPointError(field, steps)]);
  add(svg, "circle", { class: "nl-now", cx, cy, r: 6 });
}

function isDark() {
  const { dataset } = document.documentElement;
  const lab = document.body.dataset.jpThemeLight;
  if (dataset.theme) return dataset.theme === "dark";
  if (lab) return lab === "false";
  if (document.documentElement.hasAttribute("theme")) {
    return document.documentElement.getAttribute("theme") === "dark";
  }
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

function followTheme(root) {
  const update = () => root.setAttribute("data-mode", isDark() ? "dark" : "light");
  const observer = new MutationObserver(update);
  const attributeFilter = ["data-theme", "data-jp-theme-light", "theme"];
  observer.observe(document.documentElement, { attributes: true, attributeFilter });
  observer.observe(document.body, { attributes: true, attributeFilter });
  const query = matchMedia("(prefers-color-scheme: dark)");
  query.addEventListener("change", update);
  update();
  return () => {
    observer.disconnect();
    query.removeEventListener("change", update);
  };
}

// A notebook takes a key pressed outside its editors for a command: an arrow moves to the next
// cell, x cuts this one.  JupyterLab listens on the document before the widget does, so the keys
// are kept from it one step earlier.  The browser still acts on them, and Ctrl+S still saves.
function keepKeys(root) {
  const keep = (event) => {
    const command = event.ctrlKey || event.metaKey || event.altKey;
    if (!command && event.composedPath().includes(root)) event.stopPropagation();
  };
  window.addEventListener("keydown", keep, true);
  return () => window.removeEventListener("keydown", keep, true);
}

function template(id) {
  const options = Object.entries(FIELDS)
    .map(([name, { label }]) => `<option value="${name}">${label}</option>`)
    .join("");
  return `
    <div class="nl-controls">
      <div class="nl-control nl-grow">
        <label for="${id}-steps">Number of layers</label>
        <input id="${id}-steps" type="range" min="0" max="${LAYERS.length - 1}" step="1">
      </div>
      <div class="nl-control">
        <label for="${id}-field">Vector field</label>
        <select id="${id}-field">${options}</select>
      </div>
      <button type="button" class="nl-play">Refine</button>
    </div>
    <div class="nl-pictures">
      <svg class="nl-plane" viewBox="0 0 ${WIDE} ${HIGH}" role="img"></svg>
      <div class="nl-side">
        <dl class="nl-numbers">
          <div><dt>layers L</dt><dd class="nl-layers"></dd></div>
          <div><dt>step size h</dt><dd class="nl-step"></dd></div>
          <div><dt>end-point error</dt><dd class="nl-error"></dd></div>
        </dl>
        <svg class="nl-errors" viewBox="0 0 260 224" role="img"></svg>
      </div>
    </div>
    <p class="nl-legend" aria-hidden="true">
      <span class="nl-key nl-key-flow"></span>exact flow
      <span class="nl-key nl-key-euler"></span>Euler’s polygon, one corner for each layer
      <span class="nl-key nl-key-gap"></span>error
    </p>
    <p class="nl-sentence" aria-live="polite"></p>`;
}

function render({ model, el }) {
  instances += 1;
  const root = document.createElement("div");
  root.className = "nl-euler";
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", "Interactive figure: Euler’s polygon and the exact flow");
  root.innerHTML = template(`nl-euler-${instances}`);
  el.append(root);
  const find = (name) => root.querySelector(name);
  const [slider, select, play] = [find("input"), find("select"), find(".nl-play")];
  let timer = 0;

  function nearest(steps) {
    const distance = (count) => Math.abs(Math.log(count / steps));
    return LAYERS.reduce((best, count, n) => (distance(count) < distance(LAYERS[best]) ? n : best), 0);
  }

  function draw() {
    const [field, steps] = [model.get("field"), model.get("steps")];
    const [step, error] = [FIELDS[field].span / steps, endPointError(field, steps)];
    slider.value = nearest(steps);
    slider.setAttribute("aria-valuetext", layers(steps));
    slider.style.setProperty("--nl-filled", `${(100 * nearest(steps)) / (LAYERS.length - 1)}%`);
    select.value = field;
    drawPlane(find(".nl-plane"), field, steps);
    drawErrors(find(".nl-errors"), field, steps);
    find(".nl-plane").setAttribute(
      "aria-label",
      `${FIELDS[field].label}: the exact flow as a curve and Euler’s polygon of ${layers(steps)}.`,
    );
    find(".nl-errors").setAttribute(
      "aria-label",
      "End-point error against the number of layers, both logarithmic: the points follow a line of slope −1.",
    );
    find(".nl-layers").textContent = steps;
    find(".nl-step").textContent = short(step);
    find(".nl-error").textContent = short(error);
    find(".nl-sentence").textContent = sentence(field, steps);
    Object.assign(root.dataset, { field, steps, stepSize: step, error });
  }

  function choose(name, value) {
    model.set(name, value);
    model.save_changes();
  }

  function stop() {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Refine";
  }

  // Doubles the layers until they are finest; at once for readers who ask for less motion.
  function refine() {
    if (timer) return stop();
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return choose("steps", 128);
    choose("steps", 1);
    play.textContent = "Stop";
    timer = setInterval(() => {
      choose("steps", Math.min(2 * model.get("steps"), 128));
      if (model.get("steps") === 128) stop();
    }, 700);
  }

  slider.addEventListener("input", () => {
    stop();
    choose("steps", LAYERS[Number(slider.value)]);
  });
  select.addEventListener("change", () => choose("field", select.value));
  play.addEventListener("click", refine);
  model.on("change:steps", draw);
  model.on("change:field", draw);
  const unfollow = followTheme(root);
  const release = keepKeys(root);
  draw();
  return () => {
    stop();
    unfollow();
    release();
    model.off("change:steps", draw);
    model.off("change:field", draw);
  };
}

export default { render };
