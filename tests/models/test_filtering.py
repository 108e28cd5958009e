"""The learned filter: numpy's convolution is the oracle; blocks add up; gradients are exact."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tapemeasure.models.filtering import fast_length, filter_block


def noise(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("n_taps", [1, 2, 7, 300])
def test_a_block_is_the_convolution(n_taps):
    samples, taps = noise(2, 1, 90), noise(1, n_taps, seed=2)
    output, past = filter_block(samples, taps, samples.new_zeros(2, 1, n_taps - 1))
    for b in range(2):
        expected = np.convolve(samples[b, 0], taps[0])[:90]
        np.testing.assert_allclose(output[b, 0], expected, atol=1e-12)
    assert past.shape == (2, 1, n_taps - 1)


@given(cut=st.integers(1, 59), n_taps=st.integers(1, 80))
@settings(max_examples=25, deadline=None)
def test_two_blocks_give_what_one_gives(cut, n_taps):
    samples, taps = noise(1, 1, 60), noise(1, n_taps, seed=2)
    start = samples.new_zeros(1, 1, n_taps - 1)
    whole, last = filter_block(samples, taps, start)
    first, between = filter_block(samples[..., :cut], taps, start)
    second, end = filter_block(samples[..., cut:], taps, between)
    assert torch.allclose(torch.cat([first, second], dim=-1), whole, atol=1e-11)
    assert torch.equal(end, last)


def test_every_signal_of_a_batch_may_have_its_own_filter():
    samples, taps = noise(3, 1, 50), noise(3, 9, seed=2)
    output, _ = filter_block(samples, taps, samples.new_zeros(3, 1, 8))
    one, _ = filter_block(samples[1:2], taps[1:2], samples.new_zeros(1, 1, 8))
    assert torch.allclose(output[1:2], one, atol=1e-12)


def test_gradients_are_those_of_finite_differences():
    parts = [noise(2, 1, 9).requires_grad_(), noise(1, 4).requires_grad_(), noise(2, 1, 3).requires_grad_()]
    assert torch.autograd.gradcheck(lambda *x: filter_block(*x)[0], parts, atol=1e-7)


@given(at_least=st.integers(1, 100000))
def test_a_fast_length_is_long_enough_and_not_much_longer(at_least):
    assert at_least <= fast_length(at_least) <= max(1.34 * at_least, at_least + 1)
