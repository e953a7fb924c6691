"""The exercises of chapter 5, continuous normalizing flows."""

from typing import Any

import torch
from scipy.stats import multivariate_normal
from torch import Tensor

from nodelib.exercises.checker import require, require_callable, tensor_of
from nodelib.training import seeded

DOUBLE = torch.float64


def _random(*shape: int, seed: int = 5) -> Tensor:
    with seeded(seed):
        return torch.randn(shape, dtype=DOUBLE)


def _near(found: Tensor, wanted: Tensor, tolerance: float = 1e-6) -> bool:
    return bool(torch.allclose(found.detach().to(DOUBLE), wanted, rtol=tolerance, atol=tolerance))


def _layer(z: Tensor, u: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return z + torch.tanh(z @ w + b)[..., None] * u


def exercise_1(answer: Any) -> str:
    """The log-determinant of a planar layer."""
    require_callable(answer)
    z, b = _random(7, 3), torch.tensor(0.2, dtype=DOUBLE)
    w = _random(3, seed=6)
    for u in (0.5 * w + 0.3, -0.4 * w / w.square().sum(), -3 * w / w.square().sum()):
        found = tensor_of(answer, (7,), z, u, w, b)
        jacobian = torch.func.vmap(torch.func.jacrev(lambda p, u=u: _layer(p, u, w, b)))(z)
        determinants = torch.linalg.det(jacobian)
        folds = bool((determinants < 0).any())
        require(
            _near(found, determinants.abs().log()),
            "it is not autograd's log |det|"
            + (
                " where the layer folds space over: mind the absolute value."
                if folds
                else ": the Jacobian is I + tanh' u wᵀ, and tanh' = 1 − tanh²."
            ),
        )
    return "autograd's determinant agrees, also where the layer folds space."


def exercise_2(answer: Any) -> str:
    """The inverse of a planar layer."""
    require_callable(answer)
    z, w = 3 * _random(9, 3), _random(3, seed=6)
    for along in (2.0, 0.3, -0.6, -0.99):
        for b in (0.0, 1.5):
            u, offset = along * w / w.square().sum(), torch.tensor(b, dtype=DOUBLE)
            x = _layer(z, u, w, offset)
            found = tensor_of(answer, (9, 3), x, u, w, offset)
            require(
                _near(_layer(found, u, w, offset), x, 1e-6),
                f"the layer does not take your points to x, where u·w = {along:g}. Solve "
                "w·x = a + u·w tanh(a + b) for a to more digits.",
            )
    return "the layer takes your points to where they came from."


def _field(z: Tensor) -> Tensor:
    """A field whose Jacobian is full, and differs from row to row."""
    return torch.sin(z.roll(1, -1)) * z + 0.5 * z.square().cumsum(-1)


def _traces(z: Tensor) -> Tensor:
    jacobians = torch.func.vmap(torch.func.jacrev(_field))(z)
    traces: Tensor = jacobians.diagonal(dim1=1, dim2=2).sum(1)
    return traces


def exercise_3(answer: Any) -> str:
    """The exact trace of any field."""
    require_callable(answer)
    z = _random(6, 4).requires_grad_()
    found = tensor_of(answer, (6,), _field, z)
    wanted = _traces(z)
    require(
        _near(found, wanted.detach()),
        "it is not the trace of autograd's Jacobian. Add up entry i of row i, for all i.",
    )
    require(found.requires_grad, "the gradient with respect to z is lost; training needs it.")
    ours, exact = (torch.autograd.grad(some.sum(), z)[0] for some in (found, wanted))
    require(_near(ours, exact), "its gradient with respect to z is not that of the trace.")
    return "autograd's Jacobian has the same trace, and the same derivative of it."


def exercise_4(answer: Any) -> str:
    """Hutchinson's estimate of the trace."""
    require_callable(answer)
    z, noise = _random(6, 4), _random(6, 4, seed=8)
    found = tensor_of(answer, (6,), _field, z, noise)
    jacobians = torch.func.vmap(torch.func.jacrev(_field))(z)
    wanted = torch.einsum("ni,nij,nj->n", noise, jacobians, noise)
    require(
        _near(found, wanted),
        "it is not εᵀ J ε with the noise that was given. Multiply εᵀ J by ε and add up.",
    )
    calls = 0

    def counted(points: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return _field(points)

    tensor_of(answer, (6,), counted, z, noise)
    require(calls == 1, f"you evaluated f {calls} times; one evaluation and one product suffice.")
    return "εᵀ J ε, by a single product."


def exercise_5(answer: Any) -> str:
    """The density of a linear flow."""
    require_callable(answer)
    for dim, t in ((2, 1.0), (3, 0.4)):
        A, x = 0.8 * _random(dim, dim), _random(8, dim, seed=7)
        found = tensor_of(answer, (8,), x, A, t)
        flow = torch.linalg.matrix_exp(A * t)
        normal = multivariate_normal(cov=(flow @ flow.T).numpy())
        wanted = torch.from_numpy(normal.logpdf(x.numpy()))
        off = found.detach() - wanted
        shifted = bool((off - off[0]).abs().max() < 1e-6)
        require(
            _near(found, wanted),
            f"in {dim} dimensions at t = {t:g} SciPy's normal density differs"
            + (
                f" by the same {float(off[0]):.3f} everywhere: look at the trace and at 2π."
                if shifted
                else ": take the points back by the flow of −A."
            ),
        )
    return "SciPy's normal density, with covariance exp(At) exp(Aᵀt), agrees."


def exercise_6(answer: Any) -> str:
    """The Hamiltonian velocity."""
    require_callable(answer)

    def energy(z: Tensor) -> Tensor:
        q, p = z.chunk(2, dim=-1)
        return (p.square() + torch.cos(q) + q * p).sum(-1)

    for half in (1, 2):
        z = _random(5, 2 * half)
        q, p = z.chunk(2, dim=1)
        wanted = torch.cat([2 * p + q, torch.sin(q) - p], dim=1)
        found = tensor_of(answer, (5, 2 * half), energy, z)
        require(
            not _near(found, -wanted),
            "both signs are turned: q moves along ∂H/∂p, p against ∂H/∂q.",
        )
        require(
            _near(found, wanted),
            "for H = p² + cos q + q p the velocity is (2p + q, sin q − p). Differentiate H, "
            "exchange the halves, and turn one sign.",
        )
    return "q along ∂H/∂p, p against ∂H/∂q."


def exercise_7(answer: Any) -> str:
    """The loss of flow matching."""
    require_callable(answer)
    z, x = _random(6, 2), _random(6, 2, seed=7)
    with seeded(8):
        t = torch.rand(6, dtype=DOUBLE)
    seen: list[tuple[Any, Any]] = []

    def network(times: Tensor, points: Tensor) -> Tensor:
        seen.append((times, points))
        return times.reshape(-1, 1) * points + 1

    found = tensor_of(answer, (), network, z, x, t)
    times, points = seen[-1]
    require(
        isinstance(times, Tensor) and times.shape == (6, 1),
        "give f the times with shape (n, 1).",
    )
    on_line = (1 - t)[:, None] * z + t[:, None] * x
    require(_near(points, on_line), "the points are not (1 − t) z + t x: noise at t = 0.")
    wanted = (t[:, None] * on_line + 1 - (x - z)).square().sum(1).mean()
    require(
        _near(found, wanted),
        f"you gave {float(found):.4g}, but the mean of |f − (x − z)|² is {float(wanted):.4g}. "
        "Add up the coordinates, then take the mean over points.",
    )
    return "the network meets the line's velocity, and no solver was asked."
