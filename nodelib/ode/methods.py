"""The methods as data, each with its source.  A new tableau needs no other code.

HNW is Hairer, Nørsett & Wanner, *Solving Ordinary Differential Equations I*.
"""

from nodelib.ode.dopri8 import DOPRI8
from nodelib.ode.errors import InvalidOptionError
from nodelib.ode.implicit_methods import IMPLICIT
from nodelib.ode.tableaus import MAX_ORDER, Adams, Method, SciPys, Tableau

__all__ = ["METHODS", "find_method"]

EULER = Tableau("euler", 1, (0.0,), ((),), (1.0,), source="Euler 1768; HNW II.1, eq. 1.1")

MIDPOINT = Tableau(
    "midpoint", 2, (0.0, 1 / 2), ((), (1 / 2,)), (0.0, 1.0), source="Runge 1895; HNW II.1, eq. 1.4"
)

HEUN2 = Tableau(
    "heun2",
    2,
    c=(0.0, 1.0),
    a=((), (1.0,)),
    b=(1 / 2, 1 / 2),
    source="Heun 1900: the trapezoidal rule with Euler's method as predictor",
)

HEUN3 = Tableau(
    "heun3",
    3,
    c=(0.0, 1 / 3, 2 / 3),
    a=((), (1 / 3,), (0.0, 2 / 3)),
    b=(1 / 4, 0.0, 3 / 4),
    source="Heun 1900; HNW II.1, Table 1.1",
)

RK4 = Tableau(
    "rk4",
    4,
    c=(0.0, 1 / 3, 2 / 3, 1.0),
    a=((), (1 / 3,), (-1 / 3, 1.0), (1.0, -1.0, 1.0)),
    b=(1 / 8, 3 / 8, 3 / 8, 1 / 8),
    source="Kutta 1901, the 3/8 rule; HNW II.1, Table 1.2",
)

ADAPTIVE_HEUN = Tableau(
    "adaptive_heun",
    2,
    c=(0.0, 1.0, 1.0),
    a=((), (1.0,), (1 / 2, 1 / 2)),
    b=(1 / 2, 1 / 2, 0.0),
    error=(-1 / 2, 1 / 2, 0.0),
    source="Heun 1900, with Euler's method embedded; the slope at the end is the third stage",
)

FEHLBERG2 = Tableau(
    "fehlberg2",
    2,
    c=(0.0, 1 / 2, 1.0, 1.0),
    a=((), (1 / 2,), (1 / 256, 255 / 256), (1 / 512, 255 / 256, 1 / 512)),
    b=(1 / 512, 255 / 256, 1 / 512, 0.0),
    error=(-1 / 512, 0.0, 1 / 512, 0.0),
    source="Fehlberg 1969, RK1(2); the second order is kept, the slope at its end the last stage",
)

BOSH3 = Tableau(
    "bosh3",
    3,
    c=(0.0, 1 / 2, 3 / 4, 1.0),
    a=((), (1 / 2,), (0.0, 3 / 4), (2 / 9, 1 / 3, 4 / 9)),
    b=(2 / 9, 1 / 3, 4 / 9, 0.0),
    error=(-5 / 72, 1 / 12, 1 / 9, -1 / 8),
    source="Bogacki & Shampine 1989",
)

