import numpy as np
import pytest
from scipy import signal

from tapemeasure.analysis.harmonics import harmonic_responses
from tapemeasure.analysis.response import Response, programme_response, sweep_response
from tapemeasure.analysis.sweep import SweepImpulses, deconvolve_sweep
from tapemeasure.errors import MismatchError, ParameterError, SignalError
from tapemeasure.signals.sweeps import SynchronisedSweep, sweep_samples, synchronised_sweep

RATE = 44100
LEVEL_DBFS = -6.0
FILTER = np.vstack(
    [signal.butter(2, 35.0, "high", fs=RATE, output="sos"), signal.butter(2, 14000.0, fs=RATE, output="sos")]
)


@pytest.fixture(scope="module")
def sweep() -> SynchronisedSweep:
    return synchronised_sweep(start_hz=20.0, stop_hz=20000.0, duration_s=5.0)


@pytest.fixture(scope="module")
def stimulus(sweep: SynchronisedSweep) -> np.ndarray:
    return np.r_[sweep_samples(sweep, sample_rate=RATE, level_dbfs=LEVEL_DBFS), np.zeros(RATE // 2)]


def impulses_of(stimulus: np.ndarray, output: np.ndarray, sweep: SynchronisedSweep) -> SweepImpulses:
    return deconvolve_sweep(stimulus, output, sample_rate=RATE, sweep=sweep)


def error_db(response: Response, sos: np.ndarray, *, low_hz: float, high_hz: float) -> np.ndarray:
    _, expected = signal.sosfreqz(sos, response.frequency_hz, fs=RATE)
    band = (response.frequency_hz >= low_hz) & (response.frequency_hz <= high_hz)
    return (response.magnitude_db - 20 * np.log10(np.abs(expected)))[band]


def test_wire_reads_zero_db_and_zero_degrees(stimulus: np.ndarray, sweep: SynchronisedSweep) -> None:
    response = sweep_response(impulses_of(stimulus, stimulus, sweep))
    band = response.frequency_hz >= 22.0
    np.testing.assert_allclose(response.magnitude_db[band], 0.0, atol=0.01)
    np.testing.assert_allclose(response.phase_deg[band], 0.0, atol=0.1)
    assert response.gain_db == pytest.approx(0.0, abs=1e-4)
    assert response.low_3db_hz is None
    assert response.high_3db_hz is None


def test_known_filter_is_read_within_a_tenth_of_a_decibel(stimulus: np.ndarray, sweep: SynchronisedSweep) -> None:
    output = 0.5 * signal.sosfilt(FILTER, stimulus)
    response = sweep_response(impulses_of(stimulus, output, sweep), smoothing_octaves=0.0)
    error = error_db(response, FILTER, low_hz=50.0, high_hz=18000.0) - 20 * np.log10(0.5)
    assert np.max(np.abs(error)) < 0.1
    assert response.gain_db == pytest.approx(-6.02, abs=0.01)
    assert response.low_3db_hz == pytest.approx(35.0, rel=0.02)
    assert response.high_3db_hz == pytest.approx(14000.0, rel=0.005)


def test_noise_spoils_the_response_no_more_than_its_sigma_says(stimulus: np.ndarray, sweep: SynchronisedSweep) -> None:
    hiss = 10 ** (-50 / 20) * np.random.default_rng(3).standard_normal(len(stimulus))
    response = sweep_response(impulses_of(stimulus, stimulus + hiss, sweep))
    band = (response.frequency_hz >= 50.0) & (response.frequency_hz <= 15000.0)
    ratio = response.magnitude_db[band] / response.sigma_db[band]
    assert 0.4 < np.sqrt(np.mean(ratio**2)) < 1.6


def test_inverted_polarity_is_in_the_phase(stimulus: np.ndarray, sweep: SynchronisedSweep) -> None:
    response = sweep_response(impulses_of(stimulus, -stimulus, sweep))
    middle = len(response.frequency_hz) // 2
    assert abs(response.phase_deg[middle]) == pytest.approx(180.0, abs=0.1)


def test_harmonics_of_a_polynomial_have_their_closed_form(stimulus: np.ndarray, sweep: SynchronisedSweep) -> None:
    output = stimulus + 0.1 * stimulus**2 + 0.05 * stimulus**3
    amplitude = 10 ** (LEVEL_DBFS / 20)
    fundamental = amplitude + 0.75 * 0.05 * amplitude**3
    expected = {2: 0.5 * 0.1 * amplitude**2 / fundamental, 3: 0.25 * 0.05 * amplitude**3 / fundamental}
    found = harmonic_responses(
        impulses_of(stimulus, output, sweep), harmonics=4, name="sweep", level_dbfs=LEVEL_DBFS
    )  # fmt: skip
    assert [one.order for one in found] == [2, 3, 4]
    for one in found[:2]:
        band = (one.frequency_hz >= 50.0) & (one.frequency_hz <= 0.8 * one.frequency_hz[-1])
        np.testing.assert_allclose(one.magnitude_db[band], 20 * np.log10(expected[one.order]), atol=0.1)
    # there is no fourth harmonic: nothing is told above -75 dB
    assert not np.any(found[2].magnitude_db[found[2].frequency_hz > 50.0] > -75.0)


def test_harmonics_hidden_in_noise_are_not_told(stimulus: np.ndarray, sweep: SynchronisedSweep) -> None:
    hiss = 1e-3 * np.random.default_rng(4).standard_normal(len(stimulus))
    found = harmonic_responses(
        impulses_of(stimulus, stimulus + hiss, sweep), harmonics=5, name="sweep", level_dbfs=LEVEL_DBFS
    )
    told = np.concatenate([np.isfinite(one.magnitude_db) for one in found])
    assert np.mean(told) < 0.05


def test_harmonic_level_is_relative_to_the_filtered_fundamental(stimulus: np.ndarray, sweep: SynchronisedSweep) -> None:
    output = 0.25 * (stimulus + 0.05 * stimulus**3)
    plain = harmonic_responses(
        impulses_of(stimulus, stimulus + 0.05 * stimulus**3, sweep), harmonics=3, name="a", level_dbfs=LEVEL_DBFS
    )
    scaled = harmonic_responses(impulses_of(stimulus, output, sweep), harmonics=3, name="a", level_dbfs=LEVEL_DBFS)
    np.testing.assert_allclose(scaled[1].magnitude_db, plain[1].magnitude_db, atol=1e-6)


@pytest.mark.parametrize("harmonics", [1, 10])
def test_orders_out_of_range_are_refused(harmonics: int, stimulus: np.ndarray, sweep: SynchronisedSweep) -> None:
    with pytest.raises(ParameterError, match="2 to 9"):
        harmonic_responses(
            impulses_of(stimulus, stimulus, sweep), harmonics=harmonics, name="sweep", level_dbfs=LEVEL_DBFS
        )


def test_bad_sweeps_are_refused(stimulus: np.ndarray, sweep: SynchronisedSweep) -> None:
    with pytest.raises(MismatchError, match="align"):
        impulses_of(stimulus, stimulus[:-1], sweep)
    with pytest.raises(SignalError, match="silent"):
        impulses_of(np.zeros_like(stimulus), stimulus, sweep)
    with pytest.raises(SignalError, match="no more than the signal"):
        impulses_of(stimulus[:RATE], stimulus[:RATE], sweep)


def programme(seconds: float, seed: int = 1) -> np.ndarray:
    """Noise with a spectrum that falls as music's does."""
    noise = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return 0.1 * signal.sosfilt(signal.butter(1, 500.0, fs=RATE, output="sos"), noise)


def test_programme_response_follows_a_known_filter() -> None:
    stimulus = programme(10.0)
    hiss = 10 ** (-66 / 20) * np.random.default_rng(2).standard_normal(len(stimulus))
    output = signal.sosfilt(FILTER, stimulus) + hiss
    response = programme_response(stimulus, output, sample_rate=RATE)
    error = error_db(response, FILTER, low_hz=100.0, high_hz=10000.0)
    assert np.max(np.abs(error)) < 0.3
    assert np.sqrt(np.mean(error**2)) < 0.1
    assert response.high_3db_hz == pytest.approx(14000.0, rel=0.03)


def test_programme_response_scatters_as_its_sigma_says() -> None:
    stimulus = programme(10.0)
    hiss = 10 ** (-40 / 20) * np.random.default_rng(5).standard_normal(len(stimulus))
    response = programme_response(stimulus, stimulus + hiss, sample_rate=RATE)
    band = np.isfinite(response.sigma_db) & (response.frequency_hz > 100.0)
    ratio = response.magnitude_db[band] / response.sigma_db[band]
    assert 0.5 < np.sqrt(np.mean(ratio**2)) < 1.5


def test_programme_tells_nothing_where_it_has_no_energy() -> None:
    stimulus = signal.sosfilt(signal.butter(8, 2000.0, fs=RATE, output="sos"), programme(5.0))
    hiss = 1e-3 * np.random.default_rng(6).standard_normal(len(stimulus))
    response = programme_response(stimulus, stimulus + hiss, sample_rate=RATE)
    assert np.all(np.isnan(response.magnitude_db[response.frequency_hz > 8000.0]))
    assert np.all(np.isfinite(response.magnitude_db[(response.frequency_hz > 100) & (response.frequency_hz < 1500)]))
    assert response.high_3db_hz is None


def test_unrelated_output_tells_no_response() -> None:
    response = programme_response(programme(5.0), programme(5.0, seed=9), sample_rate=RATE)
    assert np.mean(np.isfinite(response.magnitude_db)) < 0.05


def test_bad_programme_is_refused() -> None:
    with pytest.raises(MismatchError, match="align"):
        programme_response(np.zeros(RATE), np.zeros(RATE - 1), sample_rate=RATE)
    with pytest.raises(SignalError, match="silent"):
        programme_response(np.zeros(RATE), np.ones(RATE), sample_rate=RATE)
    with pytest.raises(SignalError, match="give at least"):
        programme_response(np.ones(1000), np.ones(1000), sample_rate=RATE)


@pytest.mark.parametrize("smoothing_octaves", [0.0, 1.0 / 12.0, 1.0 / 3.0])
def test_hum_spoils_the_response_no_more_than_its_sigma_says(smoothing_octaves: float) -> None:
    sweep = synchronised_sweep(start_hz=20.0, stop_hz=20000.0, duration_s=3.0)
    stimulus = np.r_[sweep_samples(sweep, sample_rate=RATE, level_dbfs=-18.0), np.zeros(RATE // 2)]
    time_s = np.arange(len(stimulus)) / RATE
    rng = np.random.default_rng(8)
    errors, sigmas = [], []
    for _ in range(20):
        hum = sum(10 ** (-70 / 20) * np.sin(2 * np.pi * f * time_s + rng.uniform(0, 6.3)) for f in (50.0, 100.0, 150.0))
        heard = stimulus + hum + 10 ** (-70 / 20) * rng.standard_normal(len(stimulus))
        response = sweep_response(impulses_of(stimulus, heard, sweep), smoothing_octaves=smoothing_octaves)
        for hum_hz in (50.0, 100.0, 150.0):
            point = int(np.argmin(np.abs(response.frequency_hz - hum_hz)))
            errors.append(response.magnitude_db[point])
            sigmas.append(response.sigma_db[point])
    ratio = np.array(errors) / np.array(sigmas)
    # a sine of random phase: of rms 1 it never exceeds sqrt(2)
    assert np.mean(np.abs(ratio) < 2.0) > 0.95
    # wide smoothing takes the noise from a third of an octave, where the line counts in full
    share = np.sqrt(np.mean(np.square(errors)) / np.mean(np.square(sigmas)))
    assert 0.4 < share < 1.15
