"""The linear part by least squares: finds a known filter, keeps still where nobody speaks, weighs noisy takes less."""

import numpy as np
import pytest

from tapemeasure.analysis.signal_errors import esr
from tapemeasure.errors import ParameterError, SignalError
from tapemeasure.training.datasets import AlignedPair
from tapemeasure.training.linear_start import fit_linear_part

RESPONSE = np.array([0.1, 0.8, -0.3, 0.05, 0.02])
LEAD = 1


def played(source):
    return np.convolve(source, RESPONSE)[LEAD : LEAD + len(source)]


def pair(seed=1, n_samples=20000, noise=0.0, level=0.1):
    generator = np.random.default_rng(seed)
    source = level * generator.standard_normal(n_samples)
    return AlignedPair(f"take_{seed}", source, played(source) + noise * generator.standard_normal(n_samples), 44100)


def test_a_known_filter_is_found():
    found = fit_linear_part([pair()], taps=5, lead_samples=LEAD)
    np.testing.assert_allclose(found, RESPONSE, atol=1e-3)


def test_a_noisy_take_does_not_spoil_a_clean_one():
    found = fit_linear_part([pair(1), pair(2, noise=0.1, level=0.3)], taps=5, lead_samples=LEAD)
    alone = fit_linear_part([pair(2, noise=0.1, level=0.3)], taps=5, lead_samples=LEAD)
    assert np.abs(found - RESPONSE).max() < 0.5 * np.abs(alone - RESPONSE).max()


def test_where_no_take_has_signal_the_response_stays_small():
    from scipy.signal import butter, sosfilt

    generator = np.random.default_rng(3)
    source = sosfilt(butter(8, 3000, fs=44100, output="sos"), 0.2 * generator.standard_normal(40000))
    target = source + 1e-3 * generator.standard_normal(40000)
    found = fit_linear_part([AlignedPair("low", source, target, 44100)], taps=256, lead_samples=64)
    gain = np.abs(np.fft.rfft(found, 4096))
    frequency = np.fft.rfftfreq(4096, 1 / 44100)
    assert np.all(np.abs(gain[(frequency > 300) & (frequency < 2500)] - 1.0) < 0.05)
    assert gain[frequency > 8000].max() < 0.5


def test_it_generalises_to_a_take_that_was_not_heard():
    heard, other = pair(1, noise=0.001), pair(9)
    found = fit_linear_part([heard], taps=200, lead_samples=20)
    output = np.convolve(other.input, found)[20 : 20 + len(other.input)]
    assert esr(output, other.target) < 1e-4


def test_bad_input_is_refused_and_silence_gives_silence():
    with pytest.raises(ParameterError, match="30000 taps"):
        fit_linear_part([pair()], taps=30000, lead_samples=0)
    with pytest.raises(ParameterError, match="lead of 5"):
        fit_linear_part([pair()], taps=5, lead_samples=5)
    with pytest.raises(SignalError, match="no aligned pair"):
        fit_linear_part([], taps=5, lead_samples=0)
    silent = AlignedPair("silent", np.zeros(900), np.zeros(900), 44100)
    assert not fit_linear_part([silent], taps=5, lead_samples=0).any()
