"""The methods by kind, for tests of what only some of them have."""

from nodelib.ode.methods import METHODS
from nodelib.ode.tableaus import SciPys, Tableau

__all__ = ["ADAPTIVE", "EXPLICIT", "FIXED", "FORWARD", "IMPLICIT", "OWN", "PAIRS", "TABLEAUS"]

TABLEAUS = {name: m for name, m in METHODS.items() if isinstance(m, Tableau)}
EXPLICIT = {name: m for name, m in TABLEAUS.items() if not m.implicit}
IMPLICIT = {name: m for name, m in TABLEAUS.items() if m.implicit}
PAIRS = [name for name, m in EXPLICIT.items() if m.adaptive]  # embedded ones
OWN = {name: m for name, m in METHODS.items() if not isinstance(m, SciPys)}  # steps of ours
ADAPTIVE = [name for name, m in OWN.items() if m.adaptive]
FIXED = [name for name, m in OWN.items() if not m.adaptive]
FORWARD = [name for name in FIXED if not METHODS[name].implicit]  # the same operations always
