import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapemeasure.analysis.intermodulation import intermodulation
from tapemeasure.errors import MismatchError, SignalError
from tapemeasure.signals.tones import two_tone_samples

RATE = 44100
MARGIN = RATE // 20


def pair(frequencies_hz: tuple[float, float], level_dbfs: float = -6.0, seconds: float = 1.1) -> np.ndarray:
    samples = two_tone_samples(
        frequencies_hz=frequencies_hz, duration_s=seconds, sample_rate=RATE, level_dbfs=level_dbfs
    )
    return samples[MARGIN:-MARGIN]


@pytest.mark.parametrize("frequencies_hz", [(60.0, 7000.0), (8000.0, 250.0)])
def test_modulation_of_a_polynomial_has_its_closed_form(frequencies_hz: tuple[float, float]) -> None:
    played = pair(frequencies_hz)
    found = intermodulation(
        played, 0.7 * (played + 0.1 * played**2 + 0.05 * played**3), sample_rate=RATE, frequencies_hz=frequencies_hz
    )
    low, high = 0.8 * 10 ** (-6 / 20), 0.2 * 10 ** (-6 / 20)
    carrier = high + 0.05 * (0.75 * high**3 + 1.5 * high * low**2)
    second = 0.1 * low * high
    third = 0.05 * 0.75 * low**2 * high
    assert found.method == "modulation"
    assert found.second_order_pct == pytest.approx(100 * 2 * second / carrier, rel=1e-4)
    assert found.third_order_pct == pytest.approx(100 * 2 * third / carrier, rel=1e-4)
    assert found.total_pct == pytest.approx(np.hypot(found.second_order_pct, found.third_order_pct))
    assert found.level_dbfs == pytest.approx(-6.0, abs=1e-3)


def test_difference_tones_of_a_polynomial_have_their_closed_form() -> None:
    frequencies_hz = (19000.0, 20000.0)
    played = pair(frequencies_hz)
    # of the cubic only what stays below half the sample rate, as a device without aliasing gives it
    amplitude = 0.5 * 10 ** (-6 / 20)
    time_s = (np.arange(len(played)) + MARGIN) / RATE
    third = 0.04 * 0.75 * amplitude**3
    output = played + 0.1 * amplitude**2 * np.cos(2 * np.pi * 1000 * time_s)
    output += third * np.sin(2 * np.pi * 18000 * time_s) + third * np.sin(2 * np.pi * 21000 * time_s)
    found = intermodulation(played, output, sample_rate=RATE, frequencies_hz=frequencies_hz)
    assert found.method == "difference"
    assert found.second_order_pct == pytest.approx(100 * 0.1 * amplitude / 2, rel=1e-3)
    assert found.third_order_pct == pytest.approx(100 * third / amplitude, rel=1e-3)


def test_a_wire_has_none() -> None:
    played = pair((60.0, 7000.0))
    hiss = 1e-3 * np.random.default_rng(1).standard_normal(len(played))
    found = intermodulation(played, played + hiss, sample_rate=RATE, frequencies_hz=(60.0, 7000.0))
    assert found.second_order_pct is None
    assert found.third_order_pct is None
    assert found.total_pct is None
    assert found.second_sigma_pct < 0.1


def test_the_uncertainty_covers_what_noise_does() -> None:
    played = pair((250.0, 8000.0))
    bent = played + 0.2 * played**2
    rng = np.random.default_rng(4)
    clean = intermodulation(played, bent, sample_rate=RATE, frequencies_hz=(250.0, 8000.0)).second_order_pct
    z = []
    for _ in range(40):
        hiss = 1e-2 * rng.standard_normal(len(played))
        found = intermodulation(played, bent + hiss, sample_rate=RATE, frequencies_hz=(250.0, 8000.0))
        z.append((found.second_order_pct - clean) / found.second_sigma_pct)
    assert 0.6 < np.sqrt(np.mean(np.square(z))) < 1.5


@given(gain_db=st.floats(-30.0, 20.0))
def test_it_does_not_depend_on_the_gain(gain_db: float) -> None:
    played = pair((60.0, 7000.0), seconds=0.6)
    bent = 10 ** (gain_db / 20) * (played + 0.1 * played**2)
    found = intermodulation(played, bent, sample_rate=RATE, frequencies_hz=(60.0, 7000.0))
    assert found.second_order_pct == pytest.approx(100 * 2 * 0.1 * 0.8 * 10 ** (-6 / 20), rel=1e-3)


def test_products_above_half_the_rate_are_not_told() -> None:
    played = pair((20000.0, 21000.0))
    found = intermodulation(played, played + 0.1 * played**2, sample_rate=RATE, frequencies_hz=(20000.0, 21000.0))
    assert found.second_order_pct is not None
    assert found.third_order_pct is None


def test_bad_input_is_refused() -> None:
    asked = {"sample_rate": RATE, "frequencies_hz": (250.0, 8000.0)}
    played = pair((250.0, 8000.0))
    with pytest.raises(MismatchError, match="align"):
        intermodulation(played, played[:-1], **asked)
    with pytest.raises(SignalError, match="20 periods"):
        intermodulation(played[:1000], played[:1000], **asked)
    with pytest.raises(SignalError, match="silent"):
        intermodulation(played, np.zeros_like(played), **asked)
    with pytest.raises(SignalError, match="does not hold"):
        intermodulation(pair((300.0, 9000.0)), played, **asked)
    with pytest.raises(SignalError, match=r"\+10\.0 %"):
        intermodulation(played, pair((275.0, 8800.0)), **asked)
    with pytest.raises(SignalError, match="above the noise"):
        intermodulation(played, np.random.default_rng(1).standard_normal(len(played)), **asked)
