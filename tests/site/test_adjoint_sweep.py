"""The adjoint swept back in the browser is nodelib's adjoint."""

import pytest
import torch
from browsing import Visit
from operating import called, data
from pages import ADJOINT_PAGE

from nodelib import solve

WIDGET = ".nl-adjoint"
DOUBLE = torch.float64
TARGETS = torch.tensor([[0.35, -1.3], [-0.75, -0.5], [-0.3, 1.0]], dtype=DOUBLE)


def gradients(time: float) -> tuple[torch.Tensor, list[float]]:
    """The state at `time`, and of the loss of all later observations: its gradients.

    They are with respect to that state and to k and d, by nodelib's adjoint started there.
    """
    theta = torch.tensor([1.5, 0.3], dtype=DOUBLE, requires_grad=True)

    def pendulum(t: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        return torch.stack([z[1], -theta[0] * torch.sin(z[0]) - theta[1] * z[1]])

    tight = {"method": "dopri8", "rtol": 1e-11, "atol": 1e-12}
    start = torch.tensor([1.2, 0.0], dtype=DOUBLE)
    there = start
    if time > 0:
        with torch.no_grad():
            there = solve(pendulum, start, torch.tensor([0.0, time], dtype=DOUBLE), **tight).y[-1]
    there = there.clone().requires_grad_()
    later = [t for t in (1.0, 2.0, 3.0) if t >= time]
    times = torch.tensor([time, *[t for t in later if t > time]], dtype=DOUBLE)
    y = there[None]
    if len(times) > 1:
        y = solve(pendulum, there, times, gradient="adjoint", params=[theta], **tight).y
    seen = y[-len(later) :] if later else y[:0]
    loss = (seen - TARGETS[3 - len(later) :]).square().sum() / 2
    by_state, by_theta = torch.autograd.grad(loss, (there, theta), materialize_grads=True)
    return there.detach(), [*by_state.tolist(), *by_theta.tolist()]


@pytest.mark.parametrize("time", [3.0, 2.4, 2.0, 1.55, 1.0, 0.3, 0.0])
def test_at_every_time_it_shows_the_adjoint_of_nodelib(visit: Visit, time: float) -> None:
    widget = visit(ADJOINT_PAGE).page.locator(WIDGET).first
    widget.get_by_role("slider").fill(str(round(100 * time)))
    found = data(widget)
    state, wanted = gradients(time)
    assert found["time"] == pytest.approx(time)
    assert found["state"] == pytest.approx(state.tolist(), abs=1e-6)
    assert found["found"] == pytest.approx(wanted, abs=1e-6)
    for name, value in zip(("k", "d"), wanted[2:], strict=True):
        printed = widget.locator(f"[data-name={name}]").inner_text().replace("−", "-")
        assert float(printed) == pytest.approx(value, rel=6e-3, abs=1e-6)
    assert f"At t = {time:g}," in widget.locator(".nl-sentence").inner_text()


def test_the_jumps_are_the_direct_derivatives(visit: Visit) -> None:
    page = visit(ADJOINT_PAGE).page
    run = called(page, "adjoint_sweep", "widget.sweep()")
    for time in (1, 2, 3):
        state, _ = gradients(float(time))
        before, after = run["before"][str(100 * time)], run["found"][100 * time]
        jump = [b - a for a, b in zip(before[:2], after[:2], strict=True)]
        assert jump == pytest.approx((state - TARGETS[time - 1]).tolist(), abs=1e-6)


def test_sweep_runs_back_and_can_be_stopped(visit: Visit) -> None:
    page = visit(ADJOINT_PAGE).page
    widget = page.locator(WIDGET).first
    widget.get_by_role("button", name="Sweep").click()
    page.wait_for_function(f"() => Number(document.querySelector('{WIDGET}').dataset.time) < 2.8")
    widget.get_by_role("button", name="Stop").click()
    stopped_at = data(widget)["time"]
    page.wait_for_timeout(400)
    assert data(widget)["time"] == stopped_at > 0


def test_sweep_is_immediate_for_readers_who_want_less_motion(visit: Visit) -> None:
    page = visit(ADJOINT_PAGE, reduced_motion="reduce").page
    widget = page.locator(WIDGET).first
    widget.get_by_role("button", name="Sweep").click()
    assert data(widget)["time"] == 0
