// What all widgets share: steps of Runge-Kutta methods, drawing, and the frame around a figure.
// It is put in front of each widget's own module, since a notebook stores one module a widget.

const TABLEAUS = {
  euler: { order: 1, c: [0], a: [[]], b: [1] },
  midpoint: { order: 2, c: [0, 1 / 2], a: [[], [1 / 2]], b: [0, 1] },
  heun2: { order: 2, c: [0, 1], a: [[], [1]], b: [1 / 2, 1 / 2] },
  heun3: { order: 3, c: [0, 1 / 3, 2 / 3], a: [[], [1 / 3], [0, 2 / 3]], b: [1 / 4, 0, 3 / 4] },
  rk4: {
    order: 4,
    c: [0, 1 / 3, 2 / 3, 1],
    a: [[], [1 / 3], [-1 / 3, 1], [1, -1, 1]],
    b: [1 / 8, 3 / 8, 3 / 8, 1 / 8],
  },
  dopri5: {
    order: 5,
    c: [0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1],
    a: [
      [],
      [1 / 5],
      [3 / 40, 9 / 40],
      [44 / 45, -56 / 15, 32 / 9],
      [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
      [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
      [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
    ],
    b: [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0],
    error: [71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40],
  },
};

const along = (y, step, slope) => y.map((value, i) => value + step * slope[i]);
const combine = (weights, k) => k[0].map((_, i) => weights.reduce((sum, w, j) => sum + w * k[j][i], 0));

// One step of an explicit method for dy/dt = f(t, y); `first` is f(t, y) if it is known.
function rungeKuttaStep({ c, a, b }, f, t, y, step, first = f(t, y)) {
  const k = [first];
  for (let i = 1; i < c.length; i += 1) k.push(f(t + c[i] * step, along(y, step, combine(a[i], k))));
  return { y: along(y, step, combine(b, k)), k };
}

// The states after each of `count` equal steps, the start first.
function fixedSteps(method, f, start, from, to, count) {
  const step = (to - from) / count;
  const states = [start];
  for (let n = 0; n < count; n += 1) {
    states.push(rungeKuttaStep(TABLEAUS[method], f, from + n * step, states[n], step).y);
  }
  return states;
}

// The problems that two widgets share: what it is, the time span, the start, the part of the plane
// to draw, f(t, y), and the solution if it has a formula.
const [RATE, SPEED] = [-0.2, 1.5];
const FLOWS = {
  spiral: {
    label: "Spiral",
    span: 2.5,
    start: [1, 0],
    view: [-2.15, 1.75, -1.1, 1.8],
    axes: ["x", "y"],
    f: (t, [x, y]) => [RATE * x - SPEED * y, SPEED * x + RATE * y],
    exact: (t) => [Math.exp(RATE * t) * Math.cos(SPEED * t), Math.exp(RATE * t) * Math.sin(SPEED * t)],
  },
  pendulum: {
    label: "Pendulum",
    span: 3,
    start: [1.2, 0],
    view: [-3.1, 3.1, -2.6, 2],
    axes: ["angle", "angular velocity"],
    f: (t, [x, y]) => [y, -Math.sin(x)],
  },
};

// The states of a method at the ends of its steps; steps + 1 of them.
const pathOf = ({ f, start, span }, method, steps) => fixedSteps(method, f, start, 0, span, steps);

// The exact solution at `count` + 1 equal times, `count` a divisor of 2000: a formula where there
// is one, otherwise rk4 with steps so small that its error is below 1e-11.
const FINE = 2000;
const fine = new Map();
function solutionOf(problem, count) {
  const { span, exact } = problem;
  if (exact) return Array.from({ length: count + 1 }, (_, n) => exact((span * n) / count));
  if (!fine.has(problem)) fine.set(problem, pathOf(problem, "rk4", FINE));
  return fine.get(problem).filter((_, n) => n % (FINE / count) === 0);
}

function endPointErrorOf(problem, method, steps) {
  const reached = pathOf(problem, method, steps)[steps];
  const wanted = solutionOf(problem, 1)[1];
  return Math.hypot(...reached.map((value, i) => value - wanted[i]));
}

// Linear, tanh, …, linear: weights of shape (out, in), as PyTorch keeps them.
function tanhNetwork(layers) {
  return (input) =>
    layers.reduce((values, { weight, bias }, n) => {
      const out = weight.map((row, i) => row.reduce((sum, w, j) => sum + w * values[j], bias ? bias[i] : 0));
      return n < layers.length - 1 ? out.map(Math.tanh) : out;
    }, input);
}

// Drawing -----------------------------------------------------------------------------------

const short = (value) => Number(value.toPrecision(3)).toString().replace("-", "−");
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

function add(parent, name, attributes = {}, text = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text) node.textContent = text;
  parent.append(node);
  return node;
}

const path = (points, place) =>
  points.map((point, n) => `${n ? "L" : "M"}${place(point).map((v) => v.toFixed(2)).join(" ")}`).join("");

// From the coordinates of a view [left, right, bottom, top] to those of a picture.
const placing = ([left, right, bottom, top], { x = 0, y = 0, width, height }) => ([u, v]) => [
  x + (width * (u - left)) / (right - left),
  y + height - (height * (v - bottom)) / (top - bottom),
];

function drawArrows(svg, f, [left, right, bottom, top], place, columns = 17, rows = 12) {
  const arrows = add(svg, "g", { class: "nl-field" });
  for (let column = 0; column < columns; column += 1) {
    for (let row = 0; row < rows; row += 1) {
      const at = [
        left + ((column + 0.5) * (right - left)) / columns,
        bottom + ((row + 0.5) * (top - bottom)) / rows,
      ];
      const [x, y] = place(at);
      const tip = place(along(at, 1e-3, f(at)));
      const size = Math.hypot(tip[0] - x, tip[1] - y);
      if (size < 1e-9) continue;
      const [dx, dy] = [(8 * (tip[0] - x)) / size, (8 * (tip[1] - y)) / size];
      add(arrows, "path", { d: `M${x - dx} ${y - dy}L${x + dx} ${y + dy}` });
      add(arrows, "circle", { cx: x + dx, cy: y + dy, r: 1.7 });
    }
  }
}

function nameAxes(svg, [across, up], { width, height }) {
  add(svg, "text", { class: "nl-note", x: width - 12, y: height - 10, "text-anchor": "end" }, across);
  add(svg, "text", { class: "nl-note", x: 12, y: 20 }, up);
}

// A method's steps, a dot for each, beside the exact solution, and the error between their ends.
function drawBesideExact(svg, exact, steered, place) {
  const spot = (point, attributes) => {
    const [cx, cy] = place(point);
    add(svg, "circle", { cx, cy, ...attributes });
  };
  const steps = steered.length - 1;
  add(svg, "path", { class: "nl-flow", d: path(exact, place) });
  add(svg, "path", { class: "nl-gap", d: path([exact.at(-1), steered[steps]], place) });
  add(svg, "path", { class: "nl-path", d: path(steered, place) });
  const radius = steps > 40 ? 2 : steps > 16 ? 3 : 4.5;
  for (const point of steered) spot(point, { class: "nl-dot", r: radius });
  spot(exact.at(-1), { class: "nl-end", r: 6 });
  spot(exact[0], { class: "nl-start", r: 5.5 });
}

// A power of ten as a label, with its exponent raised.
function drawPower(svg, power, attributes) {
  const label = add(svg, "text", { class: "nl-tick", ...attributes }, "10");
  add(label, "tspan", { dy: -5, "font-size": "9" }, power < 0 ? `−${-power}` : `${power}`);
}

const powers = (low, high) => Array.from({ length: high - low + 1 }, (_, n) => low + n);
const floorPower = (values) => Math.floor(Math.log10(Math.min(...values)));
const ceilPower = (values) => Math.ceil(Math.log10(Math.max(...values)));

// Horizontal lines at powers of ten, every so many that at most six are labeled.
function drawDecades(svg, low, high, place, left, right) {
  const every = Math.max(1, Math.ceil((high - low) / 5));
  for (const power of powers(low, high)) {
    if ((power - low) % every) continue;
    const [, y] = place([0, power]);
    add(svg, "path", { class: "nl-grid", d: `M${left} ${y}H${right}` });
    drawPower(svg, power, { x: left - 8, y: y + 4, "text-anchor": "end" });
  }
}

// The place of the value that is nearest on a logarithmic scale.
function nearest(values, wanted) {
  const distance = (value) => Math.abs(Math.log(value / wanted));
  return values.reduce((best, value, n) => (distance(value) < distance(values[best]) ? n : best), 0);
}

// What a menu offers: the label of each entry.
const labelsOf = (table) => Object.fromEntries(Object.entries(table).map(([name, { label }]) => [name, label]));

// Lets the button `play` step a trait from `first` to `last`, and then stop; at once for readers who
// ask for less motion.  Returns what stops it.
function player({ model, parts, trait, first, last, next, every }) {
  const text = parts.play.textContent;
  let timer = 0;
  function stop() {
    clearInterval(timer);
    timer = 0;
    parts.play.textContent = text;
  }
  parts.play.addEventListener("click", () => {
    if (timer) return stop();
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return parts.choose(trait, last);
    parts.choose(trait, first);
    parts.play.textContent = "Stop";
    timer = setInterval(() => {
      parts.choose(trait, next(model.get(trait)));
      if (model.get(trait) === last) stop();
    }, every);
  });
  return stop;
}

// The frame of a figure: controls, pictures, numbers, a sentence ------------------------------

let instances = 0;

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

const CONTROLS = {
  range: (id, { name, label, last }) => `
    <div class="nl-control nl-grow">
      <label for="${id}-${name}">${label}</label>
      <input id="${id}-${name}" data-name="${name}" type="range" min="0" max="${last}" step="1">
    </div>`,
  select: (id, { name, label, choices }) => `
    <div class="nl-control">
      <label for="${id}-${name}">${label}</label>
      <select id="${id}-${name}" data-name="${name}">${Object.entries(choices)
        .map(([value, text]) => `<option value="${value}">${text}</option>`)
        .join("")}</select>
    </div>`,
  button: (id, { name, text }) => `<button type="button" data-name="${name}">${text}</button>`,
};

// Builds a figure and returns its parts by name.  `pictures` are SVG views: the first is the main
// one, the others stand beside it under the numbers.  `draw(parts)` is called at every change of
// the model's traits, and `parts.say` sets what readers hear and tests read.
function frame({ model, el, kind, label, controls, pictures, numbers, legend, traits, draw }) {
  instances += 1;
  const id = `nl-${kind}-${instances}`;
  const root = document.createElement("div");
  root.className = `nl-widget nl-${kind}`;
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", `Interactive figure: ${label}`);
  const svg = ({ name, width, height }, n) =>
    `<svg class="nl-${n ? "small" : "main"}" data-name="${name}" viewBox="0 0 ${width} ${height}" role="img"></svg>`;
  root.innerHTML = `
    <div class="nl-controls">${controls.map((one) => CONTROLS[one.type](id, one)).join("")}</div>
    <div class="nl-pictures">
      ${svg(pictures[0], 0)}
      <div class="nl-side">
        <dl class="nl-numbers">${numbers
          .map(([name, term]) => `<div><dt>${term}</dt><dd data-name="${name}" class="nl-is-${name}"></dd></div>`)
          .join("")}</dl>
        ${pictures.slice(1).map((one) => svg(one, 1)).join("")}
      </div>
    </div>
    <p class="nl-legend" aria-hidden="true">${legend
      .map(([key, text]) => `<span><span class="nl-key nl-key-${key}"></span>${text}</span>`)
      .join(" ")}</p>
    <p class="nl-sentence" aria-live="polite"></p>`;
  el.append(root);
  const parts = { root };
  root.querySelectorAll("[data-name]").forEach((node) => {
    parts[node.dataset.name] = node;
  });

  parts.choose = (name, value) => {
    model.set(name, value);
    model.save_changes();
  };
  parts.slide = (name, index, text) => {
    parts[name].value = index;
    parts[name].setAttribute("aria-valuetext", text);
    parts[name].style.setProperty("--nl-filled", `${(100 * index) / parts[name].max}%`);
  };
  // What a figure shows: sentence, numbers, descriptions of the pictures, exact data.
  parts.say = ({ sentence, shown, described, data }) => {
    root.querySelector(".nl-sentence").textContent = sentence;
    for (const [name, text] of Object.entries(shown)) parts[name].textContent = text;
    for (const [name, text] of Object.entries(described)) parts[name].setAttribute("aria-label", text);
    Object.assign(root.dataset, data);
  };
  const update = () => draw(parts);
  traits.forEach((trait) => model.on(`change:${trait}`, update));
  const ends = [followTheme(root), keepKeys(root)];
  update();
  parts.leave = () => {
    ends.forEach((end) => end());
    traits.forEach((trait) => model.off(`change:${trait}`, update));
  };
  return parts;
}
