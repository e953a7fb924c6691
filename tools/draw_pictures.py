"""Draw the book's picture and its mark from solutions that nodelib computes.

Writes _static/flow.svg (the picture of the first page), _static/logo-light.svg,
_static/logo-dark.svg and _static/favicon.svg.  Run it again after changing it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor

from nodelib import odeint

STATIC = Path(__file__).resolve().parent.parent / "_static"
LAYERS = 8
DEPTH = 3.0
STARTS = torch.tensor([-2.1, -1.3, -0.45, 0.5, 1.4], dtype=torch.float64)
WIDTH, HEIGHT, MARGIN = 960.0, 400.0, 26.0
LOWEST, HIGHEST = -2.75, 2.75

STYLE = """
.field { stroke: var(--book-arrow, #b9c4cf); stroke-width: 1.4; stroke-linecap: round; }
.tip { fill: var(--book-arrow, #b9c4cf); }
.layer { stroke: var(--book-rule, #d5dce3); stroke-width: 1; stroke-dasharray: 2 6; }
.flow { fill: none; stroke: var(--book-flow, #0a6aa6); stroke-width: 3.6; stroke-linecap: round; }
.net { fill: none; stroke: var(--book-euler, #c2410c); stroke-width: 1.8; }
.dot { fill: var(--book-card, #fff); stroke: var(--book-euler, #c2410c); stroke-width: 1.8; }
.start { fill: var(--pst-color-text-base, #1d2733); }
"""


def field(t: Tensor, h: Tensor) -> Tensor:
    """A vector field that bends the hidden state h as the depth t grows."""
    return 3.2 * torch.cos(2.2 * t) * torch.exp(-0.25 * h**2)


def place(t: float, h: float) -> tuple[float, float]:
    """Where the state h at depth t lies in the picture."""
    x = MARGIN + (WIDTH - 2 * MARGIN) * t / DEPTH
    return x, HEIGHT * (HIGHEST - h) / (HIGHEST - LOWEST)


def line(points: Iterable[tuple[float, float]], name: str) -> str:
    """An SVG path through the points."""
    corners = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return f'<path class="{name}" d="M{corners}"/>'


def arrows() -> list[str]:
    """The field's directions on a grid."""
    drawn: list[str] = []
    for column in range(30):
        for row in range(12):
            t = DEPTH * (column + 0.5) / 30
            h = LOWEST + (HIGHEST - LOWEST) * (row + 0.5) / 12
            slope = float(field(torch.tensor(t), torch.tensor(h)))
            x, y = place(t, h)
            ahead = place(t + 1e-3, h + 1e-3 * slope)
            size = ((ahead[0] - x) ** 2 + (ahead[1] - y) ** 2) ** 0.5
            dx, dy = 9 * (ahead[0] - x) / size, 9 * (ahead[1] - y) / size
            drawn.append(line([(x - dx, y - dy), (x + dx, y + dy)], "field"))
            drawn.append(f'<circle class="tip" cx="{x + dx:.1f}" cy="{y + dy:.1f}" r="1.9"/>')
    return drawn


def paths(times: Tensor, method: str) -> list[list[tuple[float, float]]]:
    """One solution for each start, as points of the picture."""
    states = odeint(field, STARTS, times, method=method)
    return [
        [place(float(t), float(h)) for t, h in zip(times, states[:, n], strict=True)]
        for n in range(len(STARTS))
    ]


def picture() -> str:
    """The first page's picture: a residual network of eight layers over its flow."""
    exact = paths(torch.linspace(0, DEPTH, 121, dtype=torch.float64), "dopri5")
    network = paths(torch.linspace(0, DEPTH, LAYERS + 1, dtype=torch.float64), "euler")
    parts = arrows()
    for layer in range(LAYERS + 1):
        x, _ = place(DEPTH * layer / LAYERS, 0.0)
        parts.append(line([(x, 0), (x, HEIGHT)], "layer"))
    parts += [line(points, "flow") for points in exact]
    parts += [line(points, "net") for points in network]
    for points in network:
        parts += [f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="5"/>' for x, y in points[1:]]
        parts.append(f'<circle class="start" cx="{points[0][0]}" cy="{points[0][1]:.1f}" r="5.5"/>')
    label = (
        "Five smooth blue curves swing from left to right through a field of small arrows. "
        "From the same five starting points, orange polygons with a circle at each of eight "
        "layers follow the arrows in straight jumps and leave the curves as they go."
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" '
        f'role="img" aria-label="{label}"><style>{STYLE}</style>{"".join(parts)}</svg>\n'
    )


def mark(flow: str, net: str, card: str) -> str:
    """The book's mark: a turn of a spiral and Euler's polygon in four steps."""

    def spiral(_: Tensor, z: Tensor) -> Tensor:
        return torch.stack([-0.2 * z[0] - 1.5 * z[1], 1.5 * z[0] - 0.2 * z[1]])

    def points(count: int, method: str) -> list[tuple[float, float]]:
        times = torch.linspace(0, 2.2, count + 1, dtype=torch.float64)
        states = odeint(spiral, torch.tensor([1.0, 0.0], dtype=torch.float64), times, method=method)
        return [(39 + 17.5 * float(x), 44 - 17.5 * float(y)) for x, y in states]

    polygon = points(5, "euler")
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.4" fill="{card}" stroke="{net}" stroke-width="3"/>'
        for x, y in polygon
    )
    curve = line(points(40, "dopri5"), "a").replace(
        'class="a"', f'stroke="{flow}" stroke-width="6"'
    )
    corners = line(polygon, "b").replace('class="b"', f'stroke="{net}" stroke-width="3"')
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">'
        f'<g fill="none" stroke-linecap="round" stroke-linejoin="round">{curve}{corners}</g>'
        f"{dots}</svg>\n"
    )


def main() -> None:
    """Write the four files."""
    files: dict[str, Callable[[], str]] = {
        "flow.svg": picture,
        "logo-light.svg": lambda: mark("#0a6aa6", "#c2410c", "#ffffff"),
        "logo-dark.svg": lambda: mark("#6cbcf2", "#ff9a5a", "#10161d"),
        "favicon.svg": lambda: mark("#2f8fd0", "#e0641f", "#ffffff"),
    }
    for name, draw in files.items():
        (STATIC / name).write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
