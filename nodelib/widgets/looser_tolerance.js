// A trained network whose tolerance changes after training.  Nothing is solved here: the runs are
// recorded, one row for each seed, and the reader chooses the tolerance.

export const mean = (rows, n) => rows.reduce((sum, row) => sum + row[n], 0) / rows.length;

// The 95 % interval of an error rate on this many images (Wilson 1927).
export function wilson(rate, images, z = 1.96) {
  const shrink = 1 + z ** 2 / images;
  const middle = (rate + z ** 2 / (2 * images)) / shrink;
  const half = (z / shrink) * Math.sqrt((rate * (1 - rate)) / images + (z / (2 * images)) ** 2);
  return [middle - half, middle + half];
}

// What a reader sees and hears -------------------------------------------------------------

const percent = (value, digits = 2) => `${(100 * value).toFixed(digits)} %`;
const count = (value) => (Number.isInteger(value) ? `${value}` : value.toFixed(1));

export function sentence(model, n) {
  const [errors, images] = [model.get("test_error"), model.get("images")];
  const [low, high] = wilson(mean(errors, n), images);
  const where = model.get("tolerances")[n] === model.get("trained") ? ", as in training" : "";
  return (
    `Tolerance ${short(model.get("tolerances")[n])}${where}: ${count(mean(model.get("nfe"), n))} evaluations, ` +
    `last states off by ${percent(mean(model.get("state_error"), n))}, ` +
    `${percent(mean(errors, n))} of ${images.toLocaleString("en-US")} test digits wrong ` +
    `(95 % interval ${percent(low, 1)} to ${percent(high, 1)}).`
  );
}

// A panel: a dot for each seed, a line through the means, a ring at the chosen tolerance.
function drawPanel(svg, rows, { tolerances, chosen, box, low, high, scale, labels, note, band }) {
  const place = ([n, value]) => [
    box.left + 14 + ((box.right - box.left - 28) * n) / (tolerances.length - 1),
    box.bottom - ((box.bottom - box.top) * (scale(value) - low)) / (high - low),
  ];
  svg.replaceChildren();
  for (const [value, text] of labels) {
    const [, y] = place([0, value]);
    add(svg, "path", { class: "nl-grid", d: `M${box.left} ${y}H${box.right}` });
    if (text) add(svg, "text", { class: "nl-tick", x: box.left - 7, y: y + 4, "text-anchor": "end" }, text);
    else drawPower(svg, Math.log10(value), { x: box.left - 7, y: y + 4, "text-anchor": "end" });
  }
  tolerances.forEach((tolerance, n) => {
    const [x] = place([n, labels[0][0]]);
    const attributes = { x, y: box.bottom + 18, "text-anchor": "middle" };
    if (Math.abs(Math.log10(tolerance) % 1) < 1e-9) drawPower(svg, Math.log10(tolerance), attributes);
  });
  if (band) {
    const [x, top] = place([chosen, band[1]]);
    const [, bottom] = place([chosen, band[0]]);
    add(svg, "path", { class: "nl-gap", d: `M${x} ${top}V${bottom}` });
  }
  const middle = tolerances.map((_, n) => [n, mean(rows, n)]);
  add(svg, "path", { class: "nl-path", d: path(middle, place) });
  for (const row of rows) {
    row.forEach((value, n) => {
      const [cx, cy] = place([n, value]);
      add(svg, "circle", { class: "nl-dot", cx, cy, r: 2.8 });
    });
  }
  const [cx, cy] = place(middle[chosen]);
  add(svg, "circle", { class: "nl-now", cx, cy, r: 6 });
  add(svg, "text", { class: "nl-note", x: box.right, y: box.bottom + 36, "text-anchor": "end" }, note);
}

const SIDE = { left: 46, right: 246, top: 12, bottom: 96 };

function render({ model, el }) {
  const [tolerances, images] = [model.get("tolerances"), model.get("images")];
  const [errors, nfe, states] = [model.get("test_error"), model.get("nfe"), model.get("state_error")];

  // Round numbers from 0 to above the largest value.
  function ticks(largest, text) {
    const step = [1, 2, 5, 10, 20, 50, 100].map((n) => n * 10 ** Math.floor(Math.log10(largest) - 1)).find((s) => largest / s <= 5);
    return Array.from({ length: Math.ceil(largest / step) + 1 }, (_, n) => [n * step, text(n * step)]);
  }

  function draw(parts) {
    const chosen = model.get("chosen");
    const band = wilson(mean(errors, chosen), images);
    const shared = { tolerances, chosen };
    const plain = (value) => value;
    const errorTicks = ticks(1.05 * Math.max(...tolerances.map((_, n) => wilson(mean(errors, n), images)[1])), (v) => `${+(100 * v).toFixed(2)} %`);
    const nfeTicks = ticks(Math.max(...nfe.flat()), (v) => `${v}`);
    const [low, high] = [floorPower(states.flat()), ceilPower(states.flat())];
    drawPanel(parts.errors, errors, {
      ...shared,
      box: { left: 62, right: 505, top: 16, bottom: 330 },
      low: 0,
      high: errorTicks.at(-1)[0],
      scale: plain,
      labels: errorTicks,
      note: "test error against tolerance",
      band,
    });
    drawPanel(parts.cost, nfe, {
      ...shared,
      box: SIDE,
      low: 0,
      high: nfeTicks.at(-1)[0],
      scale: plain,
      labels: nfeTicks,
      note: "evaluations against tolerance",
    });
    drawPanel(parts.states, states, {
      ...shared,
      box: SIDE,
      low,
      high,
      scale: Math.log10,
      labels: powers(low, high).map((power) => [10 ** power, ""]),
      note: "error of the last state",
    });
    const tolerance = tolerances[chosen];
    parts.slide("chosen", chosen, `tolerance ${short(tolerance)}`);
    parts.say({
      sentence: sentence(model, chosen),
      shown: {
        tolerance: short(tolerance),
        nfe: count(mean(nfe, chosen)),
        state: percent(mean(states, chosen)),
        error: percent(mean(errors, chosen)),
      },
      described: {
        errors: `Test error against tolerance, a dot for each of ${plural(errors.length, "seed")}; a bar shows the interval at the chosen one.`,
        cost: "Evaluations against tolerance: they rise as it gets tighter.",
        states: "Error of the last state against tolerance, logarithmic: it falls as the tolerance gets tighter.",
      },
      data: { chosen, tolerance, nfe: mean(nfe, chosen), error: mean(errors, chosen), state: mean(states, chosen), band: JSON.stringify(band) },
    });
  }

  const parts = frame({
    model,
    el,
    kind: "looser",
    label: "The tolerance after training",
    controls: [{ type: "range", name: "chosen", label: "Tolerance at test time, from loose to tight", last: tolerances.length - 1 }],
    pictures: [
      { name: "errors", width: 520, height: 372 },
      { name: "cost", width: 260, height: 138 },
      { name: "states", width: 260, height: 138 },
    ],
    numbers: [
      ["tolerance", "tolerance"],
      ["nfe", "evaluations of f"],
      ["state", "error of the last state"],
      ["error", "test error"],
    ],
    legend: [
      ["path", "mean, a dot for each seed"],
      ["gap", "95 % interval for the number of images"],
    ],
    traits: ["chosen"],
    draw,
  });
  parts.chosen.addEventListener("input", () => parts.choose("chosen", Number(parts.chosen.value)));
  return parts.leave;
}

export default { render };
