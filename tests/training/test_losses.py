"""Losses: the measures of the analysis are the oracle; blocks add up; silence stays finite."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tapemeasure.analysis.signal_errors import dc_block, esr, mr_stft
from tapemeasure.training.losses import PRE_EMPHASIS, BlockLoss, DcBlocker, PreEmphasis, esr_loss, mr_stft_loss


def noise(*shape, seed=1, level=10.0):
    return level * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_loss_of_a_loud_batch_is_the_measured_esr():
    output, target = noise(1, 1, 500, seed=1), noise(1, 1, 500, seed=2)
    measured = esr(output.numpy()[0, 0], target.numpy()[0, 0])
    # the loss adds -40 dBFS to a target of +20 dBFS
    assert float(esr_loss(output, target)) == pytest.approx(measured, rel=1e-5)


def test_a_quiet_segment_does_not_outweigh_a_loud_one():
    target = torch.cat([noise(1, 1, 100), 1e-6 * noise(1, 1, 100)])
    output = target.clone()
    output[1] = 0.0
    assert float(esr_loss(output, target)) < 1e-10


@pytest.mark.parametrize("kind", ["esr", "dc_blocked_esr", "pre_emphasised_esr"])
def test_silence_gives_a_finite_loss_and_gradient(kind):
    output = torch.zeros(2, 1, 64, requires_grad=True)
    loss = BlockLoss(kind)(output, torch.zeros(2, 1, 64))
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert torch.isfinite(output.grad).all()


@given(cuts=st.lists(st.integers(1, 299), max_size=4, unique=True))
def test_the_blocker_on_blocks_is_the_filter_on_the_whole(cuts):
    samples = noise(2, 1, 300) + 5.0
    blocker = DcBlocker()
    edges = [0, *sorted(cuts), 300]
    blocks = [blocker(samples[..., a:b]) for a, b in itertools.pairwise(edges)]
    expected = np.stack([dc_block(channel) for channel in samples[:, 0].numpy()])
    np.testing.assert_allclose(torch.cat(blocks, dim=-1)[:, 0].numpy(), expected, atol=1e-10)


def test_gradients_through_the_blocker_agree_with_differences():
    samples = noise(1, 1, 12, level=1.0).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: DcBlocker()(x), samples)


def test_a_constant_error_costs_little_behind_the_blocker():
    target = noise(1, 1, 4000)
    blocked, plain = BlockLoss("dc_blocked_esr"), BlockLoss("esr")
    edges = range(0, 4000, 500)
    of_blocked = [float(blocked(target[..., a : a + 500] + 5.0, target[..., a : a + 500])) for a in edges]
    of_plain = [float(plain(target[..., a : a + 500] + 5.0, target[..., a : a + 500])) for a in edges]
    assert of_blocked[-1] < 1e-6 < 0.1 < of_plain[-1]


def test_the_spectral_loss_is_the_measured_distance_and_auraloss():
    auraloss = pytest.importorskip("auraloss.freq", reason="auraloss is not installed")
    output, target = noise(1, 1, 9000, seed=1, level=0.3), noise(1, 1, 9000, seed=2, level=0.2)
    loss = float(mr_stft_loss(output, target))
    assert loss == pytest.approx(mr_stft(output.numpy()[0, 0], target.numpy()[0, 0]), rel=1e-9)
    oracle = float(auraloss.MultiResolutionSTFTLoss()(output.float(), target.float()))
    assert loss == pytest.approx(oracle, rel=1e-4)


def test_pre_emphasis_over_blocks_is_one_filter():
    samples = noise(2, 1, 90)
    filtered = PreEmphasis()
    parts = torch.cat([filtered(part) for part in torch.tensor_split(samples, (11, 50), dim=-1)], dim=-1)
    expected = samples.clone()
    expected[..., 1:] -= PRE_EMPHASIS * samples[..., :-1]
    assert torch.allclose(parts, expected, atol=1e-14)


def test_the_mixed_loss_is_zero_for_equal_signals_and_falls_towards_them():
    target = noise(2, 1, 3000, level=0.3)
    losses = [float(BlockLoss("esr_mr_stft")(gain * target, target)) for gain in (1.0, 0.9, 0.5)]
    assert losses[0] == 0.0
    assert losses == sorted(losses)
