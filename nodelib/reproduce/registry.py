"""All that there is to reproduce, most wanted first."""

from nodelib.reproduce.claim_backwards import BACKWARDS
from nodelib.reproduce.claim_batches import BATCHES
from nodelib.reproduce.claim_device import ON_THE_GPU
from nodelib.reproduce.claim_inputs import EACH_INPUT
from nodelib.reproduce.claim_ordering import ORDERING
from nodelib.reproduce.claim_tolerances import TOLERANCES
from nodelib.reproduce.claims_flows import SPECIAL_CASES, THEOREM_1
from nodelib.reproduce.claims_gradient import BLACK_BOX, MEMORY
from nodelib.reproduce.claims_solver import ADAPTS, UNIQUE
from nodelib.reproduce.figure1 import FIGURE_1
from nodelib.reproduce.figure2 import FIGURE_2
from nodelib.reproduce.figure3 import FIGURE_3
from nodelib.reproduce.figure4 import FIGURE_4
from nodelib.reproduce.figure5 import FIGURE_5
from nodelib.reproduce.figure7 import FIGURE_7
from nodelib.reproduce.flow_costs import COST
from nodelib.reproduce.spiral_figures import FIGURE_8, FIGURE_9, FIGURE_10
from nodelib.reproduce.table1 import EFFICIENCY, TABLE_1
from nodelib.reproduce.table2 import TABLE_2
from nodelib.reproduce.target import Target

__all__ = ["GROUPS", "TARGETS"]

CLAIMS = (
    MEMORY,
    ADAPTS,
    BLACK_BOX,
    THEOREM_1,
    COST,
    BATCHES,
    UNIQUE,
    TOLERANCES,
    BACKWARDS,
    SPECIAL_CASES,
    ON_THE_GPU,
    EFFICIENCY,
    EACH_INPUT,
    ORDERING,
)

TARGETS: dict[str, Target] = {
    target.id: target
    for target in (
        TABLE_1,
        TABLE_2,
        FIGURE_3,
        FIGURE_4,
        FIGURE_5,
        FIGURE_1,
        FIGURE_2,
        FIGURE_7,
        FIGURE_8,
        FIGURE_9,
        FIGURE_10,
        *CLAIMS,
    )
}
"""What can be run, by id."""

GROUPS = {"claims": [target.id for target in CLAIMS]}
"""Names for several targets at once."""
