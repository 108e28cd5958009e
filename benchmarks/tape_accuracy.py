"""Error-to-signal ratios of the built-in tape machine against renders of the plug-in, for `benchmarks.tape`."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.devices.chowtape_pilot import pilot_delay
from tapemeasure.devices.tape import TapeDevice
from tapemeasure.devices.tape.hysteresis import Hysteresis
from tapemeasure.devices.tape.loss import LossFilter
from tapemeasure.devices.tape.transport import Transport
from tapemeasure.devices.tape.wobble import TransportTruth
from tapemeasure.io import read_audio
from tapemeasure.params import TapeSettings
from tapemeasure.trajectory import DelayTrajectory
from tapemeasure.units import amplitude_from_db, db_from_power

SAMPLE_RATE = 44100
OUTPUT_GAIN_DB = -6.0
HOST_LATENCY_SAMPLES = 68
MARGIN_SAMPLES = 22050
EDGE_SHARE = 0.49
CUT_SAMPLES = 256
PILOT_HZ, PILOT_AMPLITUDE = 1000.0, 0.1

MINIMUM = {"oversampling_mode": "minimum_phase"}
TOY = {"drive": 0.75, "saturation": 0.75, "bias": 0.0}
LOSS = {"loss": True, "spacing_um": 20.0, "thickness_um": 35.0, "gap_um": 6.0}
WOBBLE = {
    "chowtape_compatible": True,
    "wow_depth": 0.75,
    "wow_rate": 0.25,
    "wow_variance": 0.0,
    "flutter_depth": 0.75,
    "flutter_rate": 0.3,
}


@dataclass(frozen=True)
class Case:
    """A render: its dry file, what the host removed of its latency, and how it was made."""

    render: str
    dry: str
    target_db: float
    removed_samples: int = HOST_LATENCY_SAMPLES
    gain: float = 1.0
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> TapeSettings:
        """Settings of the machine that the render came from."""
        return TapeSettings(output_gain_db=OUTPUT_GAIN_DB, **self.changes)


CASES = (
    *(Case(f"wet_{n}", n, -72.0) for n in ("sweep_00", "sweep_18", "steps", "multitone", "noise", "speech")),
    Case("var_RK2_steps", "steps", -70.0, changes={"solver": "RK2"}),
    Case("var_RK4_steps", "steps", -70.0, changes={"solver": "RK4"}),
    Case("var_minphase16_steps", "steps", -70.0, 7, changes=MINIMUM),
    Case("var_OS2minNR4_steps", "steps", -70.0, 5, changes={"oversampling": 2, "solver": "NR4", **MINIMUM}),
    Case("var_toy_noise", "noise", -70.0, changes=TOY),
    Case("var_loud26dB_noise", "noise", -70.0, gain=20.0),
    Case("loss_noise_7p5ips_d20_th35_g6", "noise", -60.0, 100, changes=LOSS),
)


@dataclass(frozen=True)
class Row:
    """Error-to-signal ratios of a render, dB: on its own grid, as a device, and the device below 0.49 of the rate."""

    render: str
    target_db: float
    grid_db: float
    device_db: float
    device_below_edge_db: float


def accuracy(folder: Path) -> Iterator[Row]:
    """Error-to-signal ratios of all renders, by the machine's parts on the plug-in's own grid, and as a whole device.

    Notes
    -----
    On the grid, the model is late by the same whole number of samples as the host has removed: no fraction is read.
    The whole device has its own latency removed exactly; the render, which the host left early by a fraction, is moved
    back by it through its Fourier transform, which is exact and independent of the device's own reading.
    """
    for case in CASES:
        stimulus = case.gain * _mono(folder / f"dry_{case.dry}.wav")
        expected = _mono(folder / f"{case.render}.wav")
        on_grid = _on_grid(case.settings, stimulus, latency_samples=case.removed_samples)
        capture = TapeDevice(case.settings, seed=1).run(stimulus, sample_rate=SAMPLE_RATE)
        early = case.removed_samples - capture.latency_samples
        # a render that ends in the middle of a tone has nothing behind its end to be moved in
        inside = slice(CUT_SAMPLES, -CUT_SAMPLES)
        found, moved = capture.samples[inside, 0], delayed(expected, by_samples=early)[inside]
        yield Row(
            case.render,
            case.target_db,
            esr_db(on_grid, expected),
            esr_db(found, moved),
            esr_db(_below_edge(found), _below_edge(moved)),
        )


@dataclass(frozen=True)
class WobbleResult:
    """How the plug-in's wow and flutter are met: ratios in dB, differences of the delays in samples."""

    pilot_db: float
    open_loop_db: float
    difference_rms_samples: float
    difference_max_samples: float


