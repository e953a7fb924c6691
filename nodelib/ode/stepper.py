"""What an integration loop asks of a method."""

from torch import Tensor

__all__ = ["Past", "Stepper"]

Past = tuple[tuple[float, Tensor], ...]
"""Times of former steps and the slopes there, each of shape (N,), the newest first."""


class Stepper:
    """A method at work on one system: how it takes a step, and what it knows of it afterwards.

    Attributes:
        order: of the last step, where the method chooses it; else `None`.
        past: what the last step could use besides the state and its slope.
        keeps_size: whether a solve that goes on from where this one ended can begin with the size
            of its last step.
    """

    order: int | None = None
    past: Past = ()
    keeps_size = True

    def step(
        self, t: float, y: Tensor, dt: float, slope: Tensor, t_new: float, last_stage: bool = True
    ) -> tuple[Tensor, Tensor]:
        """From y (N,) at t to the new state (N,) at t + dt, and the stages k (rows, N).

        Args:
            t, y, dt: where the step begins, the state there, the (signed) step size.
            slope: f(t, y); of no use to an implicit Runge–Kutta method.
            t_new: the time of stages at the end, see `runge_kutta_step`.
            last_stage: whether f at the new state is wanted of a method that would evaluate it.
        """
        raise NotImplementedError

    def judge(self, k: Tensor, dt: float, size: Tensor) -> tuple[float, float]:
        """The scaled error of the last step, and by what to multiply dt for the next one.

        Args:
            k, dt: its stages and size.
            size: |y|, shape (N,).
        """
        raise NotImplementedError

    def complete(
        self, t: float, y: Tensor, dt: float, k: Tensor, t_new: float, y_new: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """All rows that the interpolant needs, from the stages k; and `slope`, if known by now."""
        return k, self.slope(k)

    def slope(self, k: Tensor) -> Tensor | None:
        """The `slope` of the next step, if this one evaluated it."""
        return None

    def row(self, i: int, k: Tensor) -> Tensor:
        """Row i of the stages k."""
        return k[i]

    def is_shared(self, k: Tensor) -> bool:
        """Whether the next step may write over the stages k."""
        return False

    def restart(self) -> None:
        """Forget the past, since f jumps here."""

    def recall(self, order: int | None, past: Past) -> None:
        """Get ready to take a former step again."""