DOPRI5 = Tableau(
    "dopri5",
    5,
    c=(0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0),
    a=(
        (),
        (1 / 5,),
        (3 / 40, 9 / 40),
        (44 / 45, -56 / 15, 32 / 9),
        (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
        (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
        (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
    ),
    b=(35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0.0),
    error=(71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40),
    interpolant=(
        (1.0, -8048581381 / 2820520608, 8663915743 / 2820520608, -12715105075 / 11282082432),
        (0.0, 0.0, 0.0, 0.0),
        (0.0, 131558114200 / 32700410799, -68118460800 / 10900136933, 87487479700 / 32700410799),
        (0.0, -1754552775 / 470086768, 14199869525 / 1410260304, -10690763975 / 1880347072),
        (0.0, 127303824393 / 49829197408, -318862633887 / 49829197408, 701980252875 / 199316789632),
        (0.0, -282668133 / 205662961, 2019193451 / 616988883, -1453857185 / 822651844),
        (0.0, 40617522 / 29380423, -110615467 / 29380423, 69997945 / 29380423),
    ),
    source="Dormand & Prince 1980; HNW II.5, Table 5.2; interpolant: Shampine 1986",
)

TSIT5 = Tableau(
    "tsit5",
    5,
    c=(0.0, 0.161, 0.327, 0.9, 0.9800255409045097, 1.0, 1.0),
    a=(
        (),
        (0.161,),
        (-0.008480655492356989, 0.335480655492357),
        (2.8971530571054935, -6.359448489975075, 4.3622954328695815),
        (5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525),
        (
            5.86145544294642,
            -12.92096931784711,
            8.159367898576159,
            -0.071584973281401,
            -0.028269050394068383,
        ),
        (
            0.09646076681806523,
            0.01,
            0.4798896504144996,
            1.379008574103742,
            -3.290069515436081,
            2.324710524099774,
        ),
    ),
    b=(
        0.09646076681806523,
        0.01,
        0.4798896504144996,
        1.379008574103742,
        -3.290069515436081,
        2.324710524099774,
        0.0,
    ),
    error=(
        0.00178001105222577714,
        0.0008164344596567469,
        -0.007880878010261995,
        0.1447110071732629,
        -0.5823571654525552,
        0.45808210592918697,
        -1 / 66,
    ),
    interpolant=(
        (1.0, -2.763706197274826, 2.9132554618219126, -1.0530884977290216),
        (0.0, 0.1317, -0.2234, 0.1017),
        (0.0, 3.9302962368947516, -5.941033872131505, 2.490627285651253),
        (0.0, -12.411077166933676, 30.33818863028232, -16.548102889244902),
        (0.0, 37.50931341651104, -88.1789048947664, 47.37952196281928),
        (0.0, -27.896526289197286, 65.09189467479366, -34.87065786149661),
        (0.0, 1.5, -4.0, 2.5),
    ),
    source="Tsitouras 2011, the pair and its interpolant, multiplied out",
)

ADAMS = Adams(
    "adams",
    1,
    adaptive=True,
    implicit=True,
    max_order=MAX_ORDER,
    source="Shampine & Gordon 1975; HNW III.5 to III.7: variable step and order, PECE",
)

EXPLICIT_ADAMS = Adams(
    "explicit_adams",
    4,
    adaptive=False,
    implicit=False,
    max_order=4,
    source="Bashforth & Adams 1883; HNW III.1, eq. 1.5, III.5 for unequal steps",
)

IMPLICIT_ADAMS, FIXED_ADAMS = (
    Adams(
        name,
        4,
        adaptive=False,
        implicit=True,
        max_order=MAX_ORDER,
        source="Moulton 1926; HNW III.1, eq. 1.8, III.5 for unequal steps",
    )
    for name in ("implicit_adams", "fixed_adams")
)

SCIPY_SOLVER = SciPys("scipy_solver", source="a method of SciPy's solve_ivp, as is")

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        EULER,
        MIDPOINT,
        HEUN2,
        HEUN3,
        RK4,
        ADAPTIVE_HEUN,
        FEHLBERG2,
        BOSH3,
        DOPRI5,
        TSIT5,
        DOPRI8,
        ADAMS,
        EXPLICIT_ADAMS,
        IMPLICIT_ADAMS,
        FIXED_ADAMS,
        *IMPLICIT,
        SCIPY_SOLVER,
    )
}


def find_method(name: str | Method) -> Method:
    """The method called `name`, or the one given.

    Raises:
        InvalidOptionError: there is none of that name; it lists the names.

    Example:
        >>> find_method("rk4").order, find_method("dopri5").adaptive
        (4, True)
    """
    if isinstance(name, Method):
        return name
    if not isinstance(name, str) or name not in METHODS:
        raise InvalidOptionError(
            f"There is no method {name!r}. Choose one of: {', '.join(map(repr, METHODS))}."
        )
    return METHODS[name]
