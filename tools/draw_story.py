"""Draw the book's story: one small picture for each chapter, computed by nodelib.

Writes _static/story.html, which the first page includes; the styles of its classes are at the end
of _static/book.css.  Run it again after changing it, or a published model that it shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import pi
from typing import Any, cast

import torch
from draw_pictures import STATIC, field
from torch import Tensor
from torch.nn.functional import interpolate, pad

from nodelib import load, odeint, solve
from nodelib.data import CURVES, digits, spirals
from nodelib.published import facts_of
from nodelib.training import random_stream

Point = tuple[float, float]
DOUBLE = torch.float64
DISC, SQUARE, TRIANGLE = "h0", "m-3-3h6v6h-6z", "m-3.6 2.9h7.2l-3.6-6.4z"
DIGITS = (6, 8, 3)
SPIRAL = 812  # one of those on which the model was tested


def numbers(*values: float) -> Tensor:
    """A vector of doubles."""
    return torch.tensor(values, dtype=DOUBLE)


def grid(start: float, end: float, count: int) -> Tensor:
    """Equally spaced times."""
    return torch.linspace(start, end, count, dtype=DOUBLE)


def graph(times: Tensor, values: Tensor) -> Tensor:
    """The points (n, 2) of a function of time."""
    return torch.stack([times.double(), values.double()], dim=-1)


def placing(
    box: tuple[float, float, float, float], *data: Tensor, equal: bool = False
) -> Callable[[Tensor], list[Point]]:
    """Where points (n, 2) lie if all data fill a box: left, top, right, bottom.

    With `equal` both coordinates have one scale, and the data lie in the middle of the box.
    """
    flat = torch.cat([part.double().reshape(-1, 2) for part in data])
    low, high = flat.amin(0), flat.amax(0)
    size = numbers(box[2] - box[0], box[1] - box[3])
    scale = size / (high - low)
    if equal:
        scale = scale.abs().min() * scale.sign()
    start = numbers(box[0], box[3]) + (size - scale * (high - low)) / 2
    return lambda points: [(float(x), float(y)) for x, y in start + scale * (points - low)]


def path(name: str, *lines: Iterable[Point]) -> str:
    """Polygons of one class."""
    corners = ("L".join(f"{x:.1f} {y:.1f}" for x, y in points) for points in lines)
    return f'<path class="{name}" d="M{"M".join(corners)}"/>'


def marks(name: str, shape: str, points: Iterable[Point]) -> str:
    """Discs, whose size the class gives, or squares or triangles, which are filled."""
    name = name if shape == DISC else f"{name} solid"
    corners = "".join(f"M{x:.1f} {y:.1f}{shape}" for x, y in points)
    return f'<path class="{name}" d="{corners}"/>'


def rings(name: str, points: list[Point], shape: str = DISC) -> str:
    """The same, empty inside."""
    return marks(name, shape, points) + marks(f"hole {name}", shape, points)


def uprights(name: str, columns: Iterable[float], top: float, bottom: float) -> str:
    """Vertical lines."""
    return path(name, *([(x, top), (x, bottom)] for x in columns))


def head(name: str, points: list[Point], share: float) -> str:
    """The head of an arrow on a path, where a share of its points is passed."""
    (x0, y0), (x, y) = points[(k := round(share * (len(points) - 1))) - 1], points[k]
    stretch = 4.5 / ((x - x0) ** 2 + (y - y0) ** 2) ** 0.5
    dx, dy = stretch * (x - x0), stretch * (y - y0)
    wings = [(x - dx - side * dy, y - dy + side * dx) for side in (0.8, -0.8)]
    return path(name, [wings[0], (x + dx, y + dy), wings[1]])


def words(x: float, y: float, text: str) -> str:
    """A label around x."""
    return f'<text x="{x}" y="{y}">{text}</text>'


def layers() -> str:
    """Chapter 1: a residual network's jumps beside the flow."""
    fine, coarse = grid(0, 3, 61), grid(0, 3, 9)
    curve = graph(fine, odeint(field, numbers(-0.45), fine)[:, 0])
    jumps = graph(coarse, odeint(field, numbers(-0.45), coarse, method="euler")[:, 0])
    place = placing((12, 14, 188, 136), curve, jumps)
    corners = place(jumps)
    drawn = uprights("guide", (x for x, _ in corners), 6, 144) + path("flow", place(curve))
    drawn += path("net", corners) + rings("net large", corners[1:])
    return drawn + marks("ink large", DISC, corners[:1])


def steps() -> str:
    """Chapter 2: the steps that an adaptive solver took past one hard place."""

    def hard(t: Tensor, h: Tensor) -> Tensor:
        burst = torch.exp(-(((t - 1.7) / 0.3) ** 2)) * torch.cos(18 * (t - 1.7))
        return torch.cos(1.4 * t) + 13 * burst - 0.2 * h

    times = grid(0, 3, 241)
    found = solve(hard, numbers(-0.5), times[[0, -1]], rtol=1e-5, atol=1e-5, dense=True)
    curve, taken = graph(times, found(times)[:, 0]), numbers(*found.stats.step_times)
    place = placing((12, 12, 188, 116), curve)
    stops = place(graph(taken, found(taken)[:, 0]))
    ticks = uprights("tick", (x for x, _ in stops), 130, 142)
    return ticks + path("flow", place(curve)) + rings("net small", stops)


