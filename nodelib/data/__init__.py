"""Data sets of the book, as tensors that fit in memory and are ready to train on."""

from nodelib.data.curves import CURVES, Curve
from nodelib.data.digits import digits
from nodelib.data.energies import ENERGIES, Energy
from nodelib.data.events import TOY_EVENTS, ToyEvents
from nodelib.data.mnist import mnist
from nodelib.data.records import carbon_dioxide, coal_mining_disasters
from nodelib.data.spirals import Spirals, spirals
from nodelib.data.split import DataError, Split

__all__ = [
    "CURVES",
    "ENERGIES",
    "TOY_EVENTS",
    "Curve",
    "DataError",
    "Energy",
    "Spirals",
    "Split",
    "ToyEvents",
    "carbon_dioxide",
    "coal_mining_disasters",
    "digits",
    "mnist",
    "spirals",
]
