"""Prints between markers: found at any speed, and read at their own length again."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tapemeasure.devices.passes import read_print
from tapemeasure.devices.played import played_array
from tapemeasure.devices.takes import TakePaths
from tapemeasure.devices.two_pass import EndOfPrint, find_frame, framed, framed_length_samples, with_right_clock
from tapemeasure.dsp.fractional import read_at
from tapemeasure.errors import MismatchError, NoMatchError, UsageError
from tapemeasure.io import sha256_of_file, write_audio, write_json

RATE = 22050
BEFORE_S = 2.3


def _printed() -> tuple[np.ndarray, np.ndarray]:
    """Band-limited noise of 6 s, and the same in its frame."""
    noise = np.random.default_rng(2).standard_normal((6 * RATE, 2))
    spectrum = np.fft.rfft(noise, axis=0)
    spectrum[np.fft.rfftfreq(len(noise), 1.0 / RATE) > 8000.0] = 0.0
    signal = 0.1 * np.fft.irfft(spectrum, len(noise), axis=0)
    frame = framed(played_array(signal, sample_rate=RATE), level_db=-6.0)
    samples = np.concatenate(list(frame.blocks()))
    assert len(samples) == frame.n_samples == framed_length_samples(len(signal), sample_rate=RATE)
    return signal, samples


def _tape(samples: np.ndarray, ratio: float, *, noise: float) -> np.ndarray:
    """The recording of a playback that lasts `ratio` times as long."""
    played = read_at(samples, np.arange(int(len(samples) * ratio)) / ratio, half_taps=64)
    before, behind = np.zeros((round(BEFORE_S * RATE), 2)), np.zeros((RATE, 2))
    tape = np.concatenate([before, 0.5 * played, behind])
    return tape + noise * np.random.default_rng(3).standard_normal(tape.shape)


@pytest.mark.parametrize("ratio", [1.0, 1.00003, 0.97, 1.0475, 0.5])
def test_a_print_is_found_and_its_clock_set_right(ratio: float) -> None:
    signal, samples = _printed()
    tape = _tape(samples, ratio, noise=1e-5)

    def cut(first: int, stop: int) -> np.ndarray:
        return tape[first:stop]

    frame = find_frame(cut, length_samples=len(tape), n_samples=len(signal), sample_rate=RATE)
    assert frame.ratio == pytest.approx(ratio, rel=2e-7)
    assert frame.speed_error_pct == pytest.approx(100.0 * (1.0 / ratio - 1.0), abs=1e-4)
    if ratio < 0.9:
        return  # half of the band is gone
    back = np.concatenate(list(with_right_clock(cut, frame, n_samples=len(signal))))
    error = back[RATE:-RATE] - 0.5 * signal[RATE:-RATE]
    assert np.sqrt(np.mean(error**2)) < 2e-3 * np.sqrt(np.mean(signal**2))


def test_hiss_at_minus_40_dbfs_does_not_hide_the_markers() -> None:
    signal, samples = _printed()
    tape = _tape(samples, 1.012, noise=0.01)
    frame = find_frame(lambda a, b: tape[a:b], length_samples=len(tape), n_samples=len(signal), sample_rate=RATE)
    assert frame.ratio == pytest.approx(1.012, rel=3e-6)


def test_a_tape_without_a_print_or_without_its_end_is_told() -> None:
    signal, samples = _printed()
    hiss = 0.1 * np.random.default_rng(4).standard_normal((8 * RATE, 2))
    arguments: dict[str, Any] = {"n_samples": len(signal), "sample_rate": RATE}
    with pytest.raises(NoMatchError, match="the marker at the start was not found"):
        find_frame(lambda a, b: hiss[a:b], length_samples=len(hiss), **arguments)
    tape = _tape(samples, 1.0, noise=1e-4)[: 7 * RATE]
    with pytest.raises(NoMatchError, match=r"the marker at the end was not found: the start lies at 3\.3"):
        find_frame(lambda a, b: tape[a:b], length_samples=len(tape), **arguments)


def test_a_sidecar_of_another_print_is_refused(tmp_path: Path) -> None:
    paths = TakePaths(tmp_path, "one")
    printed = paths.marked(".print")
    with pytest.raises(UsageError, match=r"one\.print\.json: no such file; print the tape first"):
        read_print(paths)
    write_audio(printed.input, np.ones((10, 1)), sample_rate=RATE)
    write_json(printed.sidecar, {"sha256_input": sha256_of_file(printed.input), "printed_samples": 10})
    assert read_print(paths)["printed_samples"] == 10
    write_audio(printed.input, np.zeros((10, 1)), sample_rate=RATE)
    with pytest.raises(MismatchError, match="does not belong to"):
        read_print(paths)


@pytest.mark.parametrize("ratio", [1.0, 1.02, 0.5])
def test_the_recording_of_a_print_ends_by_itself_behind_its_end(ratio: float) -> None:
    signal, samples = _printed()
    tape = np.concatenate([_tape(samples, ratio, noise=1e-4), np.zeros((20 * RATE, 2))])
    end_s = BEFORE_S + ratio * (1.0 + 2 * 0.05 + 2 * 0.5 + 6.0)
    listener = EndOfPrint(n_samples=len(signal), sample_rate=RATE, after_s=1.0)
    for second in range(1, 40):
        reason = listener.reason(lambda a, b: tape[a : min(b, second * RATE)], length_samples=second * RATE)  # noqa: B023
        if reason is not None:
            break
    assert reason == "the end marker was heard"
    # listened to every four seconds until the start is found, then every second
    assert end_s + 1.0 <= second <= end_s + 5.1


def test_half_the_speed_is_named_as_soon_as_the_start_is_heard() -> None:
    signal, samples = _printed()
    tape = _tape(samples, 2.02, noise=1e-4)
    listener = EndOfPrint(n_samples=len(signal), sample_rate=RATE)
    answers = [listener.reason(lambda a, b: tape[a:b], length_samples=second * RATE) for second in (2, 5)]
    assert answers[0] is None
    assert answers[1] is not None
    assert "about half the speed it was printed with (ratio 0.49" in answers[1]
    with pytest.raises(NoMatchError, match=r"half the speed .* -5[01] %"):
        find_frame(lambda a, b: tape[a:b], length_samples=9 * RATE, n_samples=len(signal), sample_rate=RATE)
