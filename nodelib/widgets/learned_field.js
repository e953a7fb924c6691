// The vector field of a trained network, and the trajectory of the point that the reader drops.
// The numerics come first and are exported: the browser tests compare them with nodelib's.

const STEPS = 200;
const NOTCHES = 200;

export const network = tanhNetwork;

// 201 states at equal times, by 200 steps of rk4.
export function trajectory(layers, start, end) {
  const f = network(layers);
  return fixedSteps("rk4", (t, z) => f(z), start, 0, end, STEPS);
}

// What a reader sees and hears -------------------------------------------------------------

const pair = (point) => `(${point.map((value) => value.toFixed(2).replace("-", "−")).join(", ")})`;

export const sentence = (start, reached, end) =>
  `Dropped at ${pair(start)}: after ${short(end)} units of time the point has come to ${pair(reached)}.`;

const PLANE = { width: 520, height: 386 };

function drawPlane(svg, layers, view, axes, examples, states) {
  const place = placing(view, PLANE);
  svg.replaceChildren();
  drawArrows(svg, network(layers), view, place);
  for (const example of examples) add(svg, "path", { class: "nl-faint", d: path(example, place) });
  add(svg, "path", { class: "nl-path nl-bold", d: path(states, place) });
  const [endX, endY] = place(states[STEPS]);
  add(svg, "circle", { class: "nl-dot", cx: endX, cy: endY, r: 6 });
  const [cx, cy] = place(states[0]);
  add(svg, "circle", { class: "nl-now", cx, cy, r: 8 });
  nameAxes(svg, axes, PLANE);
}

function drawTimes(svg, view, axes, states, end) {
  const box = { left: 30, right: 248, top: 24, bottom: 150 };
  const [low, high] = [Math.min(view[0], view[2]), Math.max(view[1], view[3])];
  const place = ([t, value]) => [
    box.left + ((box.right - box.left) * t) / end,
    box.bottom - ((box.bottom - box.top) * (Math.min(high, Math.max(low, value)) - low)) / (high - low),
  ];
  svg.replaceChildren();
  for (const value of [low, 0, high]) {
    const [, y] = place([0, value]);
    add(svg, "path", { class: "nl-grid", d: `M${box.left} ${y}H${box.right}` });
    add(svg, "text", { class: "nl-tick", x: box.left - 5, y: y + 4, "text-anchor": "end" }, short(value));
  }
  for (const i of [0, 1]) {
    const points = states.map((state, n) => [(end * n) / STEPS, state[i]]);
    add(svg, "path", { class: `${i ? "nl-second" : "nl-path"}`, d: path(points, place) });
  }
  add(svg, "text", { class: "nl-note", x: box.left, y: 13 }, `${axes[0]} and ${axes[1]} against time`);
  add(svg, "text", { class: "nl-note", x: box.right, y: box.bottom + 18, "text-anchor": "end" }, `time t, 0 to ${short(end)}`);
}

function render({ model, el }) {
  const [layers, view, end, axes, examples] = ["layers", "view", "end_time", "axes", "examples"].map(
    (trait) => model.get(trait),
  );
  const [left, right, bottom, top] = view;
  const inside = (share) => Math.min(1, Math.max(0, share));
  const sides = [
    ["across", left, right],
    ["up", bottom, top],
  ];

  function draw(parts) {
    const start = model.get("start");
    const states = trajectory(layers, start, end);
    sides.forEach(([name, low, high], i) => {
      parts.slide(name, Math.round((NOTCHES * (start[i] - low)) / (high - low)), short(start[i]));
    });
    drawPlane(parts.plane, layers, view, axes, examples, states);
    drawTimes(parts.times, view, axes, states, end);
    const speed = Math.hypot(...network(layers)(start));
    parts.say({
      sentence: sentence(start, states[STEPS], end),
      shown: { start: pair(start), reached: pair(states[STEPS]), speed: short(speed) },
      described: {
        plane: `The learned field as arrows, and the trajectory from ${pair(start)} to ${pair(states[STEPS])}.`,
        times: "Both coordinates of the trajectory against time.",
      },
      data: { start: JSON.stringify(start), reached: JSON.stringify(states[STEPS]), speed },
    });
  }

  const parts = frame({
    model,
    el,
    kind: "learned",
    label: "A learned vector field; drop a point into it",
    controls: sides.map(([name], i) => ({ type: "range", name, label: `Start: ${axes[i]}`, last: NOTCHES })),
    pictures: [
      { name: "plane", ...PLANE },
      { name: "times", width: 260, height: 174 },
    ],
    numbers: [
      ["start", "start"],
      ["reached", `after ${short(end)} units of time`],
      ["speed", "speed at the start"],
    ],
    legend: [
      ["path", `trajectory of the dropped point; its ${axes[0]}`],
      ["second", `its ${axes[1]}`],
      ["faint", "trajectories in the training set"],
    ],
    traits: ["start"],
    draw,
  });

  sides.forEach(([name, low, high], i) => {
    parts[name].addEventListener("input", () => {
      const start = [...model.get("start")];
      start[i] = low + ((high - low) * Number(parts[name].value)) / NOTCHES;
      parts.choose("start", start);
    });
  });

  // A tap or click drops the point; a mouse may also drag it, a finger goes on scrolling.
  function drop(event) {
    const { left: x, top: y, width, height } = parts.plane.getBoundingClientRect();
    const across = inside((event.clientX - x) / width);
    const up = 1 - inside((event.clientY - y) / height);
    parts.choose("start", [left + across * (right - left), bottom + up * (top - bottom)]);
  }
  parts.plane.classList.add("nl-droppable");
  parts.plane.addEventListener("click", drop);
  parts.plane.addEventListener("pointermove", (event) => {
    if (event.pointerType === "mouse" && event.buttons) drop(event);
  });
  return parts.leave;
}

export default { render };
