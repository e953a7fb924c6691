"""The exercises of chapter 4, ODE-Nets."""

from typing import Any

import torch
from scipy.stats import binomtest
from torch import Tensor, nn

from nodelib.exercises.checker import require, require_callable, result_of, tensor_of
from nodelib.odenet import ODEBlock, ODEFunction
from nodelib.training import seeded


def _states(*shape: int) -> Tensor:
    with seeded(4):
        return torch.randn(shape)


def exercise_1(answer: Any) -> str:
    """The time as one more channel."""
    require_callable(answer)
    h = _states(3, 5, 4, 2).requires_grad_()
    for time in (0.0, 0.25, 1.0):
        t = torch.tensor(time, requires_grad=True)
        found = tensor_of(answer, (3, 6, 4, 2), t, h)
        require(torch.equal(found[:, :5], h), "the first channels should be those of h.")
        require(
            bool((found[:, 5] == time).all()),
            f"the last channel should be t = {time:g} everywhere.",
        )
        gradients = torch.autograd.grad(found.sum(), [t, h], allow_unused=True)
        require(
            gradients[0] is not None and float(gradients[0]) == 3 * 4 * 2,
            "the gradient with respect to t is lost; make the channel out of the tensor t itself.",
        )
    return "one more channel, constant over the image, and the gradient reaches the time."


def exercise_2(answer: Any) -> str:
    """The p-value of the sign test."""
    require_callable(answer)
    for first, second in ((0, 6), (6, 0), (1, 8), (20, 26), (5, 5), (130, 100), (0, 0)):
        wanted = binomtest(first, first + second).pvalue if first + second else 1.0
        found = result_of(answer, first, second)
        require(
            abs(float(found) - wanted) < 1e-9,
            f"for {first} and {second} images you gave {float(found):.4g}, but SciPy's binomial "
            f"test gives {wanted:.4g}. Add up both tails, and at most 1.",
        )
    return "SciPy's binomial test agrees."


class _Rotation(nn.Module):
    """A smooth field whose flow is known well."""

    def forward(self, t: Tensor, h: Tensor) -> Tensor:
        return torch.stack([-2 * h[:, 1], 2 * h[:, 0]], 1) * torch.cos(t)


def exercise_3(answer: Any) -> str:
    """How far the last state moves when the solver is changed."""
    require_callable(answer)
    h = _states(8, 2)
    angle = 2 * torch.sin(torch.tensor(1.0))
    exact = torch.stack(
        [
            h[:, 0] * angle.cos() - h[:, 1] * angle.sin(),
            h[:, 0] * angle.sin() + h[:, 1] * angle.cos(),
        ],
        1,
    )
    for settings in (
        {"method": "euler", "options": {"step_size": 0.5}},
        {"method": "euler", "options": {"step_size": 0.05}},
        {"method": "dopri5", "rtol": 1e-1, "atol": 1e-1},
    ):
        block = ODEBlock(_Rotation(), **settings)
        before = {name: value for name, value in vars(block).items() if name != "stats"}
        wanted = float((block(h) - exact).norm() / block(h).norm())
        found = float(result_of(answer, block, h))
        name = settings["method"]
        require(
            abs(found - wanted) < 0.05 * wanted + 1e-5,
            f"a block solved by {name} with {settings} should move by {wanted:.3g} of its norm, "
            f"but you gave {found:.3g}. Compare with an accurate solve, say rtol = atol = 1e-7.",
        )
        after = {name: value for name, value in vars(block).items() if name != "stats"}
        require(before == after, "your function left the block with other settings.")
    return "coarse steps are found out, accurate ones pass, and the block is as before."


def exercise_4(answer: Any) -> str:
    """A gradient by the adjoint that does not depend on the scale of the loss."""
    require_callable(answer)
    with seeded(4):
        block = ODEBlock(ODEFunction(4), rtol=1e-3, atol=1e-3, gradient="adjoint")
    h, direction = _states(6, 4, 5, 5), _states(6, 4, 5, 5)
    weights = list(block.function.parameters())
    with block.solved_by(rtol=1e-6, atol=1e-6, gradient="checkpoint"):
        exact = torch.autograd.grad(block(h), weights, direction)
    counts = []
    for scale in (1e-5, 1.0, 1e3):
        found = result_of(answer, block, h, scale * direction)
        require(
            len(found) == len(weights),
            f"return a gradient for each of the {len(weights)} parameters of block.function.",
        )
        counts.append(block.stats.nfe_backward)
        pairs = list(zip(found, exact, strict=True))
        miss = sum(float((mine / scale - theirs).square().sum()) for mine, theirs in pairs)
        norm = sum(float(theirs.square().sum()) for theirs in exact)
        require(
            (miss / norm) ** 0.5 < 0.1,
            f"with the loss times {scale:g} the gradient is off by {(miss / norm) ** 0.5:.0%}. "
            "It should be multiplied by the same number.",
        )
    require(
        len(set(counts)) == 1,
        f"the losses times 1e-5, 1 and 1e3 took {counts} evaluations backwards. Give the solver "
        "the same problem each time: divide the direction by its size, and multiply afterwards.",
    )
    return f"the same {counts[0]} evaluations whatever the scale, and the right gradient."


def exercise_5(answer: Any) -> str:
    """Evaluations of each input alone."""
    require_callable(answer)
    with seeded(4):
        block = ODEBlock(ODEFunction(4), rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        h = _states(5, 4, 5, 5) * torch.tensor([0.01, 0.1, 1.0, 10.0, 100.0]).reshape(5, 1, 1, 1)
        wanted = []
        for one in h.split(1):
            block(one)
            wanted.append(block.nfe)
    found = result_of(answer, block, h)
    require(
        isinstance(found, list | tuple | Tensor) and len(found) == 5,
        "return one number for each of the inputs.",
    )
    numbers = [int(value) for value in found]
    require(
        numbers == wanted,
        f"the inputs alone take {wanted} evaluations, but you gave {numbers}. Keep the batch "
        "dimension: h[i : i + 1].",
    )
    return f"{min(wanted)} to {max(wanted)} evaluations, each input with steps of its own."


def exercise_6(answer: Any) -> str:
    """Empty channels, into which a flow can make way."""
    require_callable(answer)
    h = _states(3, 4, 5, 2).requires_grad_()
    for extra in (1, 4):
        found = tensor_of(answer, (3, 4 + extra, 5, 2), h, extra)
        require(torch.equal(found[:, :4], h), "the first channels should be those of h.")
        require(bool((found[:, 4:] == 0).all()), "the new channels should be zero.")
        require(found.requires_grad, "the gradient with respect to h is lost.")
    return "the state has room to move past itself."
