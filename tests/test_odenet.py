import copy

import pytest
import torch
import torchdiffeq
from torch import nn

from nodelib import odeint
from nodelib.odenet import (
    MLP,
    ModelError,
    ODEBlock,
    ODEFunction,
    ODENet,
    ResidualBlock,
    ResidualFunction,
    ResNet,
    RKNet,
    convolutional_stem,
    parameter_count,
    residual_stem,
)


@pytest.mark.parametrize("network", [ResNet, ODENet])
def test_images_become_scores(network):
    model = network(channels=8, in_channels=3, classes=7)
    assert model(torch.rand(5, 3, 8, 8)).shape == (5, 7)
    assert model.stem(torch.rand(5, 3, 8, 8)).shape == (5, 8, 4, 4)


@pytest.mark.parametrize("network", [ResNet, ODENet])
def test_the_paper_size_with_its_two_downsamplings(network):
    model = network(channels=8, stem=convolutional_stem(1, 8, downsamplings=2))
    images = torch.rand(2, 1, 28, 28)
    assert model.stem(images).shape == (2, 8, 7, 7)
    assert model(images).shape == (2, 10)


def stem_and_head(C, classes=10):
    """A 3x3 convolution, one downsampling (norm, 4x4 convolution); norm and linear layer."""
    return (9 * C + C) + 2 * C + (16 * C * C + C) + 2 * C + (C * classes + classes)


@pytest.mark.parametrize("C", [8, 24])
@pytest.mark.parametrize("L", [0, 1, 6])
def test_parameters_of_a_residual_network(C, L):
    block = 2 * (9 * C * C + C) + 2 * 2 * C
    assert parameter_count(ResNet(C, L)) == stem_and_head(C) + L * block
    assert parameter_count(ResNet(C, L, tied=True)) == stem_and_head(C) + min(L, 1) * block


@pytest.mark.parametrize("C", [8, 24])
def test_parameters_of_an_ode_net(C):
    dynamics = 2 * (9 * C * (C + 1) + C) + 2 * 2 * C
    assert parameter_count(ODENet(C)) == stem_and_head(C) + dynamics


PAPER = {  # parameters with 64 channels and two downsamplings, by stem
    convolutional_stem: {"resnet": 576_778, "ode": 208_266, "none": 132_874, "one": 206_858},
    residual_stem: {"resnet": 601_482, "ode": 232_970, "none": 157_578, "one": 231_562},
}


@pytest.mark.parametrize("stem", PAPER)
def test_parameters_at_the_paper_s_size(stem):
    """The counts of the authors' public code; the paper prints 0.60 and 0.22 million."""
    found = {
        "resnet": ResNet(64, 6, bias=False, stem=stem(1, 64, 2)),
        "ode": ODENet(64, last_norm=True, stem=stem(1, 64, 2)),
        "none": ResNet(64, 0, bias=False, stem=stem(1, 64, 2)),
        "one": ResNet(64, 1, bias=False, stem=stem(1, 64, 2)),
    }
    assert {name: parameter_count(model) for name, model in found.items()} == PAPER[stem]
    rk = RKNet(64, last_norm=True, stem=stem(1, 64, 2))
    assert parameter_count(rk) == PAPER[stem]["ode"]


def test_parameters_of_the_multilayer_perceptron():
    assert parameter_count(MLP()) == 784 * 300 + 300 + 300 * 10 + 10 == 238_510
    assert MLP(64, 5, 3)(torch.rand(2, 1, 8, 8)).shape == (2, 3)


def test_the_residual_stem_halves_twice_and_is_residual():
    stem = residual_stem(1, 8)
    images = torch.rand(2, 1, 28, 28)
    assert stem(images).shape == (2, 8, 7, 7)
    block = stem[1]
    h = stem[0](images)
    nn.init.zeros_(block.conv2.weight)
    kept = nn.functional.conv2d(torch.relu(block.norm1(h)), block.shortcut.weight, stride=2)
    assert torch.equal(block(h), kept)


