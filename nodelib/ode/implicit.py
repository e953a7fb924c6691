"""Implicit Runge–Kutta steps: the stages solve k_i = f(t + c_i dt, y + dt Σ_j a_ij k_j).

Newton's method finds them (Hairer & Wanner, *Solving ODEs II*, IV.8).  Its linear equations are
solved by GMRES, which needs products of the Jacobian with vectors only and so no matrix; where the
samples of a batch are known to be apart, by a factorization of each one's own small matrix.

The gradient does not go through the iterations.  By the implicit function theorem, for stages
k = Φ(k, y, θ), it is that of one more evaluation of Φ, multiplied by (I − ∂Φ/∂k)⁻ᵀ.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from nodelib.ode.errors import ConvergenceError, InvalidOptionError
from nodelib.ode.explicit import combine
from nodelib.ode.stepper import Stepper
from nodelib.ode.trajectory import Plan
from nodelib.ode.transforms import has_tangent, is_transforming

__all__ = ["ImplicitStepper", "gmres"]

MOST_PRODUCTS = 200
"""Products of one linear solve at most; what is left over is for the next iteration of Newton's."""


class ImplicitStepper(Stepper):
    """An implicit Runge–Kutta method at work, see `Stepper`."""

    def __init__(self, f: Any, plan: Plan) -> None:
        self.f, self.tolerance = f, plan.tolerance
        self.tableau: Any = plan.method
        self.options: Any = plan.options

    def step(
        self, t: float, y: Tensor, dt: float, slope: Tensor, t_new: float, last_stage: bool = True
    ) -> tuple[Tensor, Tensor]:
        if is_transforming() or has_tangent(slope):
            raise InvalidOptionError(
                f"{self.tableau.name!r} solves equations in every step, through which neither "
                "torch.func nor a forward-mode derivative can go. Take the gradient with "
                "backward(), or use an explicit method such as 'rk4'."
            )
        like = y.detach()
        a = torch.tensor(self.tableau.a, dtype=y.dtype, device=y.device)
        b = torch.tensor(self.tableau.b, dtype=y.dtype, device=y.device)
        times = [t_new if c == 1.0 else t + c * dt for c in self.tableau.c]

        def stages(k: Tensor, y: Tensor) -> Tensor:
            states = torch.addmm(y, a, k, alpha=dt).unbind()
            return torch.stack([self.f(*at) for at in zip(times, states, strict=True)])

        def linearized(k: Tensor) -> tuple[Tensor, Tensor]:
            with torch.enable_grad():
                z = as_real(k).clone().requires_grad_()
                return z, as_real(stages(like_state(z, like), like))

        k = self.newton(linearized, torch.zeros_like(like).expand(len(times), -1), like, t, dt)
        if torch.is_grad_enabled():
            phi = as_real(stages(k, y))
            if phi.requires_grad:

                def through(by: Tensor | None) -> Tensor | None:
                    if by is None:
                        return None
                    if torch.is_grad_enabled():
                        raise InvalidOptionError(
                            f"{self.tableau.name!r} has first derivatives only. For second ones "
                            "use gradient='adjoint' or an explicit method."
                        )
                    return self.solve(*linearized(k), by, transposed=True)

                seen = phi.view_as(phi)
                seen.register_hook(through)
                k = k + like_state(seen - phi.detach(), like)
        return combine(y, dt, b, k), k

    def newton(
        self,
        linearized: Callable[[Tensor], tuple[Tensor, Tensor]],
        k: Tensor,
        y: Tensor,
        t: float,
        dt: float,
    ) -> Tensor:
        """The stages, shape (s, N), from the guess k until a change is within the tolerance.

        The guess 0 begins at the state y: f may be far from what it is there where y + dt f lies.

        Raises:
            ConvergenceError: it did not become so in `max_iterations`.
        """
        rounding = 16 * torch.finfo(y.dtype).eps
        tolerance = replace(self.tolerance, rtol=self.tolerance.rtol + rounding)
        worst = float("inf")
        for _ in range(self.options.max_iterations):
            z, phi = linearized(k)
            residual = (phi - z).detach()
            change = like_state(self.solve(z, phi, residual), y)
            k = k + change
            size = torch.maximum(y.abs(), (dt * k).abs().amax(dim=0))
            worst = max(tolerance.norms((dt * change).unbind(), size))
            if worst <= 1 or not worst < float("inf"):
                break
        if not worst <= 1:
            raise ConvergenceError(
                f"The stages of {self.tableau.name!r} at t = {t:g} were not found with a step of "
                f"{abs(dt):.3g}: the last change was {worst:.3g} times the tolerance. Take smaller "
                "steps, loosen the tolerances, raise the option max_iterations, or look for NaN "
                "or a jump in func."
            )
        return k

    def solve(self, z: Tensor, phi: Tensor, right: Tensor, transposed: bool = False) -> Tensor:
        """x with (I − J) x = right, or with Jᵀ in place of J = ∂phi/∂z; all shapes (s, N)."""

        def pull(v: Tensor, again: bool = False) -> Tensor:
            if not phi.requires_grad:
                return torch.zeros_like(z)
            (by,) = torch.autograd.grad(
                phi, z, v, retain_graph=True, create_graph=again, allow_unused=True
            )
            return torch.zeros_like(z) if by is None else by

        if self.options.batch_dim is not None:
            return self.solve_blocks(pull, right, transposed)
        if transposed:
            return gmres(lambda v: v - pull(v), right)
        with torch.enable_grad():
            u = torch.zeros_like(phi, requires_grad=True)
            pulled = pull(u, again=True)

        def push(v: Tensor) -> Tensor:  # J v, as the derivative of Jᵀu with respect to u
            if not pulled.requires_grad:
                return torch.zeros_like(v)
            (product,) = torch.autograd.grad(pulled, u, v, retain_graph=True, allow_unused=True)
            return torch.zeros_like(v) if product is None else product

        return gmres(lambda v: v - push(v), right)

    def solve_blocks(
        self, pull: Callable[[Tensor], Tensor], right: Tensor, transposed: bool
    ) -> Tensor:
        """The same, where no sample depends on another."""
        dim = self.options.batch_dim + 1
        apart = right.reshape(-1, *self.f.layout.shapes[0]).movedim(dim, 0)

        def by_sample(v: Tensor) -> Tensor:  # (s, N) as (samples, s · features)
            return v.reshape(-1, *self.f.layout.shapes[0]).movedim(dim, 0).flatten(1)

        def together(x: Tensor) -> Tensor:
            return x.view(apart.shape).movedim(0, dim).reshape(right.shape)

        samples, entries = apart.flatten(1).shape
        units = torch.eye(entries, dtype=right.dtype, device=right.device)
        rows = [by_sample(pull(together(unit.repeat(samples, 1)))) for unit in units]
        matrix = units - torch.stack(rows, dim=1)
        x = torch.linalg.solve(matrix.mT if transposed else matrix, by_sample(right)[..., None])
        return together(x)

    def slope(self, k: Tensor) -> Tensor | None:
        """Any vector will do, and spares an evaluation: the stages are found from scratch."""
        return k[-1]


