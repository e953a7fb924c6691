"""What the paper claims, in our words, and the verdict of the ledger on each claim."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from nodelib.ledger import identifiers, read, summary, verdict
from nodelib.ledger.entry import Entry
from nodelib.ledger.rendering import label

__all__ = ["CLAIMS", "Claim", "entries_of", "verdict_of", "verdicts_of"]


SEVERITY = ("differs", "under-specified", "inconclusive", "not yet established", "matches")


@dataclass(frozen=True)
class Claim:
    """One claim of the paper.

    Attributes:
        number: 1 to 23; it is C1 to C23 in the book.
        name: in a few words.
        statement: the claim in a sentence.
        where: in the paper.
        chapter: the one that shows the first entry.
        entries: ids of the ledger's entries that judge it, each a part of it.
        metrics: of an entry that judges several claims, the metrics that concern this one.
    """

    number: int
    name: str
    statement: str
    where: str
    chapter: str
    entries: tuple[str, ...]
    metrics: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


_RESNETS, _SOLVERS, _ADJOINT = "01-residual-networks", "02-solvers", "03-adjoint"
_ODENETS, _FLOWS, _LATENT = "04-odenets", "05-normalizing-flows", "06-latent-odes"
_LIMITS = "07-limits"
_HALF = tuple(f"{solver}_backward_over_forward" for solver in ("vode", "adams", "dopri5"))
_COST = ("error_nfe_correlation", "seconds_nfe_correlation")
_LOOSER = ("ten_times_looser_error_change", "ten_times_looser_nfe_ratio")

# fmt: off
CLAIMS = (
    Claim(1, "a layer is a step",
          "A layer of a residual network is a step of Euler's method, and so is one of a "
          "recurrent decoder or of a normalizing flow; in the limit of small steps there is an "
          "ordinary differential equation.", "§1 and Figure 1", _RESNETS, ("fig1",)),
    Claim(2, "constant memory",
          "With the adjoint, the memory of training does not grow with depth.",
          "§1, §2 and Table 1", _ADJOINT, ("claim-c02",)),
    Claim(3, "adaptive cost, tolerance met",
          "The cost adapts to the problem, the solver meets the tolerance that was asked for, "
          "and after training the tolerance can be loosened for speed.", "§1, §3 and Figure 3",
          _SOLVERS, ("claim-c03", "fig3"), {"fig3": (*_COST, *_LOOSER)}),
    Claim(4, "any solver, differentiated",
          "Any solver can be differentiated as a black box, with respect to the start, the "
          "parameters and all times, for several observations, and to higher orders (judged: the "
          "first and the second).",
          "§2 and Appendices B to D", _ADJOINT, ("claim-c04", "fig2")),
    Claim(5, "a third of the parameters",
          "On MNIST, an ODE-Net and an RK-Net do about as well as a ResNet with about a third "
          "of its parameters.", "Table 1", _ODENETS, ("table1",),
          {"table1": ("test_error", "parameters")}),
    Claim(6, "half as many backward",
          "The backward pass takes about half as many evaluations as the forward pass.",
          "Figure 3c", _ODENETS, ("fig3",), {"fig3": _HALF}),
    Claim(7, "evaluations grow",
          "The number of evaluations grows during training.",
          "Figure 3d", _ODENETS, ("fig3",), {"fig3": ("nfe_growth",)}),
    Claim(8, "a trace for a determinant",
          "Along a solution the log-density falls at the rate of a trace, which replaces a "
          "log-determinant; the dynamics need not be bijective.", "§4 and Appendix A", _FLOWS,
          ("claim-c08",)),
    Claim(9, "O(M) in place of O(M³)",
          "A continuous flow with M hidden units costs O(M), a discrete layer of M units O(M³).",
          "§4", _FLOWS, ("claim-c09",)),
    Claim(10, "width against depth",
          "A planar continuous flow with M units expresses at least as much as a planar flow "
          "with M layers, and reaches a lower divergence.", "Figure 4", _FLOWS, ("fig4",)),
    Claim(11, "samples, and a rival that struggles",
          "A continuous flow trains by maximum likelihood and is sampled at about the same "
          "cost; the discrete flow struggles with two moons.", "Figure 5", _FLOWS, ("fig5",)),
    Claim(12, "better forecasts",
          "A latent ODE takes observations at any times, and extrapolates better than a "
          "recurrent network.", "Figures 6, 8 and 10, Table 2", _LATENT,
          ("table2", "fig8", "fig10")),
    Claim(13, "spirals turn smoothly",
          "Varying one latent coordinate turns clockwise spirals smoothly into "
          "counter-clockwise ones.", "Figures 8c and 9", _LATENT, ("fig9",)),
    Claim(14, "rates from the same solve",
          "A Poisson likelihood of the observation times comes from the same single solve.",
          "§5 and Figure 7", _LATENT, ("fig7",)),
    Claim(15, "batches cost little",
          "Solving a batch as one large system does not raise the number of evaluations "
          "substantially in practice.", "§6", _LIMITS, ("claim-c15",)),
    Claim(16, "unique solutions",
          "Finite weights and Lipschitz nonlinearities, such as tanh or relu, make the "
          "solution unique.", "§6", _SOLVERS, ("claim-c16",)),
    Claim(17, "tolerances suffice",
          "The tolerances that the paper chose for sequences, classification and densities do "
          "not degrade performance.", "§6", _LATENT, ("claim-c17",)),
    Claim(18, "the way back",
          "Run backwards at default tolerances, the state of a continuous flow recovers its "
          "start; where it does not, checkpoints cure it.", "§6", _FLOWS, ("claim-c18",)),
    Claim(19, "special cases",
          "A planar flow's trace is a scalar product, a Hamiltonian flow's is zero, and the "
          "theorem agrees with Liouville's equation.", "Appendices A.1 and A.2", _FLOWS,
          ("claim-c19",)),
    Claim(20, "work on the GPU",
          "The solver's work runs on the GPU (in the paper's experiments only the network did).",
          "§2 and §3", _LIMITS, ("claim-c20",)),
    Claim(21, "shared parameters",
          "Nearby layers share parameters, so that fewer are needed; the authors withdrew "
          "this in later versions.", "first version, §3", _ODENETS, ("claim-c21",)),
    Claim(22, "adapts to each input",
          "The way a model is evaluated adapts to each input.", "abstract", _ODENETS,
          ("claim-c22",)),
    Claim(23, "no order of dimensions",
          "A continuous flow needs no partition or order of the dimensions, and a wide one is "
          "easier to train than a deep discrete one.", "abstract and Figure 4", _FLOWS,
          ("claim-c23",)),
)
# fmt: on
"""All of them, in their order."""


def entries_of(claim: Claim) -> dict[str, Entry | None]:
    """The entries that judge a claim, each with the criteria that concern it; `None`: no runs."""
    return {
        name: _concerning(read(name), claim.metrics.get(name)) if name in identifiers() else None
        for name in claim.entries
    }


def _concerning(entry: Entry, metrics: tuple[str, ...] | None) -> Entry:
    if metrics is None:
        return entry
    criteria = [one for one in entry["protocol"]["criteria"] if one["metric"] in metrics]
    return entry | {"protocol": entry["protocol"] | {"criteria": criteria}}


def verdicts_of(claim: Claim) -> dict[str, str]:
    """The verdict of each entry on a claim, the one that says least for it first."""
    found = {
        name: verdict(entry["protocol"], summary(entry)) if entry else SEVERITY[-2]
        for name, entry in entries_of(claim).items()
    }
    return dict(sorted(found.items(), key=lambda pair: SEVERITY.index(pair[1])))


def verdict_of(claim: Claim) -> str:
    """The verdict that says least for the claim, followed by those of entries that say more."""
    (first, *others) = verdicts_of(claim).items()
    return "; ".join(
        [first[1], *(f"{label(name)}: {word}" for name, word in others if word != first[1])]
    )
