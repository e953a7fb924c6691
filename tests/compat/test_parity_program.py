"""A program written for torchdiffeq gives the same losses with nodelib imported in its place."""

import re

import pytest
import torch

PROGRAM = """
import torch
import torch.nn as nn
import torchdiffeq

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)

true_A = torch.tensor([[-0.1, 2.0], [-2.0, -0.1]])
true_y0 = torch.tensor([[2.0, 0.0]])
t = torch.linspace(0.0, 5.0, 100)


class Lambda(nn.Module):
    def forward(self, t, y):
        return torch.mm(y**3, true_A)


with torch.no_grad():
    true_y = torchdiffeq.odeint(Lambda(), true_y0, t, method="dopri5")


class ODEFunc(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 20), nn.Tanh(), nn.Linear(20, 2))
        self.nfe = 0

    def forward(self, t, y):
        self.nfe += 1
        return self.net(y**3)


def get_batch():
    s = torch.randperm(90)[:8]
    return true_y[s], t[:10], torch.stack([true_y[s + i] for i in range(10)])


func = ODEFunc()
optimizer = torch.optim.SGD(func.parameters(), lr=0.05)
losses = []
for itr in range(10):
    optimizer.zero_grad()
    batch_y0, batch_t, batch_y = get_batch()
    pred_y = ODEINT(func, batch_y0, batch_t, **SETTINGS).to("cpu")
    loss = torch.mean(torch.abs(pred_y - batch_y))
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

torch.set_default_dtype(torch.float32)
"""


@pytest.fixture(autouse=True)
def _default_dtype():
    yield
    torch.set_default_dtype(torch.float32)


def losses(module, solver, settings):
    text = re.sub(r"import torchdiffeq", f"import {module} as torchdiffeq", PROGRAM)
    text = text.replace("ODEINT", f"torchdiffeq.{solver}").replace("SETTINGS", repr(settings))
    names = {}
    exec(compile(text, module, "exec"), names)
    assert names["func"].nfe > 0
    return names["losses"]


@pytest.mark.parametrize(
    ("solver", "settings", "close"),
    [
        ("odeint", {}, 1e-5),
        ("odeint_adjoint", {}, 1e-5),
        ("odeint_adjoint", {"method": "dopri5", "adjoint_options": {"norm": "seminorm"}}, 1e-5),
        ("odeint", {"method": "rk4"}, 1e-9),
        (
            "odeint_adjoint",
            {"method": "euler", "options": {"step_size": 0.03, "interp": "linear"}},
            1e-9,
        ),
    ],
)
def test_training_a_spiral(solver, settings, close):
    got, wanted = (losses(module, solver, settings) for module in ("nodelib", "torchdiffeq"))
    assert len(wanted) == 10
    assert len({round(loss, 6) for loss in wanted}) == 10
    assert got == pytest.approx(wanted, rel=close)