def as_real(k: Tensor) -> Tensor:
    """Complex stages (s, N) as real ones (s, 2N), real ones as they are."""
    return torch.view_as_real(k).flatten(1) if k.is_complex() else k


def like_state(z: Tensor, y: Tensor) -> Tensor:
    """Stages of `as_real` with the dtype of the state y."""
    return torch.view_as_complex(z.unflatten(1, (-1, 2))) if y.is_complex() else z


def gmres(apply: Callable[[Tensor], Tensor], right: Tensor) -> Tensor:
    """x with apply(x) = right, by the generalized minimal residual (Saad & Schultz 1986).

    It stops where the residual is rounding, or after as many products as `right` has entries, 200
    at most; x is then the best that their span has.

    Args:
        apply: a linear map of tensors shaped like `right`.
        right: real.
    """
    beta = float(torch.linalg.vector_norm(right))
    if not 0 < beta < float("inf"):
        return right
    small = 100 * torch.finfo(right.dtype).eps
    basis = [right.flatten() / beta]
    most = min(right.numel(), MOST_PRODUCTS)
    hessenberg = torch.zeros(most + 1, most, dtype=torch.float64, device="cpu")
    target = torch.zeros(most + 1, 1, dtype=torch.float64, device="cpu")
    target[0] = beta
    for j in range(most):
        new = apply(basis[j].view_as(right)).flatten()
        known = torch.stack(basis)
        for _ in range(2):  # once more: rounding leaves a part of the basis in it
            part = known @ new
            new = new - part @ known
            hessenberg[: j + 1, j] += part.cpu()
        length = float(torch.linalg.vector_norm(new))
        hessenberg[j + 1, j] = length
        system = hessenberg[: j + 2, : j + 1]
        best = torch.linalg.lstsq(system, target[: j + 2]).solution
        residual = float(torch.linalg.vector_norm(system @ best - target[: j + 2]))
        if residual <= small * beta or length <= small * float(system[:, j].norm()):
            break
        basis.append(new / length)
    weights = best[:, 0].to(right.device, right.dtype)
    x = torch.mv(torch.stack(basis[: len(weights)]).T, weights)
    return x.view_as(right)
