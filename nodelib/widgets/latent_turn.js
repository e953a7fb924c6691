// A trained latent ODE: the reader moves one coordinate of the start, and the decoded path follows.
// The numerics come first and are exported: the browser tests compare them with nodelib's.

const STOPS = 40;
const REACH = 3;
const STEPS = 60;

const valueAt = (stop) => (2 * REACH * stop) / STOPS - REACH;

// The decoded points of the path from z0, STEPS + 1 of them.
export function decoded(field, decoder, z0, end) {
  const [f, decode] = [tanhNetwork(field), tanhNetwork(decoder)];
  return fixedSteps("rk4", (t, z) => f(z), z0, 0, end, STEPS).map(decode);
}

// The angle in degrees by which a curve turns, counter-clockwise positive.
export function turned(points) {
  let angle = 0;
  for (let n = 2; n < points.length; n += 1) {
    const [a, b, c] = [points[n - 2], points[n - 1], points[n]];
    const [before, after] = [
      [b[0] - a[0], b[1] - a[1]],
      [c[0] - b[0], c[1] - b[1]],
    ];
    const cross = before[0] * after[1] - before[1] * after[0];
    angle += Math.atan2(cross, before[0] * after[0] + before[1] * after[1]);
  }
  return (180 * angle) / Math.PI;
}

// What a reader sees and hears -------------------------------------------------------------

const signed = (value, digits) => value.toFixed(digits).replace("-", "−");

export const sentence = (name, stop, angle) =>
  `With latent coordinate ${name} at ${signed(valueAt(stop), 2)} the decoded spiral turns by ` +
  `${Math.abs(angle).toFixed(0)} degrees, ${angle < 0 ? "clockwise" : "counter-clockwise"}.`;

const PLANE = { width: 520, height: 380 };
const TURN = { left: 40, right: 248, top: 24, bottom: 150 };

function render({ model, el }) {
  const [field, decoder, start] = ["field", "decoder", "start"].map((name) => model.get(name));
  const place = placing(model.get("view"), PLANE);
  const known = new Map();
  function pathAt(coordinate, stop) {
    const key = `${coordinate} ${stop}`;
    if (!known.has(key)) {
      const z0 = start.map((value, i) => (i === coordinate ? valueAt(stop) : value));
      const points = decoded(field, decoder, z0, model.get("end"));
      known.set(key, { points, angle: turned(points) });
    }
    return known.get(key);
  }
  const own = decoded(field, decoder, start, model.get("end"));

  function drawPlane(svg, points) {
    svg.replaceChildren();
    for (const point of model.get("observed")) {
      const [cx, cy] = place(point);
      add(svg, "circle", { class: "nl-particle", cx, cy, r: 2.6 });
    }
    add(svg, "path", { class: "nl-flow", d: path(own, place) });
    add(svg, "path", { class: "nl-path", d: path(points, place) });
    const [cx, cy] = place(points[0]);
    add(svg, "circle", { class: "nl-start", cx, cy, r: 5.5 });
  }

  function drawTurn(svg, coordinate, stop) {
    const angles = Array.from({ length: STOPS + 1 }, (_, n) => pathAt(coordinate, n).angle);
    const reach = Math.max(90, ...angles.map(Math.abs));
    const at = ([n, angle]) => [
      TURN.left + ((TURN.right - TURN.left) * n) / STOPS,
      (TURN.top + TURN.bottom) / 2 - ((TURN.bottom - TURN.top) * angle) / (2 * reach),
    ];
    svg.replaceChildren();
    for (const level of [-reach, 0, reach]) {
      const [, y] = at([0, level]);
      add(svg, "path", { class: "nl-grid", d: `M${TURN.left} ${y}H${TURN.right}` });
      add(svg, "text", { class: "nl-tick", x: TURN.left - 5, y: y + 4, "text-anchor": "end" }, signed(level, 0));
    }
    add(svg, "path", { class: "nl-path", d: path(angles.map((angle, n) => [n, angle]), at) });
    const [cx, cy] = at([stop, angles[stop]]);
    add(svg, "circle", { class: "nl-now", cx, cy, r: 5 });
    add(svg, "text", { class: "nl-note", x: 2, y: 13 }, "degrees of turning, + counter-clockwise");
    add(svg, "text", { class: "nl-note", x: TURN.right, y: TURN.bottom + 18, "text-anchor": "end" }, "coordinate, −3 to 3");
  }

  function draw(parts) {
    const [coordinate, stop] = [model.get("coordinate"), model.get("stop")];
    const { points, angle } = pathAt(coordinate, stop);
    const name = coordinate + 1;
    drawPlane(parts.plane, points);
    drawTurn(parts.turn, coordinate, stop);
    parts.coordinate.value = coordinate;
    parts.slide("stop", stop, `coordinate ${name} at ${signed(valueAt(stop), 2)}`);
    parts.say({
      sentence: sentence(name, stop, angle),
      shown: { value: signed(valueAt(stop), 2), angle: `${signed(angle, 0)}°` },
      described: {
        plane: `The decoded spiral with coordinate ${name} at ${signed(valueAt(stop), 2)}, beside that of the data.`,
        turn: `The angle of turning against coordinate ${name}; now ${signed(angle, 0)} degrees.`,
      },
      data: { stop, coordinate, angle, last: JSON.stringify(points.at(-1)) },
    });
  }

  const parts = frame({
    model,
    el,
    kind: "latent",
    label: "A decoded spiral; turn one latent coordinate",
    controls: [
      {
        type: "select",
        name: "coordinate",
        label: "Coordinate",
        choices: Object.fromEntries(start.map((_, i) => [i, `latent ${i + 1}`])),
      },
      { type: "range", name: "stop", label: "Its value, from −3 to 3", last: STOPS },
      { type: "button", name: "play", text: "Play" },
    ],
    pictures: [
      { name: "plane", ...PLANE },
      { name: "turn", width: 260, height: 174 },
    ],
    numbers: [
      ["value", "value of the coordinate"],
      ["angle", "turning"],
    ],
    legend: [
      ["particle", "observed points"],
      ["flow", "decoded from their posterior mean"],
      ["path", "decoded now"],
    ],
    traits: ["coordinate", "stop"],
    draw,
  });
  const halt = player({ model, parts, trait: "stop", first: 0, last: STOPS, next: (n) => n + 1, every: 120 });
  parts.stop.addEventListener("input", () => {
    halt();
    parts.choose("stop", Number(parts.stop.value));
  });
  parts.coordinate.addEventListener("change", () => {
    halt();
    parts.choose("coordinate", Number(parts.coordinate.value));
  });
  return () => {
    halt();
    parts.leave();
  };
}

export default { render };
