"""The figures: what is given is what is drawn, with names on the axes."""

from collections.abc import Iterator

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from nodelib import figures

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _style() -> Iterator[None]:
    with plt.rc_context():
        figures.use_style()
        yield
    plt.close("all")


def test_the_style_is_a_light_card_with_the_books_colors() -> None:
    assert plt.rcParams["figure.facecolor"] == "white"
    colors = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    assert set(colors) <= set(figures.COLORS.values())
    assert len(set(colors)) == 5


def test_the_colors_of_curves_stand_out_from_the_card() -> None:
    """A contrast of 3:1 with white, as WCAG 2.1 asks of graphics (criterion 1.4.11)."""
    for name in ("blue", "orange", "green", "purple", "gold", "ink", "gray"):
        channels = np.array(matplotlib.colors.to_rgb(figures.COLORS[name]))
        linear = np.where(
            channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        luminance = float(linear @ [0.2126, 0.7152, 0.0722])
        assert 1.05 / (luminance + 0.05) >= 3, name


def test_polygons_draws_every_path_and_the_flow() -> None:
    paths = {n: torch.rand(n + 1, 2) for n in (2, 4)}
    flow = torch.rand(30, 2)
    (axes,) = figures.polygons(paths, flow, torch.sin).axes
    drawn = {line.get_label(): np.column_stack(line.get_data()) for line in axes.lines}
    np.testing.assert_array_equal(drawn["2 layers"], paths[2].numpy())
    np.testing.assert_array_equal(drawn["4 layers"], paths[4].numpy())
    np.testing.assert_array_equal(drawn["the flow"], flow.numpy())
    assert axes.get_xlabel()
    assert axes.get_ylabel()


def test_against_depth_draws_the_median_and_the_range() -> None:
    depths = [8, 16, 32]
    values = torch.tensor([[1.0, 4.0, 2.0], [0.5, 0.6, 0.9], [0.1, 0.3, 0.2]])
    (axes,) = figures.against_depth([("error", {"seeds": (depths, values)})]).axes
    bar = axes.containers[0]
    np.testing.assert_allclose(bar.lines[0].get_ydata(), [2.0, 0.6, 0.2])
    low, high = (cap.get_ydata() for cap in bar.lines[1])
    np.testing.assert_allclose(low, [1.0, 0.5, 0.1])
    np.testing.assert_allclose(high, [4.0, 0.9, 0.3])
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert axes.get_ylabel() == "error"


@pytest.mark.parametrize("slope", [-1.0, -2.0])
def test_the_guide_has_the_slope_that_it_names(slope: float) -> None:
    curves = {"one": ([2, 4, 8], torch.tensor([1.0, 0.5, 0.25]))}
    (axes,) = figures.against_depth([("error", curves)], slope=slope).axes
    (guide,) = [line for line in axes.lines if line.get_label() == f"slope {slope:g}"]
    x, y = (np.log(data) for data in guide.get_data())
    np.testing.assert_allclose(np.diff(y) / np.diff(x), slope)


def test_adaptive_steps_marks_evaluations_and_step_sizes() -> None:
    t = torch.linspace(0, 1, 20)
    evaluated = torch.rand(6, 2)
    above, below = figures.adaptive_steps(t, t.sin(), evaluated, [0.0, 0.25, 1.0]).axes
    circles = [line for line in above.lines if line.get_marker() == "o"]
    np.testing.assert_array_equal(np.column_stack(circles[0].get_data()), evaluated.numpy())
    np.testing.assert_allclose(below.patches[0].get_data().values, [0.25, 0.75])
    assert below.get_yscale() == "log"


def test_residual_beside_ode_draws_jumps_and_circles() -> None:
    jumps = torch.rand(4, 2)
    curves = [(torch.linspace(0, 3, 5), torch.rand(5)) for _ in range(2)]
    circles = [torch.rand(7, 2) for _ in range(2)]
    figure = figures.residual_beside_ode(jumps, curves, circles, lambda t, h: h * t)
    left, right = figure.axes
    dots = [line for line in left.lines if line.get_marker() == "o"]
    np.testing.assert_array_equal(dots[0].get_xdata(), jumps[:, 0].numpy())
    rings = [line for line in right.lines if line.get_marker() == "o"]
    np.testing.assert_array_equal(rings[1].get_xdata(), circles[1][:, 1].numpy())
    assert (left.get_title(loc="left"), right.get_title(loc="left")) == (
        "Residual network",
        "ODE network",
    )


def test_digit_strip_shows_each_image_under_its_title() -> None:
    images = torch.rand(3, 1, 8, 8)
    figure = figures.digit_strip(images, ["1", "2", "3"])
    for axes, image, title in zip(figure.axes, images, "123", strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), image[0].numpy())
        assert axes.get_title(loc="center") == title
    with pytest.raises(ValueError, match="zip"):
        figures.digit_strip(images, ["1"])


