"""Settings of all tests: one thread, and the same random numbers in every run."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _reproducible() -> None:
    """Sums of one and of two threads differ in their last bits; so do unseeded draws."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