def adjoint() -> str:
    """Chapter 3: a pendulum with observations, and its adjoint, which jumps at each of them."""

    def pendulum(t: Tensor, z: Tensor) -> Tensor:
        return torch.stack([z[1], -1.5 * torch.sin(z[0]) - 0.25 * z[1]])

    def back(t: Tensor, a: Tensor) -> Tensor:
        along: Tensor = torch.func.vjp(lambda z: pendulum(t, z), state(t))[1](a)[0]
        return -along

    times, moments = grid(0, 7, 71), numbers(0.0, 1.5, 3.2, 5.1, 7.0)
    state = solve(pendulum, numbers(1.3, 0.0), times[[0, -1]], dense=True)
    curve, there = graph(times, state(times)[:, 0]), graph(moments, state(moments)[:, 0])[1:]
    seen = there + graph(numbers(0, 0, 0, 0), numbers(0.45, -0.5, 0.35, 0.45))
    a, pieces = numbers(0, 0), list[Tensor]()
    for k in (3, 2, 1, 0):
        a = a + numbers(float(there[k, 1] - seen[k, 1]), 0)  # derivative of half the square
        between = grid(float(moments[k + 1]), float(moments[k]), 21)
        states = odeint(back, a, between)
        a, pieces = states[-1], [*pieces, graph(between, states[:, 0])]
    axis = graph(moments, 0 * moments)
    above = placing((12, 10, 188, 66), curve, seen)
    below = placing((12, 86, 188, 142), axis, *pieces)
    observed, walks = above(seen), [below(piece) for piece in pieces]
    ends = [below(axis)[-1], *(walk[-1] for walk in walks)]
    drawn = uprights("guide", (x for x, _ in observed), 4, 146) + path("pale", below(axis))
    drawn += path("flow", above(curve)) + head("flow", above(curve), 0.3)
    drawn += head("flow", above(curve), 0.86)
    drawn += path("thin", *zip(observed, above(there), strict=True))
    drawn += path("jump", *([end, walk[0]] for end, walk in zip(ends, walks, strict=False)))
    drawn += path("back", *walks) + "".join(head("net", walk, 0.6) for walk in walks)
    drawn += words(34, 62, "state") + words(158, 99, "adjoint")
    return drawn + marks("ink", SQUARE, observed)


def images() -> str:
    """Chapter 4: hidden paths of handwritten digits through the published ODE-Net."""
    data, model = digits(), cast(Any, load("table1/odenet"))
    rows = torch.cat([(data.test_labels == digit).nonzero()[:14, 0] for digit in DIGITS])
    # It was trained on MNIST, where a digit fills 20x20 of 28x28 pixels.
    large = interpolate(data.test_images[rows], size=20, mode="bicubic").clamp(0, 1)
    with torch.no_grad():
        start, times = model.stem(pad(large, (4,) * 4)), grid(0, 1, 9)
        states = odeint(model.body.function, start, times, rtol=1e-5, atol=1e-5)
    paths = states.flatten(2).double().unflatten(1, (len(DIGITS), -1))
    ends = paths[-1].mean(1)  # the ends of the three bundles span the picture's plane
    across, up = ends[0] - ends[2], ends[1] - ends[2]
    across = across / across.norm()
    up = up - (up @ across) * across
    seen = paths @ torch.stack([across, up / up.norm()], dim=1)
    place, drawn = placing((12, 12, 188, 138), seen), ""
    for k, (name, shape) in enumerate((("flow", DISC), ("net", SQUARE), ("ink", TRIANGLE))):
        walks = [place(seen[:, k, n]) for n in range(seen.shape[2])]
        drawn += path(f"{name} fine", *walks)
        drawn += marks(f"{name} dot", shape, [walk[-1] for walk in walks])
    return drawn


def moons() -> str:
    """Chapter 5: noise that the published flow carries to two moons."""
    model = cast(Any, load("fig5/cnf-moons"))
    with torch.no_grad():
        noise = torch.randn(48, 2, generator=random_stream(3))
        states = model.trajectory(noise, [k / 9 for k in range(10)])[0]
    shape = CURVES["moons"].branches(grid(0, 1, 25))
    place = placing((8, 8, 192, 142), states, shape, equal=True)
    walks = [place(states[:, n]) for n in range(len(noise))]
    drawn = path("band", *map(place, shape)) + path("thread", *walks)
    drawn += marks("net speck", DISC, [walk[0] for walk in walks])
    return drawn + marks("flow dot", DISC, [walk[-1] for walk in walks])


