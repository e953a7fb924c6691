// The adaptive solver dopri5 along an orbit, in the browser, step for step as nodelib takes them.
// The numerics come first and are exported: the browser tests compare them with nodelib's.

const ECCENTRICITY = 0.8;
const STIFFNESS = 5;

export const PROBLEMS = {
  kepler: {
    label: "Kepler orbit",
    span: 2 * Math.PI,
    start: [1 - ECCENTRICITY, 0, 0, Math.sqrt((1 + ECCENTRICITY) / (1 - ECCENTRICITY))],
    view: [-2.1, 0.6, -1, 1],
    axes: ["x", "y"],
    f: (t, [x, y, u, v]) => {
      const cube = Math.hypot(x, y) ** 3;
      return [u, v, -x / cube, -y / cube];
    },
    periodic: true,
  },
  vanderpol: {
    label: "Van der Pol oscillator",
    span: 11.6,
    start: [2, 0],
    view: [-2.9, 2.9, -8.6, 8.6],
    axes: ["x", "velocity of x"],
    f: (t, [x, v]) => [v, STIFFNESS * (1 - x * x) * v - x],
  },
};

const ORDER = 5;
const [SAFETY, SMALLEST, LARGEST] = [0.9, 0.2, 10];
const DIGITS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

const rms = (v, scale) => Math.sqrt(v.reduce((sum, x, i) => sum + (x / scale[i]) ** 2, 0) / v.length);

// The length of a first step whose error should be near the tolerance (HNW II.4).
export function initialStep(f, start, first, span, tolerance) {
  const scale = start.map((y) => tolerance * (1 + Math.abs(y)));
  const [size, speed] = [rms(start, scale), rms(first, scale)];
  const guess = Math.min(Math.min(size, speed) < 1e-5 ? 1e-6 : (0.01 * size) / speed, span / 2);
  const next = f(guess, along(start, guess, first));
  const change = rms(along(next, -1, first), scale) / guess;
  const largest = Math.max(speed, change);
  const step = largest <= 1e-15 ? Math.max(1e-6, guess * 1e-3) : (0.01 / largest) ** (1 / ORDER);
  return Math.min(100 * guess, step, span);
}

// The steps of dopri5 with rtol = atol = tolerance: times and states after each accepted one,
// where rejected ones began, and the number of evaluations.
export function solve(f, start, span, tolerance) {
  const { error: weights } = TABLEAUS.dopri5;
  const result = { times: [0], states: [start], rejected: [], nfe: 2 };
  let [t, y, slope] = [0, start, f(0, start)];
  let size = initialStep(f, start, slope, span, tolerance);
  while (t < span) {
    const landing = t + size > span;
    const [end, step] = landing ? [span, span - t] : [t + size, size];
    const { y: next, k } = rungeKuttaStep(TABLEAUS.dopri5, f, t, y, step, slope);
    result.nfe += 6;
    const scale = y.map((value, i) => tolerance * (1 + Math.max(Math.abs(value), Math.abs(next[i]))));
    const error = step * rms(combine(weights, k), scale);
    const wanted = SAFETY * error ** (-1 / ORDER);
    const factor = Math.min(LARGEST, Math.max(error < 1 ? 1 : SMALLEST, wanted));
    if (error <= 1) {
      [t, y, slope] = [end, next, k[6]];
      result.times.push(t);
      result.states.push(y);
    } else {
      result.rejected.push(y);
    }
    size = step * factor;
  }
  return result;
}

const solved = {};
export function orbit(problem, digits) {
  const { f, start, span } = PROBLEMS[problem];
  return (solved[`${problem} ${digits}`] ??= solve(f, start, span, 10 ** -digits));
}

// The distance from the exact end: the start, where the orbit is periodic, or else a solution
// with a tolerance of 1e-13.
export function endPointError(problem, digits) {
  const { start, periodic } = PROBLEMS[problem];
  const exact = periodic ? start : orbit(problem, 13).states.at(-1);
  return Math.hypot(...orbit(problem, digits).states.at(-1).map((y, i) => y - exact[i]));
}

// What a reader sees and hears -------------------------------------------------------------

const steps = ({ times }) => times.length - 1;

export function sentence(problem, digits) {
  const found = orbit(problem, digits);
  return (
    `${PROBLEMS[problem].label}, tolerance ${short(10 ** -digits)}: ${plural(steps(found), "step")} accepted, ` +
    `${found.rejected.length} rejected, ${plural(found.nfe, "evaluation")}, ` +
    `end-point error ${short(endPointError(problem, digits))}.`
  );
}

const PLANE = { width: 520, height: 386 };

function drawPlane(svg, problem, digits) {
  const { view, axes } = PROBLEMS[problem];
  const place = placing(view, PLANE);
  const { states, rejected } = orbit(problem, digits);
  svg.replaceChildren();
  add(svg, "path", { class: "nl-flow", d: path(orbit(problem, 10).states, place) });
  add(svg, "path", { class: "nl-path", d: path(states, place) });
  for (const state of states) {
    const [cx, cy] = place(state);
    add(svg, "circle", { class: "nl-dot", cx, cy, r: states.length > 150 ? 2.2 : 3.6 });
  }
  for (const state of rejected) {
    const [x, y] = place(state);
    add(svg, "path", { class: "nl-cross", d: `M${x - 4} ${y - 4}l8 8m0 -8l-8 8` });
  }
  const [cx, cy] = place(states[0]);
  add(svg, "circle", { class: "nl-start", cx, cy, r: 5.5 });
  if (PROBLEMS[problem].periodic) {
    const [sunX, sunY] = place([0, 0]);
    add(svg, "circle", { class: "nl-past", cx: sunX, cy: sunY, r: 7 });
  }
  nameAxes(svg, axes, PLANE);
}

