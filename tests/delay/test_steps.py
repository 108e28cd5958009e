import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tapemeasure.delay.steps import find_steps

QUANTUM_S = 1.0 / 44100.0


def wandering(n: int, rate_hz: float, seed: int, noise_s: float) -> np.ndarray:
    time = np.arange(n) / rate_hz
    rng = np.random.default_rng(seed)
    return (
        1e-3 * np.sin(2 * np.pi * 0.5 * time)
        + 5e-5 * np.sin(2 * np.pi * 9 * time + 1.0)
        + 8e-6 * np.sin(2 * np.pi * 27.3 * time)
        + noise_s * rng.standard_normal(n)
    )


@settings(max_examples=20, deadline=None)
@given(places=st.sets(st.integers(3, 96), max_size=6), sign=st.sampled_from([-1, 1]), seed=st.integers(0, 1000))
def test_steps_between_flutter_are_all_found_and_none_else(places: set[int], sign: int, seed: int) -> None:
    delay = wandering(2000, 100.0, seed, 2e-7)
    for place in places:
        delay[20 * place :] += sign * QUANTUM_S
    found = find_steps(delay, np.ones(2000, dtype=bool), quantum_s=QUANTUM_S, rate_hz=100.0, margin=1)
    assert [(step.index, step.quanta) for step in found] == [(20 * place, sign) for place in sorted(places)]


def test_several_samples_at_once_are_counted() -> None:
    delay = wandering(2000, 100.0, 1, 2e-7)
    delay[700:] += 5 * QUANTUM_S
    found = find_steps(delay, np.ones(2000, dtype=bool), quantum_s=QUANTUM_S, rate_hz=100.0, margin=1)
    assert [(step.index, step.quanta) for step in found] == [(700, 5)]
    assert found[0].sigma < 0.5


def test_a_click_half_a_sample_and_a_gap_are_no_steps() -> None:
    delay, good = wandering(2000, 100.0, 2, 2e-7), np.ones(2000, dtype=bool)
    delay[500] += 3 * QUANTUM_S
    delay[1000:] += 0.5 * QUANTUM_S
    good[1300:1360] = False
    delay[~good] = 0.0
    assert find_steps(delay, good, quantum_s=QUANTUM_S, rate_hz=100.0, margin=1) == ()


def test_noise_larger_than_a_sample_hides_a_step_and_invents_none() -> None:
    delay = wandering(6000, 100.0, 3, 3e-5)
    assert find_steps(delay, np.ones(6000, dtype=bool), quantum_s=QUANTUM_S, rate_hz=100.0, margin=1) == ()


def test_constant_short_and_unknown_delays_have_none() -> None:
    for delay in (np.full(500, 0.02), np.zeros(5), np.zeros(0)):
        good = np.ones(len(delay), dtype=bool)
        assert find_steps(delay, good, quantum_s=QUANTUM_S, rate_hz=100.0) == ()
        assert find_steps(delay, ~good, quantum_s=QUANTUM_S, rate_hz=100.0) == ()
