"""The delay line: equals torch's own operations, exact gradients, right delay, any start; Lagrange's taps add up."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tapemeasure.models.delay_line import LAGRANGE_LEAD_SAMPLES, delay_line, delay_line_reference, lagrange_taps

GENERATOR_SEED = 4


def signals(*shape, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(GENERATOR_SEED), dtype=dtype)


def delays(batch, n_samples, low=2.1, high=9.4):
    share = torch.rand(batch, 1, n_samples, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    return low + (high - low) * share


def test_compiled_and_reference_agree_and_so_do_their_gradients():
    found = []
    for line in (delay_line, delay_line_reference):
        audio, delay = signals(2, 1, 40).requires_grad_(), delays(2, 50).requires_grad_()
        output = line(audio, delay)
        (output * signals(2, 1, 50)).sum().backward()
        found.append((output.detach(), audio.grad, delay.grad))
    for compiled, reference in zip(*found, strict=True):
        assert torch.allclose(compiled, reference, atol=1e-12)


def test_gradients_are_those_of_finite_differences():
    audio, delay = signals(2, 1, 12).requires_grad_(), (2.3 + 0.4 * torch.rand(2, 1, 12).double()).requires_grad_()
    assert torch.autograd.gradcheck(delay_line, (audio, delay), eps=1e-6, atol=1e-7)
    assert torch.autograd.gradcheck(delay_line_reference, (audio, delay), eps=1e-6, atol=1e-7)


def test_whole_samples_of_delay_only_shift():
    audio = signals(1, 1, 30)
    late = delay_line(audio, torch.full((1, 1, 30), 7.0, dtype=torch.float64))
    assert torch.allclose(late[..., 7:], audio[..., :-7], atol=1e-14)
    assert not late[..., :4].any()


def test_a_polynomial_of_degree_5_is_read_exactly():
    n = torch.arange(40, dtype=torch.float64)
    delay = delays(1, 40)
    place = (n - delay)[0, 0]

    def polynomial(t):
        return 1e-6 * (t - 3.0) * (t - 9.0) * (t - 17.0) * (t - 22.0) * (t - 31.0)

    late = delay_line(polynomial(n)[None, None], delay)[0, 0]
    assert torch.allclose(late[14:], polynomial(place)[14:], atol=1e-12)


def test_a_slow_sine_comes_out_late_by_a_moving_delay():
    n = torch.arange(4000, dtype=torch.float64)
    delay = 20.0 + 5.0 * torch.sin(2 * np.pi * n / 3000)
    late = delay_line(torch.sin(0.3 * n)[None, None], delay[None, None])[0, 0]
    # 0.3 rad is 2.1 kHz at 44.1 kHz
    assert (late - torch.sin(0.3 * (n - delay)))[40:].abs().max() < 1e-5


@given(delay=st.floats(-1e15, 1e15))
@settings(max_examples=40, deadline=None)
def test_any_delay_is_safe_and_reads_zero_far_outside(delay):
    late = delay_line(signals(1, 1, 8), torch.full((1, 1, 8), delay, dtype=torch.float64))
    assert torch.isfinite(late).all()
    if abs(delay) > 20:
        assert not late.any()


def test_a_delay_that_is_no_number_shows():
    late = delay_line(signals(1, 1, 8), torch.full((1, 1, 8), torch.nan, dtype=torch.float64))
    assert torch.isnan(late).all()


@given(fraction=st.floats(0.0, 1.0))
def test_lagrange_taps_have_unit_gain_and_the_right_delay(fraction):
    taps = lagrange_taps(torch.tensor(fraction, dtype=torch.float64))
    assert float(taps.sum()) == pytest.approx(1.0, abs=1e-12)
    centre = float((taps * torch.arange(6)).sum())
    assert centre == pytest.approx(LAGRANGE_LEAD_SAMPLES + fraction, abs=1e-12)


def test_float32_audio_keeps_its_type():
    audio = signals(1, 1, 20, dtype=torch.float32).requires_grad_()
    late = delay_line(audio, delays(1, 20))
    late.sum().backward()
    assert late.dtype == audio.grad.dtype == torch.float32
