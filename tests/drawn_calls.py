"""Drawn initial value problems: smooth ones with their solutions, rough ones and wrong ones."""

import math

import numpy as np
import torch
from hypothesis import strategies as st

from nodelib.ode.methods import METHODS

NAN, INF = math.nan, math.inf


class UserError(Exception):
    """What func raises itself."""


def fail(t, y):
    raise UserError("the user's own")


def in_place(t, y):
    y += 1
    return y


def in_place_in_t(t, y):
    t.mul_(0.5)
    return -y


SOLVED = {  # func(t, y), and y(t) in NumPy from y0 at t0
    "decay": (lambda t, y: -y, lambda t, t0, y0: y0 * np.exp(t0 - t)),
    "growth": (lambda t, y: y, lambda t, t0, y0: y0 * np.exp(t - t0)),
    "rest": (lambda t, y: torch.zeros_like(y), lambda t, t0, y0: y0 + 0 * t),
    "wave": (
        lambda t, y: torch.cos(3 * t) * torch.ones_like(y),
        lambda t, t0, y0: y0 + (np.sin(3 * t) - np.sin(3 * t0)) / 3,
    ),
    "bell": (lambda t, y: -2 * t * y, lambda t, t0, y0: y0 * np.exp(t0**2 - t**2)),
}
ROUGH = {
    "explosion": lambda t, y: y * y,
    "faster explosion": lambda t, y: torch.exp(y.abs()),
    "stiff": lambda t, y: -1e7 * y,
    "root": lambda t, y: torch.sqrt(y),
    "logarithm": lambda t, y: torch.log(y) / t,
    "pole": lambda t, y: 1 / (0.3 - t) + 0 * y,
    "jumps": lambda t, y: torch.sign(torch.sin(50 * t)) * torch.ones_like(y),
    "nan": lambda t, y: torch.full_like(y, NAN),
    "nan later": lambda t, y: torch.where(t > 0.2, NAN, -1.0) * y,
    "infinity": lambda t, y: torch.full_like(y, INF),
    "a view": lambda t, y: y.view_as(y),
    "one entry": lambda t, y: y.reshape(-1)[:1],
    "expanded": lambda t, y: y.sum().expand(y.shape),
    "doubles": lambda t, y: y.double(),
    "halves": lambda t, y: y.half(),
    "complex": lambda t, y: y * 1j,
    "integers": lambda t, y: torch.ones_like(y, dtype=torch.int64),
    "another device": lambda t, y: torch.empty_like(y, device="meta"),
    "sparse": lambda t, y: torch.ones_like(y).to_sparse(),
    "parameter": lambda t, y: torch.nn.Parameter(-y.detach()),
    "none": lambda t, y: None,
    "number": lambda t, y: 1.0,
    "tuple": lambda t, y: (y,),
    "list": lambda t, y: [y, y],
    "numpy": lambda t, y: y.detach().numpy(),
    "in place": in_place,
    "in place in t": in_place_in_t,
    "fails": fail,
}
usually = st.sampled_from([True] * 14 + [False])
times_near = st.one_of(st.floats(-3, 3), st.sampled_from([0.0, 1e-300, 5e-324, 2.0]))
strange = st.sampled_from([0.0, -1.0, 1e6, 1e300, NAN, INF, 5e-324, 10**400, "a", None, [1.0]])
good_times = st.builds(
    lambda times, backwards: sorted(times, reverse=backwards),
    st.lists(times_near, min_size=1, max_size=4, unique_by=np.float32),
    st.booleans(),
)
bad_times = st.lists(st.one_of(times_near, st.sampled_from([NAN, INF, 1e30, -1e4])), max_size=4)
tolerances = st.sampled_from([1e-5, 1e-5, 1e-7, 1e-7, torch.tensor(1e-6)])
bad_tolerances = st.one_of(
    strange, st.sampled_from([1e-40, torch.full((3,), 1e-3), (1e-3, 1e-4), torch.tensor(NAN)])
)
dtypes = st.sampled_from([torch.float64, torch.float32])
bad_dtypes = st.sampled_from(
    [torch.float16, torch.bfloat16, torch.complex64, torch.complex128, torch.int64, torch.bool]
)
forms = st.sampled_from(
    [
        lambda y: y,
        lambda y: torch.stack([y, y], dim=-1)[..., 0],  # strided
        lambda y: y[..., :1].expand(y.shape) if y.dim() else y,  # entries that share memory
        lambda y: torch.nn.Parameter(y) if y.is_floating_point() else y,
        lambda y: (y, 2 * y.reshape(-1)),
        lambda y: (y,),
    ]
)
shapes = st.sampled_from([(), (1,), (3,), (3,), (2, 2)])
NORMS = [
    lambda y: parts_of(y)[0].abs().max(),
    lambda y: parts_of(y)[0].abs().max() * NAN,
    lambda y: None,
    lambda y: y,
]
EVENTS = [
    lambda t, y: t - 0.5,
    lambda t, y: torch.stack([t + 9, 1.1 - t]),
    lambda t, y: t * NAN,
    lambda t, y: None,
    lambda t, y: t > 0.5,
    lambda t, y: t.sub_(0.5),
]
ADJOINTS = [{"norm": "seminorm"}, {"rtol": -1.0}, {"method": "rk5"}, {"norm": "max"}, 5]


