import numpy as np
import pytest

from tapemeasure.delay.fusion import fuse_delays
from tapemeasure.errors import NoMatchError

PILOT_HZ, KNOTS_HZ = 1000.0, 400.0


def take(seed: int, azimuth_s: float = 6e-6) -> dict[str, np.ndarray]:
    """A pilot with 0.05 us of noise, and a programme 20 us later that wanders against it, with 0.7 us of noise."""
    rng = np.random.default_rng(seed)
    time, knots = np.arange(20_000) / PILOT_HZ, np.arange(8_000) / KNOTS_HZ

    def delay(t):
        return 0.02 + 1e-3 * np.sin(2 * np.pi * 0.5 * t) + 5e-5 * np.sin(2 * np.pi * 9 * t)

    def azimuth(t):
        return 2e-5 + azimuth_s * np.sin(2 * np.pi * 0.3 * t + 1.0)

    # errors of a programme belong together over some 10 ms
    noise = np.convolve(rng.standard_normal(8_004), np.ones(5) / np.sqrt(5.0), "valid")
    return {
        "time_s": time,
        "delay_s": delay(time) + 5e-8 * rng.standard_normal(len(time)),
        "programme_time_s": knots,
        "programme_delay_s": delay(knots) + azimuth(knots) + 7e-7 * noise,
        "truth": delay(time) + azimuth(time),
        "azimuth": azimuth(time),
    }


def fused(case: dict[str, np.ndarray], pilot_valid: np.ndarray | None = None):
    valid = np.ones(20_000, dtype=bool) if pilot_valid is None else pilot_valid
    return fuse_delays(
        case["time_s"],
        case["delay_s"],
        np.where(valid, 5e-8, np.inf),
        valid,
        programme_time_s=case["programme_time_s"],
        programme_delay_s=case["programme_delay_s"],
        programme_sigma_s=np.full(8_000, 7e-7),
        programme_valid=np.ones(8_000, dtype=bool),
    )


def test_the_azimuth_is_followed_and_the_flutter_stays_the_pilots() -> None:
    shares = []
    for seed in range(4):
        case = take(seed)
        result = fused(case)
        error = result.delay_s - case["truth"]
        # better than the programme alone (0.7 us) and than the pilot alone (20 us off, 4 us rms of azimuth)
        assert 1e6 * np.std(error) < 0.35
        assert 1e6 * np.std(result.difference_s - case["azimuth"]) < 0.35
        shares.append(np.mean(np.abs(error) < result.sigma_s))
    assert 0.55 < np.mean(shares) < 0.85


def test_without_azimuth_the_difference_is_a_constant() -> None:
    case = take(5, azimuth_s=0.0)
    result = fused(case)
    assert 1e6 * np.std(result.difference_s) < 0.1
    assert 1e6 * np.median(result.difference_s) == pytest.approx(20.0, abs=0.1)


def test_where_the_pilot_is_lost_the_programme_stands() -> None:
    case = take(6)
    valid = np.ones(20_000, dtype=bool)
    valid[8_000:9_000] = False
    case["delay_s"][~valid] = 0.0
    result = fused(case, valid)
    assert result.valid.all()
    assert 1e6 * np.abs(result.delay_s - case["truth"])[8_010:8_990].max() < 5.0
    assert np.median(result.sigma_s[~valid]) == pytest.approx(7e-7)
    assert 1e6 * np.std((result.delay_s - case["truth"])[valid]) < 0.4


def test_a_programme_that_says_nothing_is_told() -> None:
    case = take(7)
    with pytest.raises(NoMatchError, match="cannot be fused"):
        fuse_delays(
            case["time_s"],
            case["delay_s"],
            np.full(20_000, 5e-8),
            np.ones(20_000, dtype=bool),
            programme_time_s=case["programme_time_s"],
            programme_delay_s=case["programme_delay_s"],
            programme_sigma_s=np.full(8_000, np.inf),
            programme_valid=np.zeros(8_000, dtype=bool),
        )
