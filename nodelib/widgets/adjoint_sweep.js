// State, adjoint state and accumulating gradient of a pendulum, swept back through time.
// The numerics come first and are exported: the browser tests compare them with nodelib's.

export const THETA = [1.5, 0.3];
export const START = [1.2, 0];
// Where the state was observed: at t = 1, 2 and 3.
export const TARGETS = [
  [0.35, -1.3],
  [-0.75, -0.5],
  [-0.3, 1],
];
const PER_UNIT = 100;
const LAST = PER_UNIT * TARGETS.length;

const field = (t, [x, v]) => [v, -THETA[0] * Math.sin(x) - THETA[1] * v];

// The right-hand side of Algorithm 1 for [z, a, dL/dθ] (paper, eqs 4 and 5).
const augmented = (t, [x, v, a, b]) => [
  ...field(t, [x, v]),
  b * THETA[0] * Math.cos(x),
  -a + b * THETA[1],
  b * Math.sin(x),
  b * v,
];

// What was found at every hundredth of a unit of time: states forward, then [a, dL/dθ] backward.
// At an observation `before` holds the adjoint that the sweep brings there, without its jump.
export function sweep() {
  const states = fixedSteps("rk4", field, START, 0, TARGETS.length, LAST);
  const [found, before] = [Array(LAST + 1), {}];
  let a = [0, 0, 0, 0];
  for (let piece = TARGETS.length; piece > 0; piece -= 1) {
    const end = piece * PER_UNIT;
    before[end] = a;
    const jump = states[end].map((value, i) => value - TARGETS[piece - 1][i]);
    a = [a[0] + jump[0], a[1] + jump[1], a[2], a[3]];
    const back = fixedSteps("rk4", augmented, [...states[end], ...a], piece, piece - 1, PER_UNIT);
    back.forEach((whole, n) => {
      if (n < PER_UNIT || piece === 1) found[end - n] = whole.slice(2);
    });
    a = back[PER_UNIT].slice(2);
  }
  return { states, found, before };
}

// What a reader sees and hears -------------------------------------------------------------

const RUN = sweep();
const at = (index) => index / PER_UNIT;
const indexOf = (time) => Math.round(time * PER_UNIT);

export function sentence(index) {
  const [a, b, k, d] = RUN.found[index].map(short);
  return (
    `At t = ${short(at(index))}, on the way back: the adjoint state is (${a}, ${b}), ` +
    `and the gradient so far is ${k} for the stiffness k and ${d} for the damping d.`
  );
}

const PLANE = { width: 520, height: 386 };
const VIEW = [-1.9, 2.1, -1.75, 1.45];
const LENGTH = 0.55; // of the adjoint's arrow, in units of the plane for each unit of a

function drawArrow(svg, [x, y], [tipX, tipY]) {
  const size = Math.hypot(tipX - x, tipY - y);
  if (size < 1) return;
  const [u, v] = [(tipX - x) / size, (tipY - y) / size];
  add(svg, "path", { class: "nl-second", d: `M${x} ${y}L${tipX - 8 * u} ${tipY - 8 * v}` });
  const side = (sign) => `${tipX - 11 * u + sign * 5 * v} ${tipY - 11 * v - sign * 5 * u}`;
  add(svg, "path", { class: "nl-arrowhead", d: `M${tipX} ${tipY}L${side(1)}L${side(-1)}Z` });
}

function drawPlane(svg, index) {
  const place = placing(VIEW, PLANE);
  svg.replaceChildren();
  drawArrows(svg, (z) => field(0, z), VIEW, place);
  add(svg, "path", { class: "nl-faint", d: path(RUN.states, place) });
  add(svg, "path", { class: "nl-flow", d: path(RUN.states.slice(0, index + 1), place) });
  TARGETS.forEach((target, n) => {
    const [x, y] = place(target);
    const [cx, cy] = place(RUN.states[(n + 1) * PER_UNIT]);
    add(svg, "path", { class: "nl-gap", d: `M${cx} ${cy}L${x} ${y}` });
    add(svg, "circle", { class: "nl-past", cx, cy, r: 3.5 });
    add(svg, "circle", { class: "nl-ring", cx: x, cy: y, r: 6 });
    add(svg, "text", { class: "nl-note", x: x + 11, y: y + 5 }, `t = ${n + 1}`);
  });
  const [startX, startY] = place(START);
  add(svg, "circle", { class: "nl-start", cx: startX, cy: startY, r: 5.5 });
  const state = RUN.states[index];
  const tip = along(state, LENGTH, RUN.found[index].slice(0, 2));
  drawArrow(svg, place(state), place(tip));
  const [cx, cy] = place(state);
  add(svg, "circle", { class: "nl-now", cx, cy, r: 7 });
  nameAxes(svg, ["angle", "angular velocity"], PLANE);
}

