"""The wire."""

import numpy as np

from tapemeasure.devices.identity import IdentityDevice


def test_a_wire_changes_nothing():
    """Equal samples in memory of their own, no seed, no latency, a truth of zero delay over the whole length."""
    stimulus = np.random.default_rng(0).standard_normal((4800, 2))
    capture = IdentityDevice().run(stimulus, sample_rate=48000)
    assert np.array_equal(capture.samples, stimulus)
    assert not np.shares_memory(capture.samples, stimulus)
    assert capture.seed is None
    assert capture.latency_samples == 0.0
    assert not capture.truth.delay_s.any()
    assert capture.truth.time_s[-1] >= 0.1


def test_mono_comes_back_as_one_channel():
    """One column."""
    assert IdentityDevice().run(np.array([0.5]), sample_rate=8000).samples.shape == (1, 1)
