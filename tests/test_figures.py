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