// Two components against time, from the last time back to `index`; a jump is a vertical line.
function drawCurves(svg, [first, second], index, note) {
  const box = { left: 38, right: 248, top: 22, bottom: 128 };
  const all = [...RUN.found, ...Object.values(RUN.before)].flatMap((row) => [row[first], row[second]]);
  const [low, high] = [Math.min(0, ...all), Math.max(0, ...all)];
  const place = ([t, value]) => [
    box.left + ((box.right - box.left) * t) / TARGETS.length,
    box.bottom - ((box.bottom - box.top) * (value - low)) / (high - low),
  ];
  svg.replaceChildren();
  for (const value of [low, 0, high]) {
    const [, y] = place([0, value]);
    if (value && Math.abs(y - place([0, 0])[1]) < 14) continue;
    add(svg, "path", { class: "nl-grid", d: `M${box.left} ${y}H${box.right}` });
    add(svg, "text", { class: "nl-tick", x: box.left - 6, y: y + 4, "text-anchor": "end" }, value ? value.toFixed(1).replace("-", "−") : "0");
  }
  for (const t of powers(0, TARGETS.length)) {
    const [x] = place([t, 0]);
    add(svg, "text", { class: "nl-tick", x, y: box.bottom + 16, "text-anchor": "middle" }, `${t}`);
  }
  [first, second].forEach((row, n) => {
    const points = [];
    for (let i = LAST; i >= index; i -= 1) {
      if (RUN.before[i]) points.push([at(i), RUN.before[i][row]]);
      points.push([at(i), RUN.found[i][row]]);
    }
    add(svg, "path", { class: `${n ? "nl-second" : "nl-path"}`, d: path(points, place) });
  });
  const [x] = place([at(index), 0]);
  add(svg, "path", { class: "nl-slope", d: `M${x} ${box.top}V${box.bottom}` });
  add(svg, "text", { class: "nl-note", x: box.left, y: 13 }, note);
}

function render({ model, el }) {
  function draw(parts) {
    const index = indexOf(model.get("time"));
    const found = RUN.found[index];
    parts.slide("time", index, `t = ${short(at(index))}`);
    drawPlane(parts.plane, index);
    drawCurves(parts.adjoint, [0, 1], index, "adjoint state a(t)");
    drawCurves(parts.gradient, [2, 3], index, "gradient gathered from 3 down to t");
    parts.say({
      sentence: sentence(index),
      shown: {
        now: at(index).toFixed(2),
        a: found.slice(0, 2).map((value) => value.toFixed(2).replace("-", "−")).join(", "),
        k: short(found[2]),
        d: short(found[3]),
      },
      described: {
        plane: `The pendulum’s path with three observations; at t = ${short(at(index))} an arrow shows the adjoint state.`,
        adjoint: "Both components of the adjoint state against time, with a jump at each observation.",
        gradient: "The gradient for k and for d, gathered from t = 3 backward.",
      },
      data: { time: at(index), found: JSON.stringify(found), state: JSON.stringify(RUN.states[index]) },
    });
  }

  const parts = frame({
    model,
    el,
    kind: "adjoint",
    label: "The adjoint, swept back through time",
    controls: [
      { type: "range", name: "time", label: "Time t: drag it back from 3 to 0", last: LAST },
      { type: "button", name: "play", text: "Sweep" },
    ],
    pictures: [
      { name: "plane", ...PLANE },
      { name: "adjoint", width: 260, height: 150 },
      { name: "gradient", width: 260, height: 150 },
    ],
    numbers: [
      ["now", "time t"],
      ["a", "adjoint state a(t)"],
      ["k", "∂L/∂k so far"],
      ["d", "∂L/∂d so far"],
    ],
    legend: [
      ["flow", "state"],
      ["gap", "distance to an observation"],
      ["path", "first component; k"],
      ["second", "second component; d; as an arrow: a(t)"],
    ],
    traits: ["time"],
    draw,
  });

  const back = (time) => at(Math.max(indexOf(time) - 3, 0));
  const stop = player({ model, parts, trait: "time", first: at(LAST), last: 0, next: back, every: 50 });
  parts.time.addEventListener("input", () => {
    stop();
    parts.choose("time", at(Number(parts.time.value)));
  });
  return () => {
    stop();
    parts.leave();
  };
}

export default { render };