def test_the_slope_is_normalized_on_request():
    h = 100 * torch.randn(2, 8, 4, 4)
    slope = ODEFunction(8, last_norm=True)(torch.tensor(0.5), h)
    assert slope.reshape(2, 2, -1).var(dim=2, unbiased=False).sub(1).abs().max() < 1e-2


def test_an_ode_net_uses_the_adjoint_and_an_rk_net_its_steps():
    """Same weights, same answer, same gradient; only the adjoint evaluates again."""
    torch.manual_seed(3)
    adjoint = ODENet(8, rtol=1e-8, atol=1e-8).double()
    direct = RKNet(8, rtol=1e-8, atol=1e-8).double()
    direct.load_state_dict(adjoint.state_dict())
    images = torch.rand(3, 1, 8, 8, dtype=torch.float64)
    gradients = []
    for model in (adjoint, direct):
        model(images).square().sum().backward()
        gradients.append(flat(p.grad for p in model.parameters()))
    assert adjoint.nfe == direct.nfe
    assert adjoint.nfe_backward > 0 == direct.nfe_backward
    # f has corners (ReLU), see above
    assert (gradients[0] - gradients[1]).norm() < 5e-3 * gradients[1].norm()


def test_frozen_parameters_do_not_count():
    model = ResNet(8, blocks=0)
    model.stem.requires_grad_(False)
    assert parameter_count(model) == stem_and_head(8) - (9 * 8 + 8) - 2 * 8 - (16 * 64 + 8)


def test_untied_blocks_do_not_share_and_tied_ones_do():
    assert len({id(block.function) for block in ResNet(8, 3).body}) == 3
    assert len({id(block.function) for block in ResNet(8, 3, tied=True).body}) == 1


@pytest.mark.parametrize("L", [1, 3, 8])
def test_a_tied_residual_network_is_the_euler_method(L):
    model = ResNet(8, blocks=L, tied=True, step=1 / L).double()
    f = model.body[0].function
    h = torch.randn(2, 8, 4, 4, dtype=torch.float64)
    flow = odeint(lambda t, h: f(h), h, torch.linspace(0, 1, L + 1, dtype=h.dtype), method="euler")
    for k in range(L):
        assert torch.allclose(model.body[: k + 1](h), flow[k + 1], rtol=0, atol=1e-13)


def test_an_ode_block_with_one_euler_step_is_a_residual_block():
    function = ODEFunction(8)
    block = ODEBlock(function, method="euler")
    h = torch.randn(2, 8, 4, 4)
    assert torch.allclose(block(h), h + function(torch.tensor(0.0), h), rtol=0, atol=1e-6)
    assert block.nfe == 1


def test_at_time_zero_the_dynamics_are_the_residual_function():
    dynamics, residual = ODEFunction(8), ResidualFunction(8)
    with torch.no_grad():
        for mine, other in ((dynamics.conv1, residual.conv1), (dynamics.conv2, residual.conv2)):
            other.weight.copy_(mine.conv.weight[:, :-1])
            other.bias.copy_(mine.conv.bias)
    h = torch.randn(2, 8, 4, 4)
    assert torch.allclose(dynamics(torch.tensor(0.0), h), residual(h), atol=1e-6)
    assert not torch.allclose(dynamics(torch.tensor(1.0), h), residual(h), atol=1e-3)


def test_the_step_of_a_residual_block_scales_its_function():
    h = torch.randn(2, 3)
    assert torch.equal(ResidualBlock(nn.Identity(), step=0.25)(h), 1.25 * h)


def test_gradients_agree_with_finite_differences():
    model = RKNet(4, classes=3, method="rk4", options={"step_size": 0.25}).double()
    images = torch.rand(2, 1, 4, 4, dtype=torch.float64)
    model(images).square().sum().backward()

    @torch.no_grad()
    def loss():
        return model(images).square().sum()

    for parameter in model.parameters():
        direction = torch.randn_like(parameter)
        eps = 1e-6
        parameter.data += eps * direction
        above = loss()
        parameter.data -= 2 * eps * direction
        below = loss()
        parameter.data += eps * direction
        expected = (above - below) / (2 * eps)
        computed = (parameter.grad * direction).sum()
        assert torch.allclose(computed, expected, rtol=1e-5, atol=1e-6)


