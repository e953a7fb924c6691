"""Real irregular records: carbon dioxide with missing weeks, and explosions in coal mines."""

import csv
from datetime import date
from itertools import accumulate
from pathlib import Path

import torch
from torch import Tensor

__all__ = ["carbon_dioxide", "coal_mining_disasters"]

FIRST_DISASTER = date(1851, 3, 15)
# fmt: off
DAYS_BETWEEN = (
    157, 123, 2, 124, 12, 4, 10, 216, 80, 12, 33, 66, 232, 826, 40, 12, 29, 190, 97, 65, 186,
    23, 92, 197, 431, 16, 154, 95, 25, 19, 78, 202, 36, 110, 276, 16, 88, 225, 53, 17, 538, 187,
    34, 101, 41, 139, 42, 1, 250, 80, 3, 324, 56, 31, 96, 70, 41, 93, 24, 91, 143, 16, 27, 144,
    45, 6, 208, 29, 112, 43, 193, 134, 420, 95, 125, 34, 127, 218, 2, 0, 378, 36, 15, 31, 215,
    11, 137, 4, 15, 72, 96, 124, 50, 120, 203, 176, 55, 93, 59, 315, 59, 61, 1, 13, 189, 345,
    20, 81, 286, 114, 108, 188, 233, 28, 22, 61, 78, 99, 326, 275, 54, 217, 113, 32, 388, 151,
    361, 312, 354, 307, 275, 78, 17, 1205, 644, 467, 871, 48, 123, 456, 498, 49, 131, 182, 255,
    194, 224, 566, 462, 228, 806, 517, 1643, 54, 326, 1312, 348, 745, 217, 120, 275, 20, 66,
    292, 4, 368, 307, 336, 19, 329, 330, 312, 536, 145, 75, 364, 37, 19, 156, 47, 129, 1630, 29,
    217, 7, 18, 1358, 2366, 952, 632,
)
# fmt: on


def carbon_dioxide() -> tuple[Tensor, Tensor]:
    """Weekly averages of carbon dioxide in the air at Mauna Loa, March 1958 to December 2001.

    Returns:
        Times in years, such as 1958.24, and parts per million, both of shape (2225,), float64.
        There are 59 weeks without a value; they are left out, which leaves gaps of up to 19 weeks.

    Source: C. D. Keeling and T. P. Whorf, *Atmospheric CO2 from Continuous Air Samples at Mauna
    Loa Observatory, Hawaii, U.S.A.*, Carbon Dioxide Information Analysis Center, 2004; public
    domain.

    Example:
        >>> times, ppm = carbon_dioxide()
        >>> ppm[0].item(), ppm[-1].item()
        (316.1, 371.5)
    """
    with (Path(__file__).parent / "co2.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    times = [in_years(date.fromisoformat(row["week_ending"])) for row in rows]
    ppm = [float(row["ppm"]) for row in rows]
    return torch.tensor(times, dtype=torch.float64), torch.tensor(ppm, dtype=torch.float64)


def coal_mining_disasters() -> Tensor:
    """When an explosion in a British coal mine killed ten people or more, 1851 to 1962.

    Returns:
        Years since 1851-01-01, of 365.25 days, shape (191,), float64; two fell on one day.

    Source: R. G. Jarrett, *A note on the intervals between coal-mining disasters*, Biometrika 66,
    1979, 191–193.

    Example:
        >>> times = coal_mining_disasters()
        >>> len(times), round(times[-1].item(), 1)
        (191, 111.2)
    """
    first = (FIRST_DISASTER - date(1851, 1, 1)).days
    days = accumulate(DAYS_BETWEEN, initial=first)
    return torch.tensor(list(days), dtype=torch.float64) / 365.25


def in_years(day: date) -> float:
    """A day as a part of its year."""
    start = date(day.year, 1, 1)
    return day.year + (day - start).days / (date(day.year + 1, 1, 1) - start).days