def parts_of(y):
    return y if isinstance(y, (tuple, list)) else (y,)


class Call:
    """A drawn problem; `func` notes the times at which it is evaluated."""

    def __init__(self, draw):
        self.method = draw(st.sampled_from(list(METHODS))) if draw(usually) else "rk5"
        self.adaptive = self.method in METHODS and METHODS[self.method].adaptive
        self.name = draw(st.sampled_from([*SOLVED, *SOLVED, *ROUGH]))
        times = draw(good_times if draw(usually) else bad_times)
        self.t = torch.tensor(times, dtype=draw(dtypes), requires_grad=draw(st.booleans()))
        dtype = draw(dtypes if draw(usually) else bad_dtypes)
        shape = draw(shapes) if draw(usually) else (0,)
        y = torch.full(shape, draw(times_near) if draw(usually) else NAN).to(dtype)
        self.y0 = draw(forms)(y)
        if dtype.is_floating_point and draw(st.booleans()) and isinstance(self.y0, torch.Tensor):
            self.y0 = self.y0.detach().requires_grad_()
        self.rate = torch.ones((), requires_grad=True) if draw(st.booleans()) else None
        self.tolerances = {
            name: draw(tolerances if draw(usually) else bad_tolerances) for name in ("rtol", "atol")
        }
        self.plain = True  # no option that lets a step pass whatever its error
        self.seen = []

    def func(self, t, y):
        self.seen.append(float(t))
        f = SOLVED[self.name][0] if self.name in SOLVED else ROUGH[self.name]
        if isinstance(y, tuple):
            return tuple(f(t, part) for part in y)
        slope = f(t, y)
        usual = self.rate is not None and self.name in SOLVED
        return slope * self.rate.to(slope.dtype) if usual else slope

    def options(self, draw, steps, size, norm):
        """Options by name: mostly harmless ones."""
        span = abs(float(self.t[-1] - self.t[0])) if self.t.numel() else 1.0
        harmless = 0.02 * span if 0 < span < INF else 1.0
        options = {steps: 300} if self.adaptive else {size: harmless}
        if not draw(usually):
            name = draw(st.sampled_from([size, "first_step", "min_step", "max_step", "safety"]))
            self.plain = False
            options[name] = draw(st.one_of(strange, st.just(harmless)))
        if not draw(usually):
            self.plain = False
            options[norm] = draw(st.sampled_from(NORMS))
        return options

    def check_times(self):
        ends = self.t.detach().double()[[0, -1]].to(parts_of(self.y0)[0].real.dtype).tolist()
        assert all(min(ends) <= t <= max(ends) for t in self.seen)

    def check(self, t, y):
        """States y at the times t: of the right kind, finite and, where we know, right."""
        assert isinstance(y, tuple) == isinstance(self.y0, tuple)
        for part, y0 in zip(parts_of(y), parts_of(self.y0), strict=True):
            assert part.shape == (len(t), *y0.shape)
            assert part.dtype == y0.dtype
            assert torch.isfinite(part).all()
            if self.name in SOLVED and self.plain and self.adaptive:
                self.check_values(t.detach().double().numpy(), part.detach(), y0.detach())

    def check_values(self, t, y, y0):
        solution = SOLVED[self.name][1]
        times = t.reshape(-1, *[1] * y0.dim())
        expected = solution(times, t[0], y0.to(torch.complex128).numpy())
        between = np.linspace(t[0], t[-1], 200)
        one = abs(solution(between, t[0], 1.0))  # by what an early error grows until later
        growth = 1 if self.name == "wave" else (one / np.minimum.accumulate(one)).max()
        eps = torch.finfo(y.dtype).eps
        rtol, atol = (float(torch.as_tensor(x).max()) for x in self.tolerances.values())
        steps = 1 + len(self.seen) / METHODS[self.method].stages
        slack = 10 if self.method == "fehlberg2" else 3  # whose estimate is known to be small
        allowed = slack * steps * growth * ((rtol + 4 * eps) * (1 + abs(expected).max()) + atol)
        assert abs(y.to(torch.complex128).numpy() - expected).max() <= allowed

    def check_gradient(self, y):
        """The gradients of a smooth problem are finite."""
        wanted = [x for x in (*parts_of(self.y0), self.t, self.rate) if x is not None]
        wanted = [x for x in wanted if x.requires_grad and x.is_leaf]
        loss = sum(part.abs().square().sum() for part in parts_of(y))
        if wanted and loss.requires_grad:
            found = torch.autograd.grad(loss, wanted, allow_unused=True)
            if self.name in SOLVED:
                assert all(g is None or torch.isfinite(g).all() for g in found)