def test_curves_names_its_axes_and_draws_guides_from_the_finest_point() -> None:
    h = [0.5, 0.25, 0.125]
    lines = {"one": (h, [0.25, 0.06, 0.016]), "limit": (h, h), "its partner": (h, [0.3, 0.1, 0.02])}
    panels = [("step size", "error", lines), ("seconds", "error", {"one": (h, h)})]
    figure = figures.curves(panels, slopes=(2,), dashed=("limit",), partners={"its partner": "one"})
    left, right = figure.axes
    assert (left.get_xlabel(), right.get_xlabel()) == ("step size", "seconds")
    assert {axis.get_xscale() for axis in figure.axes} == {"log"}
    one, limit, partner, guide = left.lines
    assert one.get_color() == partner.get_color() != limit.get_color()
    assert (partner.get_linestyle(), limit.get_linestyle()) == ("--", "--")
    x, y = guide.get_data()
    assert (x[-1], y[-1]) == (0.125, 0.016)
    np.testing.assert_allclose(np.diff(np.log(y)) / np.diff(np.log(x)), 2)


@pytest.mark.parametrize("log", ["", "x", "y"])
def test_curves_on_other_axes_have_no_markers(log: str) -> None:
    (axes,) = figures.curves([("t", "z", {"one": ([1, 2], [3, 4])})], log=log).axes
    scales = ["log" if letter in log else "linear" for letter in "xy"]
    assert [axes.get_xscale(), axes.get_yscale()] == scales
    assert axes.lines[0].get_marker() == ""


def test_a_short_logarithmic_axis_has_few_labels() -> None:
    panels = [("t", "z", {"one": ([30, 300], [1, 2])}), ("t", "z", {"one": ([3, 3000], [1, 2])})]
    short, long = figures.curves(panels).axes
    short.figure.canvas.draw()
    shown = [label.get_text() for label in short.get_xticklabels(which="both")]
    assert {"50", "100", "200"} <= set(shown) <= {"", "10", "20", "50", "100", "200", "500", "1000"}
    assert "$\\mathdefault{10^{2}}$" in [label.get_text() for label in long.get_xticklabels()]


def test_path_with_steps_colors_each_step_by_its_size() -> None:
    path, starts, ends = torch.rand(9, 2), torch.rand(3, 2), [0.0, 0.1, 0.5, 2.0]
    figure = figures.path_with_steps(path, starts, ends, ("x", "y"), {"Sun": (0.2, 0.3)})
    left, right, bar = figure.axes
    (dots,) = left.collections
    np.testing.assert_allclose(dots.get_offsets(), starts, rtol=1e-6)
    np.testing.assert_allclose(dots.get_array(), [0.1, 0.4, 1.5])
    np.testing.assert_allclose(right.patches[0].get_data().values, [0.1, 0.4, 1.5])
    assert bar.get_xlabel() == "step size"
    assert [text.get_text() for text in left.texts] == ["Sun"]


def test_stability_regions_draws_where_the_factor_is_one() -> None:
    (axes,) = figures.stability_regions({"euler": lambda z: 1 + torch.as_tensor(z)}).axes
    (contour,) = axes.collections
    boundary = np.concatenate([path.vertices for path in contour.get_paths()])
    distance = np.hypot(boundary[:, 0] + 1, boundary[:, 1])
    np.testing.assert_allclose(distance, 1, atol=1e-3)


def test_orders_and_steps_shares_its_edges() -> None:
    t, ends = torch.linspace(0, 3, 7), [0.0, 0.5, 1.0, 3.0]
    top, middle, bottom = figures.orders_and_steps(t, t.cos(), ends, [1, 2, 4]).axes
    np.testing.assert_array_equal(top.lines[0].get_ydata(), t.cos())
    np.testing.assert_allclose(middle.patches[0].get_data().values, [0.5, 0.5, 2.0])
    drawn = bottom.patches[0].get_data()
    np.testing.assert_array_equal(drawn.edges, ends)
    np.testing.assert_array_equal(drawn.values, [1, 2, 4])


def test_adjoint_jumps_draws_an_arrow_from_the_end_of_each_piece() -> None:
    t, observed = torch.linspace(0, 2, 9), (torch.tensor([1.0, 2.0]), torch.tensor([0.3, 0.4]))
    last = torch.tensor([2.0, 1.5, 1.0]), torch.tensor([0.5, 0.6, 0.8])
    first = torch.tensor([1.0, 0.5, 0.0]), torch.tensor([-0.2, 0.0, 0.1])
    above, below = figures.adjoint_jumps(t, t.sin(), observed, [last, first]).axes
    np.testing.assert_array_equal(above.lines[1].get_ydata(), observed[1])
    arrows = [(note.xyann, note.xy) for note in below.texts]
    wanted = [((2.0, 0.0), (2.0, 0.5)), ((1.0, 0.8), (1.0, -0.2))]
    np.testing.assert_allclose(arrows, wanted, rtol=1e-6)
    assert "jump by ∂L/∂z" in [text.get_text() for text in below.get_legend().get_texts()]


