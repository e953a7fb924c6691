"""All that there is to reproduce, most wanted first, and what has no code yet."""

from nodelib.reproduce.claim_backwards import BACKWARDS
from nodelib.reproduce.claim_inputs import EACH_INPUT
from nodelib.reproduce.claim_ordering import ORDERING
from nodelib.reproduce.claims_flows import SPECIAL_CASES, THEOREM_1
from nodelib.reproduce.claims_gradient import BLACK_BOX, MEMORY
from nodelib.reproduce.claims_solver import ADAPTS, UNIQUE
from nodelib.reproduce.figure1 import FIGURE_1
from nodelib.reproduce.figure2 import FIGURE_2
from nodelib.reproduce.figure3 import FIGURE_3
from nodelib.reproduce.figure4 import FIGURE_4
from nodelib.reproduce.figure5 import FIGURE_5
from nodelib.reproduce.flow_costs import COST
from nodelib.reproduce.table1 import EFFICIENCY, TABLE_1
from nodelib.reproduce.table2 import TABLE_2
from nodelib.reproduce.target import Target

__all__ = ["GROUPS", "PLANNED", "TARGETS"]

CLAIMS = (
    MEMORY,
    ADAPTS,
    BLACK_BOX,
    THEOREM_1,
    COST,
    UNIQUE,
    BACKWARDS,
    SPECIAL_CASES,
    EFFICIENCY,
    EACH_INPUT,
    ORDERING,
)

TARGETS: dict[str, Target] = {
    target.id: target
    for target in (TABLE_1, TABLE_2, FIGURE_3, FIGURE_4, FIGURE_5, FIGURE_1, FIGURE_2, *CLAIMS)
}
"""What can be run, by id."""

GROUPS = {"claims": [target.id for target in CLAIMS]}
"""Names for several targets at once."""

PLANNED = {
    "fig7": "A Poisson process in a latent ODE",
    "fig8": "Spirals: reconstructions and extrapolations",
    "fig9": "Spirals: the latent space",
    "fig10": "Spirals: more reconstructions",
}
"""What the paper has and no code here measures yet, by id."""
