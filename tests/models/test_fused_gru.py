"""The compiled GRU against torch's own: values, every gradient, blocks, and steps of training."""

import numpy as np
import pytest
import torch
from torch import nn

from tapemeasure.models.fused_gru import can_fuse, fused_gru
from tapemeasure.models.gru_kernels import fast_tanh

AGREEMENT = 1e-5
"""Relative, of the norm; both compute in float32."""


def machine(*, units=16, batch=3, n_samples=50, n_inputs=2, seed=1):
    torch.manual_seed(seed)
    gru = nn.GRU(n_inputs, units, batch_first=True)
    readout = nn.Parameter(torch.randn(1, units))
    features = torch.randn(batch, n_inputs, n_samples, requires_grad=True)
    hidden = (0.5 * torch.randn(1, batch, units)).requires_grad_()
    return gru, readout, features, hidden


def by_torch(gru, readout, features, hidden):
    states, last = gru(features.transpose(1, 2), hidden)
    return (states @ readout.T).transpose(1, 2), last


def values_and_gradients(function, gru, readout, features, hidden):
    output, last = function(gru, readout, features, hidden)
    weights = torch.linspace(-1.0, 1.0, output.numel()).reshape(output.shape)
    loss = (weights * output.square()).sum() + last.sin().sum()
    leaves = [readout, features, hidden, *gru.parameters()]
    return [output, last, *torch.autograd.grad(loss, leaves)]


@pytest.mark.parametrize("units", [4, 7, 24])
@pytest.mark.parametrize(("batch", "n_samples"), [(1, 1), (3, 50), (8, 16), (5, 33)])
@pytest.mark.parametrize("n_inputs", [1, 2, 5])
def test_values_and_all_gradients_agree_with_torch(units, batch, n_samples, n_inputs):
    parts = machine(units=units, batch=batch, n_samples=n_samples, n_inputs=n_inputs)
    expected = values_and_gradients(by_torch, *parts)
    found = values_and_gradients(fused_gru, *parts)
    for wanted, got in zip(expected, found, strict=True):
        assert got.shape == wanted.shape
        assert (got - wanted).detach().norm() <= AGREEMENT * max(wanted.detach().norm(), 1.0)


def test_gradients_agree_with_float64():
    gru, readout, features, hidden = machine(units=12, batch=4, n_samples=200)
    found = values_and_gradients(fused_gru, gru, readout, features, hidden)
    double = nn.GRU(2, 12, batch_first=True).double()
    double.load_state_dict({name: value.double() for name, value in gru.state_dict().items()})
    leaves = [tensor.detach().double().requires_grad_() for tensor in (readout, features, hidden)]
    exact = values_and_gradients(by_torch, double, *leaves)
    for wanted, got in zip(exact, found, strict=True):
        assert (got.double() - wanted).detach().norm() <= AGREEMENT * wanted.detach().norm()


def test_two_blocks_give_what_one_gives():
    gru, readout, features, hidden = machine(n_samples=64)
    whole, last = fused_gru(gru, readout, features, hidden)
    first, between = fused_gru(gru, readout, features[..., :23], hidden)
    second, end = fused_gru(gru, readout, features[..., 23:], between)
    torch.testing.assert_close(torch.cat([first, second], dim=-1), whole, rtol=0.0, atol=1e-6)
    torch.testing.assert_close(end, last, rtol=0.0, atol=1e-6)


def test_unneeded_gradients_are_left_out():
    gru, readout, features, hidden = machine()
    readout.requires_grad_(False)
    output, _ = fused_gru(gru, readout, features.detach(), hidden.detach())
    output.sum().backward()
    assert readout.grad is None
    assert gru.weight_hh_l0.grad is not None


def test_a_gradient_that_is_not_finite_is_passed_on():
    gru, readout, features, hidden = machine()
    output, _ = fused_gru(gru, readout, features, hidden)
    (output * torch.tensor(float("nan"))).sum().backward()
    assert not bool(torch.isfinite(gru.weight_hh_l0.grad).all())


def test_the_compiled_way_is_for_float32_on_the_processor():
    assert can_fuse(torch.zeros(1))
    assert not can_fuse(torch.zeros(1, dtype=torch.float64))
    assert not can_fuse(torch.zeros(1, device="meta"))


def test_tanh_is_accurate_to_rounding():
    import numba

    @numba.njit
    def each(values):
        return np.array([fast_tanh(value) for value in values], dtype=np.float32)

    values = np.concatenate((np.linspace(-20.0, 20.0, 4001), [0.0, 1e-6, -1e-6])).astype(np.float32)
    found = each(values)
    assert np.max(np.abs(found - np.tanh(values.astype(np.float64)))) < 5e-7
    assert found[-3] == 0.0