def gaps() -> str:
    """Chapter 6: a spiral seen at odd times, and what the published model makes of it."""
    model = cast(Any, load("table2/latent_ode-30"))
    seed = facts_of("table2/latent_ode-30")["seed"]
    data = spirals(1000, generator=random_stream(seed, 1))
    seen = data.observed(30, random_stream(seed, 2)).map(lambda x: x[SPIRAL : SPIRAL + 1])
    with torch.no_grad():
        curve = model.predict(seen, data.times[None, ::3])[0]
    now, truth, points = data.window // 3, data.clean[SPIRAL, ::3], seen.values[0]
    place = placing((12, 8, 188, 120), curve, truth, points, equal=True)
    scale = 176 / float(data.times[-1])
    half = 12 + scale * float(data.times[data.window])
    drawn = path("band", place(truth)) + path("net dash", place(curve[now:]))
    drawn += path("flow", place(curve[: now + 1])) + marks("ink fleck", DISC, place(points))
    drawn += path("thin", [(12, 137), (half, 137)]) + path("net dash", [(half, 137), (188, 137)])
    return drawn + uprights("tick", (12 + scale * float(t) for t in seen.times[0]), 131, 143)


def limits() -> str:
    """Chapter 7: two states that should trade places, on a line and in the plane."""
    times, ends = grid(0, 1, 25), numbers(1, -1)
    turn = pi * numbers(0, 1, -1, 0).reshape(2, 2)
    on_line = odeint(lambda t, z: -3 * z, ends, times)
    in_plane = odeint(lambda t, z: z @ turn, graph(ends, 0 * ends), times)
    left = placing((36, 18, 176, 112), *(graph(times, 0 * times + end) for end in ends))
    right = placing((258, 18, 358, 112), in_plane, equal=True)
    drawn, above = words(106, 140, "on a line") + words(308, 140, "in the plane"), ""
    for k, (name, way, shape) in enumerate((("flow", "", DISC), ("net", " dash", SQUARE))):
        walk, arc = left(graph(times, on_line[:, k])), right(in_plane[:, k])
        goal = left(graph(numbers(1), -ends[k : k + 1]))
        drawn += path(name + way, walk, arc) + head(name, walk, 0.45) + head(name, arc, 0.5)
        above += marks(f"{name} large", shape, [walk[0], arc[0]])
        above += rings(f"{name} large", goal, shape)
    return drawn + above


# The page, its picture, its title, its caption, and what the picture shows.
PANELS: tuple[tuple[str, Callable[[], str], str, str, str], ...] = (
    ("01-residual-networks", layers, "A layer is a step",
     "Eight layers jump beside a smooth curve: Euler’s method.",
     "A smooth curve and beside it a polygon with a circle at each of eight layers, which jumps "
     "along the curve and leaves it a little."),
    ("02-solvers", steps, "The solver picks its steps",
     "Small ones where the curve is hard, large ones elsewhere.",
     "A curve that is calm but for one burst of oscillations. Circles on it and ticks below it "
     "mark the solver’s steps: far apart in the calm, close together in the burst."),
    ("03-adjoint", adjoint, "Gradients run backward",
     "The state goes forward, its adjoint back, with a jump at each observation.",
     "Above, a swinging state with arrows to the right, and four observations off the curve. "
     "Below, its adjoint with arrows to the left and a dotted jump at each observation."),
    ("04-odenets", images, "Images take paths",
     "Handwritten 3s (▲), 6s (●) and 8s (■) move apart inside an ODE-Net.",
     "Three bundles of short paths, one for each of three digits, that leave the middle and part; "
     "they end in discs, squares and triangles."),
    ("05-normalizing-flows", moons, "Noise flows into shape",
     "A learned flow carries scattered points to two moons.",
     "Specks scattered like noise, a thin winding path from each to a dot, and the dots along two "
     "interlocking half circles."),
    ("06-latent-odes", gaps, "Time may have gaps",
     "From noisy points at odd times: a fit, a forecast (dashed), the truth (pale).",
     "Noisy dots along a part of a spiral, a solid line through them, and a dashed line that "
     "goes on near the pale true spiral. Unevenly spaced ticks show the times."),
    ("07-limits", limits, "What no flow can do",
     "Two states never trade places on a line: their goals stay empty. In the plane they "
     "walk around each other.",
     "Left, two paths on a line come near each other but never cross to their goals, two empty "
     "marks. Right, in the plane, each goes half a circle to where the other began."),
)  # fmt: skip


def story() -> str:
    """All pictures as an HTML list."""
    items = (
        f'<li{" class=wide" if draw is limits else ""}><a href="{page}.html">'
        f'<svg viewBox="0 0 {416 if draw is limits else 200} 150" '
        f'role="img" aria-label="{label}">'
        f"{draw()}</svg><strong>{number}. {title}</strong><span>{caption}</span></a></li>\n"
        for number, (page, draw, title, caption, label) in enumerate(PANELS, start=1)
    )
    return f'<ol class="book-story">\n{"".join(items)}</ol>\n'


if __name__ == "__main__":
    (STATIC / "story.html").write_text(story(), encoding="utf-8")
