// A trained continuous flow: particles carried from the base to the time that the reader chooses,
// and the density there, for which each point of a grid is carried back.
// The numerics come first and are exported: the browser tests compare them with nodelib's.

const NOTCHES = 20;
const GRID = [44, 34];

// dz/dt and the trace of its Jacobian, for a point (x, y), as rates of (x, y, log-density).
// The parameters of all units at a time are made once.
export function dynamicsOf(layers, units) {
  const network = tanhNetwork(layers);
  const known = new Map();
  function at(t) {
    if (!known.has(t)) {
      const made = network([t]);
      const rows = Array.from({ length: units }, (_, n) => {
        const gate = 1 / (1 + Math.exp(-made[5 * units + n]));
        const [u, v] = [gate * made[2 * n], gate * made[2 * n + 1]];
        const [a, b] = [made[2 * (units + n)], made[2 * (units + n) + 1]];
        return [a, b, made[4 * units + n], u, v, u * a + v * b];
      });
      known.set(t, rows);
    }
    return known.get(t);
  }
  return (t, [x, y]) => {
    const rate = [0, 0, 0];
    for (const [a, b, offset, u, v, inner] of at(t)) {
      const bent = Math.tanh(a * x + b * y + offset);
      rate[0] += u * bent;
      rate[1] += v * bent;
      rate[2] -= inner * (1 - bent * bent);
    }
    return rate;
  };
}

const logNormal = ([x, y]) => -0.5 * (x * x + y * y) - Math.log(2 * Math.PI);

// A particle at every notch: (x, y, log-density).
export function carried(f, start) {
  return fixedSteps("rk4", f, [...start, logNormal(start)], 0, 1, NOTCHES);
}

// The density of the flow at a point, at a notch.
export function densityAt(f, point, notch) {
  if (notch === 0) return Math.exp(logNormal(point));
  const [x, y, change] = fixedSteps("rk4", f, [...point, 0], notch / NOTCHES, 0, notch).at(-1);
  return Math.exp(logNormal([x, y]) - change);
}

// What a reader sees and hears -------------------------------------------------------------

const time = (notch) => (notch / NOTCHES).toFixed(2);

export const sentence = (notch, peak, mass) =>
  `At time ${time(notch)} the density is at most ${peak.toFixed(3)} in this picture, ` +
  `and holds ${(100 * mass).toFixed(1)} % of the mass. ` +
  (notch === 0 ? "This is the noise." : notch === NOTCHES ? "These are the samples." : "The particles are on their way.");

const PLANE = { width: 520, height: 400 };
const WAY = { left: 36, right: 248, top: 24, bottom: 150 };

function render({ model, el }) {
  const view = model.get("view");
  const [left, right, bottom, top] = view;
  const f = dynamicsOf(model.get("layers"), model.get("units"));
  const paths = model.get("particles").map((start) => carried(f, start));
  const place = placing(view, PLANE);
  const [columns, rows] = GRID;
  const cell = [(right - left) / columns, (top - bottom) / rows];
  const centers = Array.from({ length: columns * rows }, (_, n) => [
    left + cell[0] * ((n % columns) + 0.5),
    bottom + cell[1] * (Math.floor(n / columns) + 0.5),
  ]);
  const densities = new Map();
  function densityOf(notch) {
    if (!densities.has(notch)) densities.set(notch, centers.map((point) => densityAt(f, point, notch)));
    return densities.get(notch);
  }

  function prepare(svg) {
    const [width, height] = [PLANE.width / columns, PLANE.height / rows];
    for (const point of centers) {
      const [x, y] = place(point);
      add(svg, "rect", { class: "nl-cell", x: x - width / 2, y: y - height / 2, width, height });
    }
    paths.forEach((_, n) => add(svg, "circle", n ? { class: "nl-particle", r: 2.2 } : { class: "nl-now", r: 7 }));
  }

  function drawWay(svg, notch) {
    const logs = paths[0].map((state) => state[2]);
    const [low, high] = [Math.floor(Math.min(...logs)), Math.ceil(Math.max(...logs))];
    const at = ([n, value]) => [
      WAY.left + ((WAY.right - WAY.left) * n) / NOTCHES,
      WAY.bottom - ((WAY.bottom - WAY.top) * (value - low)) / (high - low),
    ];
    svg.replaceChildren();
    for (const value of [low, high]) {
      const [, y] = at([0, value]);
      add(svg, "path", { class: "nl-grid", d: `M${WAY.left} ${y}H${WAY.right}` });
      add(svg, "text", { class: "nl-tick", x: WAY.left - 5, y: y + 4, "text-anchor": "end" }, short(value));
    }
    add(svg, "path", { class: "nl-path", d: path(logs.map((value, n) => [n, value]), at) });
    const [cx, cy] = at([notch, logs[notch]]);
    add(svg, "circle", { class: "nl-now", cx, cy, r: 5 });
    add(svg, "text", { class: "nl-note", x: WAY.left, y: 13 }, "log-density of the ringed particle");
    add(svg, "text", { class: "nl-note", x: WAY.right, y: WAY.bottom + 18, "text-anchor": "end" }, "time, 0 to 1");
  }

  function draw(parts) {
    const notch = model.get("notch");
    const svg = parts.plane;
    if (!svg.childElementCount) prepare(svg);
    const density = densityOf(notch);
    const peak = Math.max(...density);
    const mass = density.reduce((sum, value) => sum + value, 0) * cell[0] * cell[1];
    const shapes = svg.children;
    density.forEach((value, n) => shapes[n].setAttribute("fill-opacity", (value / peak).toFixed(3)));
    paths.forEach((states, n) => {
      const [cx, cy] = place(states[notch]);
      shapes[density.length + n].setAttribute("cx", cx.toFixed(1));
      shapes[density.length + n].setAttribute("cy", cy.toFixed(1));
    });
    drawWay(parts.way, notch);
    const ringed = paths[0][notch];
    parts.slide("notch", notch, `time ${time(notch)}`);
    parts.say({
      sentence: sentence(notch, peak, mass),
      shown: { time: time(notch), log: short(ringed[2]), mass: `${(100 * mass).toFixed(1)} %` },
      described: {
        plane: `The density at time ${time(notch)} as shades, and ${plural(paths.length, "particle")}.`,
        way: `The log-density of the ringed particle against time; now ${short(ringed[2])}.`,
      },
      data: { notch, peak, mass, ringed: JSON.stringify(ringed) },
    });
  }

  const parts = frame({
    model,
    el,
    kind: "flow",
    label: "Noise becoming data; drag its time",
    controls: [
      { type: "range", name: "notch", label: "Time, from noise to data", last: NOTCHES },
      { type: "button", name: "play", text: "Play" },
    ],
    pictures: [
      { name: "plane", ...PLANE },
      { name: "way", width: 260, height: 174 },
    ],
    numbers: [
      ["time", "time"],
      ["log", "log-density of the ringed particle"],
      ["mass", "mass in the picture"],
    ],
    legend: [
      ["cell", "density"],
      ["particle", "particles"],
      ["now", "the ringed one"],
    ],
    traits: ["notch"],
    draw,
  });
  const stop = player({ model, parts, trait: "notch", first: 0, last: NOTCHES, next: (n) => n + 1, every: 220 });
  parts.notch.addEventListener("input", () => {
    stop();
    parts.choose("notch", Number(parts.notch.value));
  });
  return () => {
    stop();
    parts.leave();
  };
}

export default { render };
