"""`solve` behind the signature of torchdiffeq's `odeint`."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from nodelib.ode.state import Func, State
from nodelib.solve import solve

__all__ = ["odeint"]

NATIVE = {"max_num_steps": "max_steps", "ifactor": "largest_factor", "dfactor": "smallest_factor"}
"""torchdiffeq's names of options, and ours where they differ."""


def odeint(
    func: Func,
    y0: State,
    t: Tensor,
    *,
    rtol: float = 1e-7,
    atol: float = 1e-9,
    method: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Any:
    """The solution of dy/dt = func(t, y), y(t[0]) = y0, at every time in t.

    The arguments have the names, order and defaults of torchdiffeq's function of the same name
    (version 0.2.5); `method=None` is "dopri5".  Its `event_fn`, its other methods and its options
    that are not named below are not taken.  Between fixed steps the solution is interpolated by
    cubics, as there with the option interp="cubic".  `nodelib.solve` gives the cost as well.

    Args:
        func, y0, t, rtol, atol: as in `nodelib.solve`.
        method: "euler", "midpoint", "rk4" or "dopri5".
        options: `step_size` for the first three; `first_step`, `max_num_steps`, `safety`,
            `ifactor`, `dfactor` for "dopri5".

    Returns:
        Shape (T, \\*y0.shape), or a tuple of such if y0 is a tuple.

    Raises:
        SolverError: see `nodelib.ode.errors`.

    Example:
        >>> import torch
        >>> y = odeint(lambda t, y: -y, torch.ones(2), torch.linspace(0, 1, 5))
        >>> y.shape
        torch.Size([5, 2])
    """
    if isinstance(options, Mapping):
        options = {NATIVE.get(name, name): value for name, value in options.items()}
    chosen = method or "dopri5"
    return solve(func, y0, t, method=chosen, rtol=rtol, atol=atol, options=options).y