function drawSizes(svg, problem, digits) {
  const { span } = PROBLEMS[problem];
  const { times } = orbit(problem, digits);
  const sizes = times.slice(1).map((t, n) => t - times[n]);
  const [low, high] = [floorPower(sizes), Math.max(0, ceilPower(sizes))];
  const box = { left: 48, right: 246, top: 10, bottom: 116 };
  const place = ([t, power]) => [
    box.left + ((box.right - box.left) * t) / span,
    box.bottom - ((box.bottom - box.top) * (power - low)) / (high - low),
  ];
  svg.replaceChildren();
  drawDecades(svg, low, high, place, box.left, box.right);
  const stairs = sizes.flatMap((size, n) => [
    [times[n], Math.log10(size)],
    [times[n + 1], Math.log10(size)],
  ]);
  add(svg, "path", { class: "nl-path", d: path(stairs, place) });
  add(svg, "text", { class: "nl-note", x: box.right, y: box.bottom + 18, "text-anchor": "end" }, "step size against time t");
}

function drawWork(svg, problem, digits) {
  const work = DIGITS.map((d) => orbit(problem, d).nfe);
  const errors = DIGITS.map((d) => endPointError(problem, d));
  const [low, high] = [Math.min(-10, floorPower(errors)), Math.max(0, ceilPower(errors))];
  const [left, right] = [Math.log10(Math.min(...work)), Math.log10(Math.max(...work))];
  const box = { left: 48, right: 240, top: 12, bottom: 150 };
  const place = ([nfe, value]) => [
    box.left + 6 + ((box.right - box.left - 6) * (Math.log10(nfe) - left)) / (right - left),
    box.bottom - ((box.bottom - box.top) * (Math.log10(value) - low)) / (high - low),
  ];
  svg.replaceChildren();
  drawDecades(svg, low, high, ([, power]) => place([work[0], 10 ** power]), box.left, box.right);
  for (const nfe of [100, 300, 1000, 3000]) {
    if (nfe < work[0] || nfe > work.at(-1)) continue;
    const [x] = place([nfe, 1]);
    add(svg, "text", { class: "nl-tick", x, y: box.bottom + 16, "text-anchor": "middle" }, `${nfe}`);
  }
  add(svg, "text", { class: "nl-note", x: box.right, y: box.bottom + 32, "text-anchor": "end" }, "evaluations of f");
  add(svg, "path", { class: "nl-slope", d: path(DIGITS.map((d, n) => [work[n], 10 ** -d]), place) });
  add(svg, "path", { class: "nl-second", d: path(DIGITS.map((d, n) => [work[n], errors[n]]), place) });
  const chosen = DIGITS.indexOf(digits);
  for (const value of [10 ** -digits, errors[chosen]]) {
    const [cx, cy] = place([work[chosen], value]);
    add(svg, "circle", { class: "nl-now", cx, cy, r: 5.5 });
  }
}

function render({ model, el }) {
  function draw(parts) {
    const [problem, digits] = [model.get("problem"), model.get("digits")];
    const found = orbit(problem, digits);
    const error = endPointError(problem, digits);
    parts.slide("digits", digits - 1, `tolerance 10 to the power −${digits}`);
    parts.problem.value = problem;
    drawPlane(parts.plane, problem, digits);
    drawSizes(parts.sizes, problem, digits);
    drawWork(parts.work, problem, digits);
    parts.say({
      sentence: sentence(problem, digits),
      shown: {
        tolerance: short(10 ** -digits),
        steps: `${steps(found)} + ${found.rejected.length}`,
        nfe: found.nfe,
        error: short(error),
      },
      described: {
        plane: `${PROBLEMS[problem].label} with ${steps(found)} accepted steps as dots and ${found.rejected.length} rejected as crosses.`,
        sizes: "Step size against time, logarithmic: small where the orbit turns fast.",
        work: "Tolerance, and error at the end, against the number of evaluations, all logarithmic: the error lies above the tolerance.",
      },
      data: { problem, digits, accepted: steps(found), rejected: found.rejected.length, nfe: found.nfe, error, end: JSON.stringify(found.states.at(-1)) },
    });
  }

  const parts = frame({
    model,
    el,
    kind: "orbit",
    label: "The tolerance, and the steps along an orbit",
    controls: [
      { type: "range", name: "digits", label: "Tolerance, from coarse to fine", last: DIGITS.length - 1 },
      { type: "select", name: "problem", label: "Orbit", choices: labelsOf(PROBLEMS) },
    ],
    pictures: [
      { name: "plane", ...PLANE },
      { name: "sizes", width: 260, height: 140 },
      { name: "work", width: 260, height: 188 },
    ],
    numbers: [
      ["tolerance", "tolerance"],
      ["steps", "steps, + rejected"],
      ["nfe", "evaluations of f"],
      ["error", "end-point error"],
    ],
    legend: [
      ["flow", "fine solution"],
      ["path", "dopri5, a dot for each step"],
      ["second", "end-point error; crosses: rejected steps"],
      ["slope", "tolerance"],
    ],
    traits: ["problem", "digits"],
    draw,
  });
  parts.digits.addEventListener("input", () => parts.choose("digits", Number(parts.digits.value) + 1));
  parts.problem.addEventListener("change", () => parts.choose("problem", parts.problem.value));
  return parts.leave;
}

export default { render };
