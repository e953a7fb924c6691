"""The exercises of chapter 3, The adjoint."""

from collections.abc import Callable
from math import ceil
from typing import Any

import torch
from torch import Tensor

from nodelib.exercises.checker import require, require_callable, result_of
from nodelib.solve import solve

DOUBLE = torch.float64
START = torch.tensor([0.7, -0.4], dtype=DOUBLE)


def _field(t: Tensor, z: Tensor) -> Tensor:
    """A pendulum with a push: neither linear nor autonomous, with a Jacobian not symmetric."""
    return torch.stack([z[1], -2 * torch.sin(z[0]) - 0.3 * z[1] + torch.cos(t)])


def _differences(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The Jacobian of function at x (n,) by central differences, shape (..., n)."""
    moves = 1e-5 * torch.eye(len(x), dtype=DOUBLE)
    return torch.stack([(function(x + m) - function(x - m)) / 2e-5 for m in moves], -1)


def _vector(answer: Any, size: int, *arguments: Any) -> Tensor:
    value = result_of(answer, *arguments)
    require(
        isinstance(value, Tensor) and value.shape == (size,),
        f"return a tensor of shape ({size},), but you gave {value!r}.",
    )
    found: Tensor = value.detach()
    return found


def _same(one: Tensor, other: Tensor, close: float = 1e-6) -> bool:
    return bool(torch.allclose(one, other, rtol=close, atol=close))


def _listed(x: Tensor) -> str:
    return "(" + ", ".join(f"{v:.4g}" for v in x.tolist()) + ")"


def exercise_1(answer: Any) -> str:
    """The right-hand side of the adjoint equation."""
    require_callable(answer)
    t = torch.tensor(0.4, dtype=DOUBLE)
    jacobian = _differences(lambda z: _field(t, z), START)
    for a in torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, -1.3]], dtype=DOUBLE):
        found, wanted = _vector(answer, 2, _field, t, START, a), -(a @ jacobian)
        at = f"for a = {_listed(a)} you gave {_listed(found)}"
        require(not _same(found, -wanted), f"{at}: the size is right and the sign is not.")
        require(
            not _same(found, -(jacobian @ a)) or _same(found, wanted),
            f"{at}, which is minus the Jacobian times a. The vector belongs on the left.",
        )
        require(
            _same(found, wanted),
            f"{at}, but differences of f say {_listed(wanted)}.",
        )
    return "differences of f agree, on the left of the Jacobian and with the minus."


def exercise_2(answer: Any) -> str:
    """The adjoint of a linear equation in closed form."""
    require_callable(answer)
    matrix = torch.tensor([[-0.3, 2.0, 0.0], [-1.0, 0.1, 0.5], [0.2, 0.0, -0.7]], dtype=DOUBLE)
    c, end = torch.tensor([1.0, -0.5, 2.0], dtype=DOUBLE), 1.5

    def adjoint(t: float) -> Tensor:
        return _vector(answer, 3, matrix, c, end, t)

    require(
        _same(adjoint(end), c),
        f"at t = T the adjoint is dL/dz(T) = c = {_listed(c)}, but yours is "
        f"{_listed(adjoint(end))}.",
    )
    for t in (0.0, 0.6, 1.2):
        rate = (adjoint(t + 1e-5) - adjoint(t - 1e-5)) / 2e-5
        wanted = -(matrix.T @ adjoint(t))
        require(
            _same(rate, wanted),
            f"at t = {t} your a changes at the rate {_listed(rate)}, but −Aᵀa is "
            f"{_listed(wanted)}.",
        )
    z0 = torch.tensor([0.3, 0.8, -1.0], dtype=DOUBLE)
    pairing = [
        float(adjoint(t) @ torch.linalg.matrix_exp(matrix * t) @ z0) for t in (0.0, 0.7, end)
    ]
    require(
        max(pairing) - min(pairing) < 1e-8,
        f"aᵀz should be the same at all times, but it is {pairing}.",
    )
    return "it solves the adjoint equation, ends at c, and keeps aᵀz."


def exercise_3(answer: Any) -> str:
    """The gradients with respect to both end times."""
    require_callable(answer)

    def growth(t: Tensor, z: Tensor) -> Tensor:
        return z * torch.cos(t)

    def loss(ends: Tensor) -> Tensor:
        end = START * torch.exp(torch.sin(ends[1]) - torch.sin(ends[0]))
        return end.square().sum() / 2

    for first, last in ((0.2, 1.1), (1.0, 2.5), (-0.5, 3.0)):
        ends = torch.tensor([first, last], dtype=DOUBLE)
        grown = torch.exp(torch.sin(ends[1]) - torch.sin(ends[0]))
        z1 = START * grown
        given = (growth, ends[0], START, ends[1], z1, z1 * grown, z1)
        found = result_of(answer, *given)
        require(
            isinstance(found, tuple) and len(found) == 2,
            f"return the two gradients dL/dt0 and dL/dt1, but you gave {found!r}.",
        )
        wanted = _differences(loss, ends)
        for name, mine, true in zip(("t0", "t1"), found, wanted, strict=True):
            number = torch.as_tensor(mine, dtype=DOUBLE)
            said = f"from t0 = {first} to t1 = {last}, dL/d{name} is {true:.4g} by differences"
            require(
                not _same(number, -true),
                f"{said}, and yours has the other sign. Which way does the state move at a fixed "
                "time when that end comes later?",
            )
            require(
                number.shape == () and _same(number, true), f"{said}, but you gave {number:.4g}."
            )
    return "differences of a loss in closed form agree, signs included."


def exercise_4(answer: Any) -> str:
    """The adjoint of a running cost."""
    require_callable(answer)
    ends = torch.tensor([0.0, 2.0], dtype=DOUBLE)
    tight: dict[str, Any] = {"method": "dopri8", "rtol": 1e-9, "atol": 1e-9}

    def cost(z: Tensor) -> Tensor:
        return z[0] ** 2 + torch.cos(z[1])

    here, rest = torch.tensor(0.4, dtype=DOUBLE), torch.zeros(2, dtype=DOUBLE)
    found = _vector(answer, 2, _field, cost, here, START, rest)
    wanted = -_differences(cost, START)
    require(
        _same(found, wanted),
        "where a = 0 only the cost acts: there da/dt is minus its gradient, "
        f"{_listed(wanted)}, but you gave {_listed(found)}.",
    )

    def total(z0: Tensor) -> Tensor:
        def both(t: Tensor, s: Tensor) -> Tensor:
            return torch.cat([_field(t, s[:2]), cost(s[:2])[None]])

        way: Tensor = solve(both, torch.cat([z0, rest[:1]]), ends, **tight).y
        return way[-1, 2]

    with torch.no_grad():
        path = solve(_field, START, ends, dense=True, **tight)
    a0 = solve(
        lambda t, a: _vector(answer, 2, _field, cost, t, path(t), a), rest, ends.flip(0), **tight
    ).y[-1]
    wanted = _differences(total, START)
    require(
        _same(a0, wanted, 1e-5),
        f"solved back from a(2) = 0, your equation arrives at a(0) = {_listed(a0)}, but the cost "
        f"of the whole way has the gradient {_listed(wanted)} by differences.",
    )
    return "solved back from zero, it gives the gradient of the whole cost."


def exercise_5(answer: Any) -> str:
    """The number of segments that holds the fewest states at once."""
    require_callable(answer)
    for n in (1, 2, 3, 10, 37, 100, 1000):
        k = result_of(answer, n)
        require(
            isinstance(k, int) and 1 <= k <= n,
            f"for n = {n} the number of segments is a whole number from 1 to {n}; you gave {k!r}.",
        )
        held = [j + ceil(n / j) for j in range(1, n + 1)]
        better = held.index(min(held)) + 1
        require(
            held[k - 1] == min(held),
            f"for n = {n} your {k} segments hold {held[k - 1]} states at once, but {better} "
            f"segments hold {min(held)}.",
        )
    return "no other number of segments holds fewer states; it grows like 2√n."


def exercise_6(answer: Any) -> str:
    """The growth of an error on the way back."""
    require_callable(answer)
    g = torch.Generator().manual_seed(0)
    matrices = [
        [[-10.0]],
        [[-1.0, 8.0], [0.0, -1.2]],
        [[0.0, 1.0], [-1.0, 0.0]],
        [[0.3, 1], [0, -2]],
    ]
    for rows in matrices:
        matrix = torch.tensor(rows, dtype=DOUBLE)
        for end in (0.5, 2.0):
            factor = float(result_of(answer, matrix, end))
            back = torch.linalg.matrix_exp(-matrix * end)
            errors = torch.randn(500, len(matrix), generator=g, dtype=DOUBLE)
            errors = torch.cat([errors, torch.linalg.svd(back).Vh[:1]])
            grown = (errors @ back.T).norm(dim=1) / errors.norm(dim=1)
            largest = float(grown.max())
            said = f"for A = {rows} and T = {end}"
            require(
                factor >= largest * (1 - 1e-6),
                f"{said} an error in the direction {_listed(errors[int(grown.argmax())])} grows by "
                f"{largest:.4g} on the way back, more than your {factor:.4g}.",
            )
            require(
                factor <= largest * (1 + 1e-6),
                f"{said} no error grows by more than {largest:.4g}; you gave {factor:.4g}.",
            )
    return "no error grows more, and one grows just as much."
