// Euler's polygon beside the exact flow, computed and drawn in the browser.
// The numerics come first and are exported: the browser tests compare them with nodelib's.

const GROWTH = 1.2;

export const FIELDS = {
  ...FLOWS,
  logistic: {
    label: "Logistic growth",
    span: 3,
    start: [0, 0.1],
    view: [-0.25, 3.25, -0.15, 1.15],
    axes: ["time", "size"],
    f: (t, [, y]) => [1, GROWTH * y * (1 - y)],
    exact: (t) => [t, 0.1 / (0.1 + 0.9 * Math.exp(-GROWTH * t))],
  },
};

export const LAYERS = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128];
const DOUBLING = [1, 2, 4, 8, 16, 32, 64, 128];

// The corners of Euler's polygon: y, y + h f(y), and so on; steps + 1 points.
export const euler = (field, steps) => pathOf(FIELDS[field], "euler", steps);
export const endPointError = (field, steps) => endPointErrorOf(FIELDS[field], "euler", steps);

// What a reader sees and hears -------------------------------------------------------------

const layers = (steps) => plural(steps, "layer");

export function sentence(field, steps) {
  const { label, span } = FIELDS[field];
  const error = short(endPointError(field, steps));
  return `${label}: ${layers(steps)}, step size ${short(span / steps)}, end-point error ${error}.`;
}

const PLANE = { width: 520, height: 386 };

function drawPlane(svg, field, steps) {
  const { f, view, axes } = FIELDS[field];
  const place = placing(view, PLANE);
  svg.replaceChildren();
  drawArrows(svg, (y) => f(0, y), view, place);
  drawBesideExact(svg, solutionOf(FIELDS[field], 200), euler(field, steps), place);
  nameAxes(svg, axes, PLANE);
}

function drawErrors(svg, field, steps) {
  const errors = DOUBLING.map((count) => endPointError(field, count));
  const box = { left: 48, right: 246, top: 16, bottom: 184 };
  const [low, high] = [floorPower(errors), ceilPower(errors)];
  const place = ([count, error]) => [
    box.left + ((box.right - box.left) * Math.log2(count)) / 7,
    box.bottom - ((box.bottom - box.top) * (Math.log10(error) - low)) / (high - low),
  ];
  svg.replaceChildren();
  drawDecades(svg, low, high, ([, power]) => place([1, 10 ** power]), box.left, box.right);
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

function render({ model, el }) {
  function draw(parts) {
    const [field, steps] = [model.get("field"), model.get("steps")];
    const [step, error] = [FIELDS[field].span / steps, endPointError(field, steps)];
    parts.slide("steps", nearest(LAYERS, steps), layers(steps));
    parts.field.value = field;
    drawPlane(parts.plane, field, steps);
    drawErrors(parts.errors, field, steps);
    parts.say({
      sentence: sentence(field, steps),
      shown: { layers: steps, step: short(step), error: short(error) },
      described: {
        plane: `${FIELDS[field].label}: the exact flow as a curve and Euler’s polygon of ${layers(steps)}.`,
        errors:
          "End-point error against the number of layers, both logarithmic: the points follow a line of slope −1.",
      },
      data: { field, steps, stepSize: step, error },
    });
  }

  const parts = frame({
    model,
    el,
    kind: "euler",
    label: "Euler’s polygon and the exact flow",
    controls: [
      { type: "range", name: "steps", label: "Number of layers", last: LAYERS.length - 1 },
      { type: "select", name: "field", label: "Vector field", choices: labelsOf(FIELDS) },
      { type: "button", name: "play", text: "Refine" },
    ],
    pictures: [
      { name: "plane", ...PLANE },
      { name: "errors", width: 260, height: 224 },
    ],
    numbers: [
      ["layers", "layers L"],
      ["step", "step size h"],
      ["error", "end-point error"],
    ],
    legend: [
      ["flow", "exact flow"],
      ["path", "Euler’s polygon, one corner for each layer"],
      ["gap", "error"],
    ],
    traits: ["steps", "field"],
    draw,
  });

  // Doubles the layers until they are finest.
  const finer = (steps) => Math.min(2 * steps, 128);
  const stop = player({ model, parts, trait: "steps", first: 1, last: 128, next: finer, every: 700 });
  parts.steps.addEventListener("input", () => {
    stop();
    parts.choose("steps", LAYERS[Number(parts.steps.value)]);
  });
  parts.field.addEventListener("change", () => parts.choose("field", parts.field.value));
  return () => {
    stop();
    parts.leave();
  };
}

export default { render };