def test_hidden_paths_have_one_color_and_one_entry_of_the_legend_for_each_class() -> None:
    paths = torch.randn(7, 4, 2)
    (axes,) = figures.hidden_paths(paths, ["0", "7", "0", "7"]).axes
    lines = [line for line in axes.lines if len(line.get_xdata()) == 7]
    for number, line in enumerate(lines):
        assert np.allclose(np.stack(line.get_data()), paths[:, number].T.numpy())
    assert len(lines) == 4
    assert lines[0].get_color() == lines[2].get_color() != lines[1].get_color()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["0", "7"]
    assert axes.get_xlabel()
    assert axes.get_ylabel()


def test_densities_draws_shades_and_samples_in_a_table() -> None:
    normal = torch.distributions.Normal(0.0, 1.0)

    def log_prob(x: torch.Tensor) -> torch.Tensor:
        return normal.log_prob(x).sum(-1)

    samples = torch.zeros(7, 2)
    figure = figures.densities({"a": [log_prob, samples], "b": [samples, log_prob]}, ["x", "y"])
    table = np.array(figure.axes).reshape(2, 2)
    assert [axes.get_title() for axes in table[0]] == ["x", "y"]
    assert [axes.get_ylabel() for axes in table[:, 0]] == ["a", "b"]
    (image,) = table[0, 0].images
    shades = image.get_array()
    assert shades.max() == pytest.approx(1 / (2 * np.pi), rel=0.02)
    assert shades[36, 36] > shades[36, 70], "the middle is darkest"
    assert len(table[0, 1].lines[0].get_xdata()) == 7


def test_a_grid_has_its_rows_from_bottom_to_top() -> None:
    points = figures.grid((-1, 3, 0, 2), 5)
    assert points[0, 0].tolist() == [-1, 0]
    assert points[-1, 0].tolist() == [-1, 2]
    assert points[0, -1].tolist() == [3, 0]


def test_spread_draws_the_mean_and_a_dot_for_each_seed() -> None:
    values = [[1.0, 3.0], [0.5, 0.7], [0.1, 0.3]]
    panel = ("U", {"flow": ([2, 8, 32], values)})
    figure = figures.spread([panel, panel], ("K", "KL"), ticks=(2, 8, 32))
    line, dots = figure.axes[0].lines
    assert line.get_ydata().tolist() == pytest.approx([2.0, 0.6, 0.2])
    assert dots.get_ydata().tolist() == pytest.approx(np.ravel(values).tolist())
    assert dots.get_xdata().tolist() == [2, 2, 8, 8, 32, 32]
    assert figure.axes[0].get_title("left") == "U"


def test_planes_draws_each_look_once_in_the_legend() -> None:
    line = torch.stack([torch.linspace(0, 1, 9), torch.zeros(9)], 1)
    ways = torch.stack([line, line + 1])
    panel = [figures.Curve(line, "truth", "truth"), figures.Curve(ways, "way", "ways")]
    figure = figures.planes({"a": [panel, panel], "b": [panel, panel]}, ["x", "y"])
    assert len(figure.axes) == 4
    assert [len(axes.lines) for axes in figure.axes] == [3] * 4
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["truth", "ways"]
    low, high = figure.axes[0].get_xlim()
    assert low < 0
    assert high > 1
    assert figure.axes[0].get_aspect() == 1


def test_a_given_view_is_kept() -> None:
    panel = [figures.Curve(torch.zeros(2, 2), "data")]
    (axes,) = figures.planes({"": [panel]}, view=(-1, 2, -3, 4), legend=0).axes
    assert axes.get_xlim() == (-1, 2)
    assert axes.get_ylim() == (-3, 4)
    assert len(axes.get_xticks()) == 0
    panel = [figures.Curve(torch.tensor([[0.0, 1.0], [2.0, 3.0]]), "model", "one")]
    (axes,) = figures.planes({"": [panel]}, equal=False, labels=("time", "value")).axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("time", "value")
    assert len(axes.get_xticks()) > 1


def test_event_rates_draws_rates_above_a_tick_for_each_event() -> None:
    t = torch.linspace(0, 1, 11)
    panel = ("one", t, {"truth": t + 1, "learned": t + 2}, torch.tensor([0.2, 0.6, 0.9]))
    first, _ = figures.event_rates([panel, panel]).axes
    assert [line.get_label() for line in first.lines] == ["truth", "learned"]
    (ticks,) = first.collections
    assert len(ticks.get_segments()) == 3
    assert max(y for segment in ticks.get_segments() for _, y in segment) < 0


def test_the_graph_of_a_latent_ode_names_all_its_parts() -> None:
    (axes,) = figures.latent_graph().axes
    said = " ".join(text.get_text() for text in axes.texts)
    for part in ("x(t₁)", "h₃", "q(z₀ | x)", "ODE solver", "decoder", "forecast"):
        assert part in said
    boxes = [patch for patch in axes.patches if hasattr(patch, "get_boxstyle")]
    assert len(boxes) == 14