def test_two_methods_find_the_same_flow():
    adaptive = ODENet(8, rtol=1e-9, atol=1e-9).double()
    fixed = copy.deepcopy(adaptive)
    fixed.body.method, fixed.body.options = "rk4", {"step_size": 1 / 256}
    images = torch.rand(3, 1, 8, 8, dtype=torch.float64)
    # f has corners (ReLU), where a fixed-step method loses order: hence not 1e-9.
    assert torch.allclose(adaptive(images), fixed(images), rtol=0, atol=1e-5)
    assert fixed.nfe == 4 * 256


def flat(tensors):
    return torch.cat([tensor.flatten() for tensor in tensors])


@pytest.mark.parametrize("method", ["dopri5", "rk4"])
def test_scores_and_gradients_agree_with_torchdiffeq(method):
    options = {"step_size": 0.125} if method == "rk4" else None
    model = RKNet(8, method=method, rtol=1e-9, atol=1e-9, options=options).double()
    images = torch.rand(3, 1, 8, 8, dtype=torch.float64)
    times = torch.tensor([0.0, 1.0], dtype=torch.float64)
    parameters = list(model.parameters())

    ours = model(images)
    state = torchdiffeq.odeint(
        model.body.function,
        model.stem(images),
        times,
        method=method,
        rtol=1e-9,
        atol=1e-9,
        options=options,
    )[-1]
    theirs = model.head(state)
    # ReLU gives f corners.  Steps of size dt that cross one leave an error of order dt in the
    # gradient of either solver, and each solver takes its own steps: hence the wide margin.
    margin = {"rk4": 1e-11, "dopri5": 1e-6}[method], {"rk4": 1e-9, "dopri5": 2e-3}[method]
    assert torch.allclose(ours, theirs, rtol=0, atol=margin[0])
    one = flat(torch.autograd.grad(ours.square().sum(), parameters))
    other = flat(torch.autograd.grad(theirs.square().sum(), parameters))
    assert (one - other).norm() < margin[1] * other.norm()


def test_the_block_reports_what_its_last_solve_cost():
    calls = 0

    class Counted(ODEFunction):
        def forward(self, t, h):
            nonlocal calls
            calls += 1
            return super().forward(t, h)

    block = ODEBlock(Counted(8))
    assert block.nfe == 0
    h = torch.randn(2, 8, 4, 4)
    block(h)
    assert block.nfe == calls > 0
    assert block.stats.accepted >= 1
    loose = block.nfe
    block.rtol = block.atol = 1e-6
    block(h)
    assert block.nfe == calls - loose
    assert block.nfe > loose


def test_the_norm_does_not_mix_the_images_of_a_batch():
    model = ODENet(8, method="rk4")
    images = torch.rand(4, 1, 8, 8)
    assert torch.allclose(model(images)[:1], model(images[:1]), atol=1e-5)


@pytest.mark.parametrize("network", [ResNet, ODENet])
@pytest.mark.parametrize("channels", [0, 6, -4])
def test_a_bad_width_is_explained(network, channels):
    with pytest.raises(ModelError, match=r"channels is .* multiple of 4"):
        network(channels)


def test_a_bad_depth_is_explained():
    with pytest.raises(ModelError, match="blocks is -1"):
        ResNet(8, blocks=-1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that PyTorch can use")
def test_gpu_and_cpu_agree():
    model = ODENet(8)
    images = torch.rand(4, 1, 8, 8)
    expected = model(images)
    computed = model.to("cuda")(images.to("cuda"))
    assert computed.device.type == "cuda"
    assert torch.allclose(computed.cpu(), expected, atol=1e-2)
