"""Every time that a peer is faster is in the list and in the picture, and nothing else."""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from benchmarks.contenders import CONTENDERS, MODES
from benchmarks.losses import LOOKS, OURS, Loss, draw, losses, main, short, write


def cell(problem: str, mode: str, contender: str, *seconds: float) -> dict:
    """A cell of the report, its median and quartiles from low, median, high."""
    low, middle, high = seconds or (None, None, None)
    return {
        "problem": problem,
        "mode": mode,
        "contender": contender,
        "median_seconds": middle,
        "first_quartile_seconds": low,
        "third_quartile_seconds": high,
    }


REPORT = {
    "cells": [
        cell("spiral", "forward", "nodelib", 3.0, 4.0, 5.0),
        cell("spiral", "forward", "torchdiffeq", 7.0, 8.0, 9.0),
        cell("spiral", "forward", "diffrax", 0.9, 1.0, 1.5),
        cell("spiral", "adjoint", "torchode", 1.5, 2.0, 2.5),
        cell("spiral", "adjoint", "torchdyn"),  # failed
        cell("spiral", "checkpoint", "nodelib", 2.0, 3.0, 4.0),
        cell("digits", "direct", "nodelib", 2.0, 2.0, 2.0),
        cell("digits", "direct", "torchdyn", 2.0, 2.0, 2.0),
        cell("digits", "forward", "diffrax", 1.0, 1.0, 1.0),  # nodelib was not measured
    ]
}


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def test_the_losses_their_ratios_and_their_quartiles() -> None:
    assert losses(REPORT) == [
        Loss("spiral", "forward", "diffrax", 4.0, 2.0, pytest.approx(5 / 0.9)),
        Loss("spiral", "checkpoint", "torchode", 1.5, 0.8, pytest.approx(4 / 1.5)),
    ]


def test_a_loss_is_certain_where_the_quartiles_are_apart() -> None:
    assert [loss.certain for loss in losses(REPORT)] == [True, False]


def test_without_a_loss_the_list_is_empty_and_nothing_is_drawn() -> None:
    assert losses({"cells": REPORT["cells"][:2]}) == []
    with pytest.raises(ValueError, match="no loss to draw"):
        draw([])


def test_the_picture_has_a_panel_for_each_mode_and_a_row_for_each_problem() -> None:
    figure = draw(losses(REPORT))
    panels = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert [axes.get_title(loc="left") for axes in panels] == [
        "forward",
        "nodelib's checkpoints, against the others' adjoint",
    ]
    for axes in panels:
        assert [label.get_text() for label in axes.get_yticklabels()] == ["spiral"]
    numbers = [[text.get_text() for text in axes.texts] for axes in panels]
    assert numbers == [["4.0"], ["1.50"]]
    dots = [line.get_xdata()[0] for line in panels[0].lines if len(line.get_xdata()) == 1]
    assert dots == [4.0]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["torchode", "diffrax"]


def test_a_picture_of_many_losses_stays_small(tmp_path: Path) -> None:
    many = [
        Loss(f"problem-{i}", mode, peer, 2.0 + i, 1.0 + i, 3.0 + i)
        for mode in MODES
        for i in range(9)
        for peer in ("torchdyn", "diffrax")
    ]
    write(draw(many), tmp_path / "losses.svg")
    assert (tmp_path / "losses.svg").stat().st_size < 100_000


@pytest.mark.parametrize(
    ("ratio", "text"), [(1.014, "1.01"), (2.57, "2.6"), (9.94, "9.9"), (50.79, "51"), (128, "128")]
)
def test_a_ratio_has_two_or_three_digits(ratio: float, text: str) -> None:
    assert short(ratio) == text


def test_every_peer_has_a_look() -> None:
    assert set(LOOKS) | {OURS} == {contender.name for contender in CONTENDERS}


def test_the_command_prints_and_draws_the_same_bytes_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report, picture = tmp_path / "bench.json", tmp_path / "new" / "losses.svg"
    report.write_text(json.dumps(REPORT))
    drawn = []
    for _ in range(2):
        assert main([str(report), str(picture)]) == 0
        drawn.append(picture.read_bytes())
    said = capsys.readouterr().out
    assert "diffrax         4.00\n" in said
    assert "1.50  (quartiles overlap)" in said
    assert drawn[0] == drawn[1]
    assert drawn[0].startswith(b"<?xml")
    assert len(drawn[0]) < 100_000


def test_the_command_draws_nothing_where_nothing_is_lost(tmp_path: Path) -> None:
    report, picture = tmp_path / "bench.json", tmp_path / "losses.svg"
    report.write_text(json.dumps({"cells": []}))
    assert main([str(report), str(picture)]) == 0
    assert not picture.exists()