def wobble_accuracy(folder: Path) -> WobbleResult:
    """The render with wow and flutter, with the delay that its pilot tells and with the model's own.

    Notes
    -----
    The pilot's delay is taken where the pilot is there; before, the model's own moved by a constant. Both chains read
    the recorded signal with the plug-in's cubic on its grid, and its 15 Hz high-pass follows.
    """
    wet = read_audio(folder / "wf0_noise.wav")[0]
    stimulus = _mono(folder / "dry_noise.wav")[: len(wet)]
    settings = TapeSettings(output_gain_db=OUTPUT_GAIN_DB, **WOBBLE)
    device = TapeDevice(settings, seed=1).run(stimulus, sample_rate=SAMPLE_RATE)
    if device.truth is None:
        raise SystemExit("the tape device tells no truth")
    time_s = np.arange(len(wet)) / SAMPLE_RATE
    tone = PILOT_AMPLITUDE * np.sin(2.0 * np.pi * PILOT_HZ * time_s)
    still = _on_grid(settings, tone, latency_samples=HOST_LATENCY_SAMPLES)
    first, told_s = pilot_delay(wet[:, 1], still, sample_rate=SAMPLE_RATE, frequency_hz=PILOT_HZ)
    model_s = device.truth.at(time_s)
    settled = slice(first + round(0.01 * SAMPLE_RATE), len(wet) - round(0.01 * SAMPLE_RATE))
    difference = SAMPLE_RATE * (told_s[settled.start - first : settled.stop - first] - model_s[settled])
    delay_s = model_s + np.mean(difference[:441]) / SAMPLE_RATE
    delay_s[settled] = told_s[settled.start - first : settled.stop - first]
    by_pilot = _wobbling(settings, stimulus, delay_s)
    by_model = _wobbling(settings, stimulus, model_s)
    return WobbleResult(
        pilot_db=esr_db(by_pilot, wet[:, 0]),
        open_loop_db=esr_db(by_model, wet[:, 0]),
        difference_rms_samples=float(np.sqrt(np.mean(difference**2))),
        difference_max_samples=float(np.max(np.abs(difference))),
    )


def esr_db(found: FloatArray, expected: FloatArray) -> float:
    """Energy of the difference over that of what is expected, dB."""
    return db_from_power(float(np.sum((found - expected) ** 2) / np.sum(expected**2)))


def delayed(samples: FloatArray, *, by_samples: float) -> FloatArray:
    """Signal later by a fraction of samples, through its Fourier transform between zeros."""
    padded = np.pad(samples, MARGIN_SAMPLES)
    turn = np.exp(-2j * np.pi * np.fft.rfftfreq(len(padded)) * by_samples)
    return np.fft.irfft(np.fft.rfft(padded) * turn, len(padded))[MARGIN_SAMPLES:-MARGIN_SAMPLES]


def _below_edge(samples: FloatArray) -> FloatArray:
    """Signal without the last hundredth of the band, in which no fraction of a sample can be read exactly."""
    spectrum = np.fft.rfft(samples)
    spectrum[round(2.0 * EDGE_SHARE * (len(spectrum) - 1)) :] = 0.0
    return np.fft.irfft(spectrum, len(samples))


def _mono(path: Path) -> FloatArray:
    return read_audio(path)[0][:, 0]


def _on_grid(settings: TapeSettings, stimulus: FloatArray, *, latency_samples: int) -> FloatArray:
    """Tape and losses without transport, earlier by whole samples."""
    played = Hysteresis(settings, SAMPLE_RATE).process(np.pad(stimulus, (0, latency_samples)))
    if settings.loss:
        played = LossFilter(settings, SAMPLE_RATE).process(played)
    return amplitude_from_db(settings.output_gain_db) * played[latency_samples:]


def _wobbling(settings: TapeSettings, stimulus: FloatArray, delay_s: FloatArray) -> FloatArray:
    """Tape, then the transport at a given delay of every sample."""
    zeros = np.zeros(len(delay_s))
    delay = DelayTrajectory(0.0, SAMPLE_RATE, delay_s, zeros, zeros == 0.0)
    transport = Transport(settings, TransportTruth(delay), SAMPLE_RATE, 1, HOST_LATENCY_SAMPLES)
    late = transport.look_ahead_samples
    recorded = Hysteresis(settings, SAMPLE_RATE).process(np.pad(stimulus, (0, late)))
    played = transport.process(recorded[:, np.newaxis])[late:, 0]
    return amplitude_from_db(settings.output_gain_db) * played
