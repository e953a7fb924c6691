// A fixed-step method beside the exact solution, and the error of all methods against step size.
// The numerics come first and are exported: the browser tests compare them with nodelib's.

const PULL = 2;

// y' = −p (y − cos 2t): what is left of the start decays, the rest follows the cosine.
const chased = (t) => (PULL * (PULL * Math.cos(2 * t) + 2 * Math.sin(2 * t))) / (PULL * PULL + 4);

// A state of one number is drawn against time.
export const FIELDS = {
  ...FLOWS,
  chase: {
    label: "Chasing a cosine",
    span: 4,
    start: [0],
    view: [-0.2, 4.2, -1.3, 1.9],
    axes: ["time t", "state y"],
    f: (t, [y]) => [-PULL * (y - Math.cos(2 * t))],
    exact: (t) => [chased(t) - chased(0) * Math.exp(-PULL * t)],
  },
};

const METHODS = ["euler", "midpoint", "heun2", "heun3", "rk4"];
const NAMES = { euler: "Euler", midpoint: "Midpoint", heun2: "Heun, order 2", heun3: "Heun, order 3", rk4: "RK4" };
const STEPS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256];
const DOUBLING = [1, 2, 4, 8, 16, 32, 64, 128, 256];

export const states = (field, method, steps) => pathOf(FIELDS[field], method, steps);
export const solution = (field, count) => solutionOf(FIELDS[field], count);
export const endPointError = (field, method, steps) => endPointErrorOf(FIELDS[field], method, steps);

// By which power of the step size the error falls between these steps and half their size.
export function observedOrder(field, method, steps) {
  return Math.log2(endPointError(field, method, steps) / endPointError(field, method, 2 * steps));
}

// What a reader sees and hears -------------------------------------------------------------

const evaluations = (method, steps) => TABLEAUS[method].c.length * steps;

export function sentence(field, method, steps) {
  const { label, span } = FIELDS[field];
  return (
    `${label}, ${NAMES[method]}: ${plural(steps, "step")} of size ${short(span / steps)}, ` +
    `${plural(evaluations(method, steps), "evaluation")}, ` +
    `end-point error ${short(endPointError(field, method, steps))}; ` +
    `half the step size would divide it by ${short(2 ** observedOrder(field, method, steps))}.`
  );
}

const PLANE = { width: 520, height: 386 };

function drawPlane(svg, field, method, steps) {
  const { f, start, span, view, axes } = FIELDS[field];
  const flat = start.length === 1;
  const place = placing(view, PLANE);
  const points = (list) => (flat ? list.map(([y], n) => [(span * n) / (list.length - 1), y]) : list);
  svg.replaceChildren();
  drawArrows(svg, flat ? ([t, y]) => [1, f(t, [y])[0]] : (y) => f(0, y), view, place);
  drawBesideExact(svg, points(solution(field, 200)), points(states(field, method, steps)), place);
  nameAxes(svg, axes, PLANE);
}

function drawErrors(svg, field, method, steps) {
  const { span } = FIELDS[field];
  const errors = METHODS.map((name) => DOUBLING.map((count) => endPointError(field, name, count)));
  const [low, high] = [floorPower(errors.flat()), ceilPower(errors.flat())];
  const box = { left: 48, right: 240, top: 14, bottom: 214 };
  const place = ([step, error]) => [
    box.right + ((box.right - box.left) * Math.log2(step / span)) / 8,
    box.bottom - ((box.bottom - box.top) * (Math.log10(error) - low)) / (high - low),
  ];
  svg.replaceChildren();
  drawDecades(svg, low, high, ([, power]) => place([span, 10 ** power]), box.left, box.right);
  for (const step of [0.01, 0.1, 1]) {
    const [x] = place([step, 1]);
    if (x > box.left - 10) add(svg, "text", { class: "nl-tick", x, y: box.bottom + 17, "text-anchor": "middle" }, `${step}`);
  }
  add(svg, "text", { class: "nl-note", x: box.right, y: box.bottom + 34, "text-anchor": "end" }, "step size h");
  const line = (n) => path(DOUBLING.map((count, i) => [span / count, errors[n][i]]), place);
  METHODS.forEach((name, n) => add(svg, "path", { class: "nl-faint", d: line(n) }));
  const chosen = METHODS.indexOf(method);
  add(svg, "path", { class: "nl-path", d: line(chosen) });
  DOUBLING.forEach((count, i) => {
    const [cx, cy] = place([span / count, errors[chosen][i]]);
    add(svg, "circle", { class: "nl-past", cx, cy, r: 3 });
  });
  const [cx, cy] = place([span / steps, endPointError(field, method, steps)]);
  add(svg, "circle", { class: "nl-now", cx, cy, r: 6 });
}

function render({ model, el }) {
  function draw(parts) {
    const [field, method, steps] = ["field", "method", "steps"].map((trait) => model.get(trait));
    const [step, error] = [FIELDS[field].span / steps, endPointError(field, method, steps)];
    const order = observedOrder(field, method, steps);
    parts.slide("steps", nearest(STEPS, steps), `${plural(steps, "step")} of size ${short(step)}`);
    parts.field.value = field;
    parts.method.value = method;
    drawPlane(parts.plane, field, method, steps);
    drawErrors(parts.errors, field, method, steps);
    parts.say({
      sentence: sentence(field, method, steps),
      shown: { step: short(step), nfe: evaluations(method, steps), error: short(error), order: order.toFixed(2) },
      described: {
        plane: `${FIELDS[field].label}: the exact solution as a curve and ${plural(steps, "step")} of ${NAMES[method]}.`,
        errors: `End-point error against step size, both logarithmic, for five methods; that of ${NAMES[method]} stands out, of order ${TABLEAUS[method].order}.`,
      },
      data: { field, method, steps, nfe: evaluations(method, steps), error, order },
    });
  }

  const parts = frame({
    model,
    el,
    kind: "steps",
    label: "A one-step method, its path and its error",
    controls: [
      { type: "range", name: "steps", label: "Number of steps", last: STEPS.length - 1 },
      { type: "select", name: "method", label: "Method", choices: NAMES },
      { type: "select", name: "field", label: "Problem", choices: labelsOf(FIELDS) },
    ],
    pictures: [
      { name: "plane", ...PLANE },
      { name: "errors", width: 260, height: 252 },
    ],
    numbers: [
      ["step", "step size h"],
      ["nfe", "evaluations of f"],
      ["error", "end-point error"],
      ["order", "observed order"],
    ],
    legend: [
      ["flow", "exact solution"],
      ["path", "the method, a dot for each step"],
      ["gap", "error"],
      ["faint", "the other methods"],
    ],
    traits: ["field", "method", "steps"],
    draw,
  });
  parts.steps.addEventListener("input", () => parts.choose("steps", STEPS[Number(parts.steps.value)]));
  for (const name of ["field", "method"]) {
    parts[name].addEventListener("change", () => parts.choose(name, parts[name].value));
  }
  return parts.leave;
}

export default { render };
