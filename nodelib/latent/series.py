"""Time series whose observations come at times of their own."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = ["Series", "SeriesError"]


class SeriesError(ValueError):
    """Times and values are no time series; the message says which and why."""


@dataclass(frozen=True)
class Series:
    """A batch of sequences, each with its own times; shorter ones are padded.

    Attributes:
        times: increasing in each sequence, shape (..., n).
        values: what was observed, shape (..., n, dim).
        observed: where there is an observation, shape (..., n), bool; `None`: everywhere.
            Padding follows the observations and repeats the last time.

    Example:
        >>> series = Series.of([([0.0, 0.5], [1.0, 2.0]), ([0.1, 0.7, 0.9], [3.0, 4.0, 5.0])])
        >>> series.values.shape, series.count.tolist()
        (torch.Size([2, 3, 1]), [2, 3])
    """

    times: Tensor
    values: Tensor
    observed: Tensor | None = None

    def __post_init__(self) -> None:
        if self.values.dim() < 2 or self.values.shape[:-1] != self.times.shape:
            raise SeriesError(
                f"times has shape {tuple(self.times.shape)} and values "
                f"{tuple(self.values.shape)}: they must be (*batch, n) and (*batch, n, dim)."
            )

    @classmethod
    def of(cls, sequences: Iterable[tuple[Any, Any]]) -> "Series":
        """Pad sequences of different lengths: pairs of times (n,) and values (n, dim) or (n,).

        Raises:
            SeriesError: a sequence is empty, holds NaN or infinity, or its times do not increase.
        """
        pairs = []
        for number, (when, what) in enumerate(sequences):
            times = torch.as_tensor(when, dtype=torch.float32)
            values = torch.as_tensor(what, dtype=torch.float32)
            values = values[:, None] if values.dim() == 1 else values
            if times.dim() != 1 or len(times) == 0 or values.shape[:1] != times.shape:
                raise SeriesError(
                    f"Sequence {number} has times of shape {tuple(times.shape)} and values of "
                    f"shape {tuple(values.shape)}. Give one value, or one row, for each time."
                )
            if not bool(times.isfinite().all() and values.isfinite().all()):
                raise SeriesError(
                    f"Sequence {number} holds NaN or infinity. Leave such observations out: a gap "
                    "is no obstacle here."
                )
            if not bool((times.diff() > 0).all()):
                raise SeriesError(f"The times of sequence {number} do not increase. Sort them.")
            pairs.append((times, values))
        if not pairs or len({values.shape[1] for _, values in pairs}) > 1:
            raise SeriesError("Give at least one sequence, and as many columns in each.")
        n = max(len(times) for times, _ in pairs)
        return cls(
            torch.stack([torch.cat([t, t[-1:].expand(n - len(t))]) for t, _ in pairs]),
            torch.stack([torch.cat([v, v.new_zeros(n - len(v), v.shape[1])]) for _, v in pairs]),
            torch.stack([torch.arange(n) < len(t) for t, _ in pairs]),
        )

    @classmethod
    def from_rows(
        cls, rows: Iterable[Mapping[str, Any]], *, key: str, time: str, values: Sequence[str]
    ) -> "Series":
        """A table with one row for each observation, such as a `csv.DictReader` gives.

        Rows may come in any order; the sequences are in that of their first rows.

        Args:
            rows: each a dictionary of columns.
            key: the column that tells sequences apart.
            time: the column of the times.
            values: the columns of what was observed.

        Raises:
            SeriesError: a column is missing, or a cell is no number.

        Example:
            >>> rows = [{"who": "b", "t": "2", "x": "0.5"}, {"who": "b", "t": "1", "x": "0.1"}]
            >>> Series.from_rows(rows, key="who", time="t", values=["x"]).times.tolist()
            [[1.0, 2.0]]
        """
        found: dict[Any, list[tuple[float, list[float]]]] = {}
        for number, row in enumerate(rows):
            try:
                cells = float(row[time]), [float(row[name]) for name in values]
                found.setdefault(row[key], []).append(cells)
            except KeyError as error:
                raise SeriesError(
                    f"Row {number} has no column {error}. It has: {', '.join(row)}."
                ) from None
            except (TypeError, ValueError):
                raise SeriesError(
                    f"Row {number} holds something that is no number: {dict(row)}. Leave out rows "
                    "without a value."
                ) from None
        ordered = (sorted(one) for one in found.values())
        return cls.of(([t for t, _ in one], [x for _, x in one]) for one in ordered)

    @property
    def count(self) -> Tensor:
        """The number of observations of each sequence, shape (...)."""
        if self.observed is None:
            return torch.full(self.times.shape[:-1], self.times.shape[-1])
        return self.observed.sum(-1)

    def gaps(self, t0: float) -> Tensor:
        """The time since the observation before, or for the first since t0: shape (..., n)."""
        return self.times.diff(dim=-1, prepend=torch.full_like(self.times[..., :1], t0))

    def map(self, change: Any) -> "Series":
        """The series with a function applied to its times, values and mask, such as an index."""
        observed = None if self.observed is None else change(self.observed)
        return Series(change(self.times), change(self.values), observed)

    def to(self, device: torch.device | str) -> "Series":
        """The series on a device."""
        return self.map(lambda tensor: tensor.to(device))

    def summed(self, terms: Tensor) -> Tensor:
        """The sum over the observations of each sequence of terms (..., n): shape (...)."""
        if self.observed is not None:
            terms = torch.where(self.observed, terms, torch.zeros_like(terms))
        return terms.sum(-1)
