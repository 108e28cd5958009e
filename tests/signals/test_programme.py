"""The built-in music: seeds, levels, silences, spectrum, and that several voices play."""

import itertools

import numpy as np
import pytest
from scipy.signal import resample_poly, welch

from tapemeasure.arrays import FloatArray
from tapemeasure.signals.drums import DRUMS, play_drum
from tapemeasure.signals.instruments import INSTRUMENTS, play_note
from tapemeasure.signals.programme import BALANCE, synthesize_programme
from tapemeasure.signals.score import STYLES, compose

RATE = 44100


def music(length_s: float, *, seed: int = 1, sample_rate: int = RATE) -> FloatArray:
    return synthesize_programme(
        length_samples=round(length_s * sample_rate),
        sample_rate=sample_rate,
        peak_dbfs=-1.0,
        generator=np.random.default_rng(seed),
    )


@pytest.fixture(scope="module")
def minute() -> FloatArray:
    return music(60.0)


def silences_s(samples: FloatArray) -> list[float]:
    runs = [(zero, len(list(run))) for zero, run in itertools.groupby(samples == 0.0)]
    return [length / RATE for zero, length in runs if zero and length > 0.1 * RATE]


def test_equal_seeds_give_equal_bytes_and_others_do_not() -> None:
    assert music(8.0, seed=5).tobytes() == music(8.0, seed=5).tobytes()
    assert not np.array_equal(music(8.0, seed=5), music(8.0, seed=6))


def test_peak_is_exact_and_dynamics_are_wide(minute: FloatArray) -> None:
    assert np.max(np.abs(minute)) == pytest.approx(10 ** (-1 / 20), rel=1e-12)
    frames = minute[: len(minute) // 4410 * 4410].reshape(-1, 4410)
    levels_db = 20 * np.log10(np.sqrt(np.mean(frames**2, axis=1)) + 1e-12)
    sounding = levels_db[levels_db > -80.0]
    assert np.percentile(sounding, 95) > -14.0
    assert np.percentile(sounding, 10) < -30.0
    crest_db = -20 * np.log10(np.std(minute) / np.max(np.abs(minute)))
    assert 9.0 < crest_db < 20.0


def test_each_piece_ends_in_true_silence(minute: FloatArray) -> None:
    lengths = silences_s(minute)
    assert len(lengths) == 3
    assert min(lengths) >= 0.8


def test_spectrum_reaches_from_40_hz_to_15_khz(minute: FloatArray) -> None:
    frequency_hz, density = welch(minute, RATE, nperseg=8192)

    def band_db(low_hz: float, high_hz: float) -> float:
        chosen = (frequency_hz >= low_hz) & (frequency_hz < high_hz)
        return float(10 * np.log10(np.mean(density[chosen])))

    middle_db = band_db(400.0, 2000.0)
    assert band_db(40.0, 80.0) > middle_db - 10.0
    assert band_db(12000.0, 15000.0) > middle_db - 45.0
    assert band_db(5.0, 25.0) < band_db(40.0, 80.0) - 15.0


def test_the_same_music_at_every_rate() -> None:
    low, high = music(6.0, sample_rate=48000), music(6.0, sample_rate=96000)
    # the drawn noises differ, the notes do not: compare the smoothed envelopes
    envelopes = [
        np.sqrt(resample_poly(np.square(samples), 1, step)[10:-10].clip(0.0))
        for samples, step in ((low, 480), (high, 960))
    ]
    assert np.corrcoef(envelopes[0], envelopes[1])[0, 1] > 0.95


@pytest.mark.parametrize("length", [0, 1, 100, 2205, 4410, 30000])
def test_short_lengths_are_finite_and_exact(length: int) -> None:
    samples = synthesize_programme(
        length_samples=length, sample_rate=RATE, peak_dbfs=-1.0, generator=np.random.default_rng(3)
    )
    assert samples.shape == (length,)
    assert np.isfinite(samples).all()
    assert np.max(np.abs(samples), initial=0.0) <= 10 ** (-1 / 20) + 1e-12


@pytest.mark.parametrize("name", list(INSTRUMENTS))
@pytest.mark.parametrize("pitch", [28, 69])
def test_note_has_its_pitch_and_ends_in_silence(name: str, pitch: int) -> None:
    note = play_note(INSTRUMENTS[name], pitch=pitch, length_s=1.0, sample_rate=RATE)
    assert np.max(np.abs(note)) == pytest.approx(1.0, rel=1e-9)
    assert abs(note[0]) < 1e-9
    assert abs(note[-1]) < 1e-3
    # every partial is a multiple of the pitch: the autocorrelation peaks at its period
    frequency_hz = 440.0 * 2 ** ((pitch - 69) / 12)
    spectrum = np.abs(np.fft.rfft(note[2000:42000], 1 << 18)) ** 2
    autocorrelation = np.fft.irfft(spectrum)
    around = np.arange(round(0.9 * RATE / frequency_hz), round(1.1 * RATE / frequency_hz))
    period = around[np.argmax(autocorrelation[around])]
    assert RATE / period == pytest.approx(frequency_hz, rel=0.015)


def test_nothing_sounds_above_the_highest_partial() -> None:
    note = play_note(INSTRUMENTS["brass"], pitch=76, length_s=1.0, sample_rate=RATE)
    spectrum = np.abs(np.fft.rfft(note * np.hanning(len(note))))
    frequency_hz = np.fft.rfftfreq(len(note), 1 / RATE)
    assert np.max(spectrum[frequency_hz > 18000.0]) < 1e-3 * np.max(spectrum)


@pytest.mark.parametrize("name", list(DRUMS))
def test_drum_peaks_at_one_and_dies_away(name: str) -> None:
    hit = play_drum(DRUMS[name], sample_rate=RATE, generator=np.random.default_rng(1))
    assert np.max(np.abs(hit)) == pytest.approx(1.0, rel=1e-12)
    tenth = len(hit) // 10
    assert np.std(hit[-tenth:]) < 0.05 * np.std(hit[:tenth])
    assert hit[0] == hit[-1] == 0.0


@pytest.mark.parametrize("style", STYLES)
def test_every_style_is_a_band_that_keeps_its_time(style: object) -> None:
    notes = compose(style, length_s=15.0, generator=np.random.default_rng(2))  # type: ignore[arg-type]
    players = {note.instrument for note in notes}
    assert len(players) >= 3
    assert players <= set(BALANCE)
    assert all(0.0 <= note.start_s < 15.1 for note in notes)
    assert all(0.0 < note.velocity <= 1.0 for note in notes)
    assert all(28 <= note.pitch <= 96 for note in notes)


def test_progress_ends_at_one() -> None:
    told: list[float] = []
    synthesize_programme(
        length_samples=RATE, sample_rate=RATE, peak_dbfs=0.0, generator=np.random.default_rng(1), progress=told.append
    )
    assert told[-1] == 1.0
