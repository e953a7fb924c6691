"""The options of implicit and multistep methods, and which method has which."""

from dataclasses import dataclass

from nodelib.ode.errors import InvalidOptionError
from nodelib.ode.options import (
    AdaptiveOptions,
    FixedOptions,
    Options,
    SciPyOptions,
    check_count,
)
from nodelib.ode.tableaus import MAX_ORDER, Adams, Method, SciPys

__all__ = ["AdamsOptions", "FixedAdamsOptions", "ImplicitOptions", "options_of"]


@dataclass(frozen=True)
class ImplicitOptions(FixedOptions):
    """Options of an implicit Runge–Kutta method: those of fixed steps, and how to find the stages.

    Attributes:
        max_iterations: of Newton's method in a step, after which the solve gives up.
        batch_dim: the dimension of y along which func treats its samples apart.  Then the
            Jacobian falls into one block for each sample, and the equations are solved directly;
            without it, they are solved as a whole by GMRES.

    Example:
        >>> import torch
        >>> from nodelib import solve
        >>> def fast_decay(t, y):
        ...     return -1e6 * (y - torch.cos(t))
        >>> y0, t = torch.zeros(8, 1, dtype=torch.float64), torch.tensor([0.0, 1.0])
        >>> options = ImplicitOptions(step_size=0.1, batch_dim=0)
        >>> y = solve(fast_decay, y0, t, method="radauIIA5", options=options).y[-1]
        >>> bool((y - t[-1].cos()).abs().max() < 1e-5)
        True
    """

    max_iterations: int = 50
    batch_dim: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("max_iterations", self.max_iterations, 1)
        if self.batch_dim is not None:
            check_count("batch_dim", self.batch_dim, 0)


@dataclass(frozen=True)
class FixedAdamsOptions(FixedOptions):
    """Options of an Adams method whose steps are given.

    The steps may differ in length: the coefficients are those of the grid as it is.

    Attributes:
        max_order: up to 12; `None`: 4 for "explicit_adams", which is stable for short steps only
            if its order is high, and 12 for "implicit_adams".
        max_iterations: how often the implicit formula is evaluated in a step, each time with one
            evaluation of func; fewer where the last change is within the tolerances.

    Example:
        >>> import torch
        >>> from nodelib import solve
        >>> t = torch.linspace(0, 1, 21, dtype=torch.float64)
        >>> options = FixedAdamsOptions(max_order=5)
        >>> y = solve(lambda t, y: -y, t[20:], t, method="implicit_adams", options=options).y
        >>> bool((y[:, 0] - torch.exp(-t)).abs().max() < 1e-6)
        True
    """

    max_order: int | None = None
    max_iterations: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("max_iterations", self.max_iterations, 1)
        if self.max_order is not None:
            check_count("max_order", self.max_order, 2, MAX_ORDER)


@dataclass(frozen=True)
class AdamsOptions(AdaptiveOptions):
    """Options of "adams": those of every method that chooses its steps, and a limit of the order.

    Attributes:
        safety: as for the other methods; at 0.9 five times as many steps are rejected.
        max_order: from 1 to 12.

    Example:
        >>> import torch
        >>> from nodelib import solve
        >>> t = torch.tensor([0.0, 10.0], dtype=torch.float64)
        >>> y0 = torch.tensor([1.0, 0.0], dtype=torch.float64)
        >>> def turn(t, y):
        ...     return torch.stack([y[1], -y[0]])
        >>> solve(turn, y0, t, method="adams", options=AdamsOptions(max_order=5)).stats.orders[-1]
        5
    """

    safety: float = 0.8
    max_order: int = MAX_ORDER

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("max_order", self.max_order, 1, MAX_ORDER)
        if self.controller != "I":
            raise InvalidOptionError("'adams' has its own way from error to step: controller='I'.")


def options_of(method: Method) -> type[Options]:
    """The type of a method's options."""
    if isinstance(method, SciPys):
        return SciPyOptions
    if isinstance(method, Adams):
        return AdamsOptions if method.adaptive else FixedAdamsOptions
    if method.implicit:
        return ImplicitOptions
    return AdaptiveOptions if method.adaptive else FixedOptions
