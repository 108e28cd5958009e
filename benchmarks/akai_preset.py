"""The preset akai_4000d beside the recordings of the real machine that it was made from.

Run ``python -m benchmarks.akai_preset``; ``--fit`` prints the settings that the recordings ask for. The recordings are
read from ``../shared/data/akai`` beside the checkout; without them a line says so. Both columns go through the same
measurements: the machine's recordings, and the preset fed with the same inputs, pilot and all.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tapemeasure.analysis.delay_statistics import delay_statistics
from tapemeasure.analysis.linear_fit import fit_fir, fit_gain
from tapemeasure.analysis.response import programme_response
from tapemeasure.arrays import FloatArray
from tapemeasure.delay.apply import undo_delay
from tapemeasure.delay.track import track_delay
from tapemeasure.devices.tape import TapeDevice
from tapemeasure.devices.tape.noise import HUM_LINES, hiss_density_db
from tapemeasure.dsp.spectra import (
    NOMINAL_THIRD_OCTAVES_HZ,
    PowerSpectrum,
    band_power,
    power_spectrum,
    third_octave_powers,
    tone_amplitudes,
)
from tapemeasure.io import read_audio
from tapemeasure.params import TapeSettings, preset_settings
from tapemeasure.trajectory import DelayTrajectory
from tapemeasure.units import db_from_amplitude

RECORDINGS = Path(__file__).resolve().parents[2] / "shared" / "data" / "akai"
TAKES = ("io_1", "io_4", "io_5")
SILENT_TAKE, SILENCE_S = "io_4", (1.12, 1.88)
"""The only silence of the inputs, below -66 dBFS; input time."""

MAINS_HZ = 50.0
CROSSTALK_HZ = (400.0, 10000.0)
CROSSTALK_TAPS = 129

STARTING_S, ENDING_S = 0.3, 0.2
"""Left out at the ends, where the filters still hear what came before the take."""

STILL = {
    "recording": "rewind", "head_delay_ms": 0.0, "capstan_pct": 0.0, "pinch_roller_pct": 0.0, "reel_pct": 0.0,
    "lines_pct": (), "drift_pct": 0.0, "wow_pct": 0.0, "flutter_pct": 0.0, "scrape_pct": 0.0, "clock_drift_ppm": 0.0,
    "azimuth_urad": 0.0, "azimuth_jitter_urad": 0.0, "wow_depth": 0.0, "flutter_depth": 0.0,
}  # fmt: skip
NOISELESS = {"hiss_dbfs": None, "hum_dbfs": None, "crosstalk_db": None}


@dataclass(frozen=True)
class Take:
    """A take with its delay undone: input and aligned output, both channels."""

    name: str
    sample_rate: int
    stimulus: FloatArray
    output: FloatArray
    aligned: FloatArray
    trajectory: DelayTrajectory


@dataclass(frozen=True)
class Machine:
    """What is measured of a machine; levels in dBFS rms, one value a third octave where they are arrays."""

    response_db: FloatArray
    response_sigma_db: FloatArray
    take_responses_db: FloatArray
    hiss_dbfs: FloatArray
    hum_dbfs: FloatArray
    crosstalk_db: float
    delay_ms: FloatArray
    delay_std_us: FloatArray
    speed_deviation_pct: FloatArray


def read_takes(folder: Path) -> list[Take]:
    """The recordings, tracked by their pilot."""
    takes = []
    for name in TAKES:
        stimulus, sample_rate = read_audio(folder / f"{name}_input.wav")
        takes.append(aligned_take(name, stimulus, read_audio(folder / f"{name}_output.wav")[0], sample_rate))
    return takes


def aligned_take(name: str, stimulus: FloatArray, output: FloatArray, sample_rate: int) -> Take:
    """A take, tracked by its pilot."""
    trajectory = track_delay(stimulus, output, sample_rate=sample_rate).trajectory
    aligned = undo_delay(output, trajectory, sample_rate=sample_rate, length_samples=len(stimulus), half_taps=64)
    return Take(name, sample_rate, stimulus, output, aligned, trajectory)


def played_takes(settings: TapeSettings, takes: list[Take], *, seed: int = 1) -> list[Take]:
    """The inputs of some takes, played by the model."""
    played = []
    for index, take in enumerate(takes):
        device = TapeDevice(settings, seed=seed + index)
        output = device.run(take.stimulus, sample_rate=take.sample_rate).samples
        played.append(aligned_take(take.name, take.stimulus, output, take.sample_rate))
    return played


def middle(samples: FloatArray, sample_rate: int) -> FloatArray:
    """Left channel without the ends."""
    return samples[round(STARTING_S * sample_rate) : len(samples) - round(ENDING_S * sample_rate), 0]


def measure(takes: list[Take]) -> Machine:
    """All figures of a machine from its takes."""
    rows = [take_response(take) for take in takes]
    levels, sigmas = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    weights = np.where(np.isfinite(levels), 1.0 / (np.square(sigmas) + 0.1**2), 0.0)
    total = weights.sum(axis=0)
    response = np.full(len(total), np.nan)
    np.divide(np.sum(weights * np.nan_to_num(levels), axis=0), total, out=response, where=total > 0.0)
    silence = silent_output(next(take for take in takes if take.name == SILENT_TAKE))
    sample_rate = takes[0].sample_rate
    statistics = [delay_statistics(take.trajectory) for take in takes]
    return Machine(
        response_db=response,
        response_sigma_db=1.0 / np.sqrt(np.where(total > 0.0, total, np.nan)),
        take_responses_db=levels,
        hiss_dbfs=hiss_dbfs(silence, sample_rate=sample_rate),
        hum_dbfs=hum_dbfs(silence[:, 0], sample_rate=sample_rate),
        crosstalk_db=crosstalk_db(silence, sample_rate=sample_rate),
        delay_ms=np.array([1e3 * (figures.mean_delay_s or np.nan) for figures in statistics]),
        delay_std_us=np.array([1e6 * (figures.delay_std_s or np.nan) for figures in statistics]),
        speed_deviation_pct=np.array([figures.speed_deviation_rms_pct or np.nan for figures in statistics]),
    )


def take_response(take: Take) -> tuple[FloatArray, FloatArray]:
    """Gain of the left channel in each third octave and its standard uncertainty, dB; NaN where not measurable."""
    found = programme_response(
        middle(take.stimulus, take.sample_rate),
        middle(take.aligned, take.sample_rate),
        sample_rate=take.sample_rate,
        smoothing_octaves=1.0 / 3.0,
    )
    nearest = [int(np.argmin(np.abs(np.log(found.frequency_hz / band)))) for band in NOMINAL_THIRD_OCTAVES_HZ]
    return found.magnitude_db[nearest], found.sigma_db[nearest]


def silent_output(take: Take) -> FloatArray:
    """Both channels of the output as recorded, while the input was silent."""
    delay_s = float(np.median(take.trajectory.delay_s))
    start, stop = (round((edge + delay_s) * take.sample_rate) for edge in SILENCE_S)
    return take.output[start:stop]


def hiss_dbfs(silence: FloatArray, *, sample_rate: int) -> FloatArray:
    """Level of the left channel's hiss in each third octave, the pilot's crosstalk and the hum taken off.

    The noise that goes with the mean period of the mains is put back.
    """
    period = round(sample_rate / MAINS_HZ)
    n_periods = len(silence) // period
    left = silence[:, 0] - crosstalk(silence)
    periods = left[: n_periods * period].reshape(n_periods, period)
    hiss = (periods - periods.mean(axis=0)).ravel() / np.sqrt(1.0 - 1.0 / n_periods)
    return third_octaves_dbfs(power_spectrum([hiss], sample_rate=sample_rate, window_samples=8192))


def third_octaves_dbfs(spectrum: PowerSpectrum) -> FloatArray:
    """Third octaves of a spectrum, as long as the table of their names; NaN where too narrow."""
    powers = third_octave_powers(spectrum)[1]
    levels = np.full(len(NOMINAL_THIRD_OCTAVES_HZ), np.nan)
    levels[: len(powers)] = 10.0 * np.log10(powers)
    return levels


def hum_dbfs(silence: FloatArray, *, sample_rate: int) -> FloatArray:
    """Rms level of each line of the mains that the model has."""
    lines_hz = [multiple * MAINS_HZ for multiple in range(1, 1 + max(multiple for multiple, _ in HUM_LINES))]
    amplitudes = np.abs(tone_amplitudes(silence, sample_rate=sample_rate, frequencies_hz=lines_hz))
    return np.array([db_from_amplitude(amplitudes[multiple - 1] / np.sqrt(2.0)) for multiple, _ in HUM_LINES])


def crosstalk(silence: FloatArray) -> FloatArray:
    """What a short filter makes of the right channel's pilot so that it comes nearest to the left channel."""
    left, right = silence.T
    # differences, so that hum does not count
    leak = fit_fir([np.diff(right)], [np.diff(left)], taps=CROSSTALK_TAPS, lookahead_samples=CROSSTALK_TAPS // 2)
    return leak.apply(right)


def crosstalk_db(silence: FloatArray, *, sample_rate: int) -> float:
    """Level of the right channel's pilot in the left channel."""
    spectra = [
        power_spectrum([samples], sample_rate=sample_rate, window_samples=2048)
        for samples in (crosstalk(silence), silence[:, 1])
    ]
    left, right = (band_power(spectrum, low_hz=CROSSTALK_HZ[0], high_hz=CROSSTALK_HZ[1]) for spectrum in spectra)
    return 10.0 * float(np.log10(left / right))


def esr_db(found: FloatArray, wanted: FloatArray) -> float:
    return float(10.0 * np.log10(np.sum(np.square(found - wanted)) / np.sum(np.square(wanted))))


def errors_db(settings: TapeSettings, takes: list[Take]) -> list[tuple[float, float, float]]:
    """For every take, ESR of the still preset, of the best FIR of that take, and of the best gain, dB."""
    still = settings.model_copy(update={**STILL, **NOISELESS})
    rows = []
    for take in takes:
        stimulus, wanted = (middle(samples, take.sample_rate) for samples in (take.stimulus, take.aligned))
        played = TapeDevice(still, seed=1).run(take.stimulus[:, :1], sample_rate=take.sample_rate).samples
        best = fit_fir([stimulus], [wanted], taps=4096, lookahead_samples=1024).apply(stimulus)
        gain = fit_gain([stimulus], [wanted])
        rows.append(
            (
                esr_db(middle(played, take.sample_rate), wanted),
                esr_db(best, wanted),
                esr_db(gain * stimulus, wanted),
            )
        )
    return rows


def fitted_settings(settings: TapeSettings, takes: list[Take], *, passes: int) -> TapeSettings:
    """The preset with the machine's hum and crosstalk, hiss and response, each as this script measures it."""
    machine = measure(takes)
    points_hz = np.array(NOMINAL_THIRD_OCTAVES_HZ)
    shape_db = np.zeros(len(points_hz))
    lowest_hz, highest_hz = 20.0, 16000.0
    inside = (points_hz >= lowest_hz) & (points_hz <= highest_hz)
    hum = float(10.0 * np.log10(np.sum(10.0 ** (machine.hum_dbfs / 10.0))))
    hiss_curve, hiss_level_dbfs = hiss_settings(machine.hiss_dbfs)
    settings = settings.model_copy(
        update={
            "hum_dbfs": round(hum, 1),
            "crosstalk_db": round(machine.crosstalk_db, 1),
            "hiss_shape_db": hiss_curve,
            "hiss_dbfs": round(hiss_level_dbfs, 1),
        }
    )
    for _ in range(passes):
        points = tuple(zip(points_hz[inside].tolist(), shape_db[inside].round(2).tolist(), strict=True))
        settings = settings.model_copy(update={"response_shape_db": points})
        missing_db = machine.response_db - measure(played_takes(settings, takes)).response_db
        known = np.isfinite(missing_db)
        shape_db += np.interp(np.log(points_hz), np.log(points_hz[known]), missing_db[known])
    phase_deg = missing_phase_deg(settings, takes)
    phases = tuple(zip(points_hz.tolist(), phase_deg.round(1).tolist(), strict=True))
    at_1khz = shape_db[list(points_hz).index(1000.0)]
    points = tuple(zip(points_hz[inside].tolist(), (shape_db - at_1khz)[inside].round(2).tolist(), strict=True))
    gain_db = settings.output_gain_db + float(at_1khz)
    return settings.model_copy(
        update={"response_shape_db": points, "response_phase_deg": phases, "output_gain_db": round(gain_db, 2)}
    )


def missing_phase_deg(settings: TapeSettings, takes: list[Take]) -> FloatArray:
    """By how much the machine's phase leads the preset's, both without delay, in each third octave."""
    bands_hz = np.array(NOMINAL_THIRD_OCTAVES_HZ)
    still = settings.model_copy(update={**STILL, **NOISELESS, "response_phase_deg": None})
    total, weights = np.zeros(len(bands_hz)), np.zeros(len(bands_hz))
    for take in takes:
        played = TapeDevice(still, seed=1).run(take.stimulus[:, :1], sample_rate=take.sample_rate).samples
        found = programme_response(
            middle(played, take.sample_rate),
            middle(take.aligned, take.sample_rate),
            sample_rate=take.sample_rate,
            smoothing_octaves=1.0 / 3.0,
        )
        nearest = [int(np.argmin(np.abs(np.log(found.frequency_hz / band)))) for band in bands_hz]
        weight = np.nan_to_num(1.0 / (np.square(found.sigma_db[nearest]) + 0.1**2))
        total += weight * np.nan_to_num(found.phase_deg[nearest])
        weights += weight
    known = weights > 0.0
    return np.asarray(np.interp(np.log(bands_hz), np.log(bands_hz[known]), total[known] / weights[known]))


def hiss_settings(levels_dbfs: FloatArray) -> tuple[tuple[tuple[float, float], ...], float]:
    """Density of the hiss against that at 10 kHz at the middle of each third octave, and its level below 22.05 kHz."""
    points_hz = np.array(NOMINAL_THIRD_OCTAVES_HZ)
    exact_hz = 1000.0 * 10.0 ** (np.arange(-17, 14) / 10.0)
    density_db = levels_dbfs - 10.0 * np.log10(exact_hz * (10.0**0.05 - 10.0**-0.05))
    reference_db = density_db[list(points_hz).index(10000.0)]
    known = np.isfinite(density_db)
    curve = tuple(zip(points_hz[known].tolist(), (density_db - reference_db)[known].round(1).tolist(), strict=True))
    relative = TapeSettings(hiss_dbfs=0.0, hiss_shape_db=curve)
    return curve, float(reference_db - hiss_density_db(relative, np.array([10000.0]))[0])


def print_figures(machine: Machine, preset: Machine) -> None:
    print(f"{'band Hz':>8} {'response dB':>17} {'':>6} {'+-':>5}  {'takes 1, 4, 5':>20} {'hiss dBFS':>17}")
    print(f"{'':>8} {'machine':>8} {'preset':>8} {'diff':>6} {'':>5}  {'':>20} {'machine':>8} {'preset':>8}")
    for index, band_hz in enumerate(NOMINAL_THIRD_OCTAVES_HZ):
        found, wanted = preset.response_db[index], machine.response_db[index]
        takes = " ".join(f"{level:6.2f}" for level in machine.take_responses_db[:, index])
        print(
            f"{band_hz:8g} {wanted:8.2f} {found:8.2f} {found - wanted:6.2f} {machine.response_sigma_db[index]:5.2f}"
            f"  {takes} {machine.hiss_dbfs[index]:8.2f} {preset.hiss_dbfs[index]:8.2f}"
        )
    for name, machine_values, preset_values in (
        ("hum lines dBFS", machine.hum_dbfs, preset.hum_dbfs),
        ("crosstalk R to L dB", [machine.crosstalk_db], [preset.crosstalk_db]),
        ("delay, ms", machine.delay_ms, preset.delay_ms),
        ("delay std, us", machine.delay_std_us, preset.delay_std_us),
        ("speed deviation, % rms", machine.speed_deviation_pct, preset.speed_deviation_pct),
    ):
        rows = (" ".join(f"{value:8.3f}" for value in values) for values in (machine_values, preset_values))
        print(f"{name:<24} {' | '.join(rows)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--fit", action="store_true", help="print the settings that the recordings ask for")
    parser.add_argument("--passes", type=int, default=4, metavar="N", help="corrections of the response (with --fit)")
    chosen = parser.parse_args()
    if not RECORDINGS.is_dir():
        print(f"no recordings in {RECORDINGS.parent.name}/{RECORDINGS.name} beside this checkout; nothing to compare")
        return
    takes = read_takes(RECORDINGS)
    settings = TapeSettings(**preset_settings("akai_4000d"))
    if chosen.fit:
        settings = fitted_settings(settings, takes, passes=chosen.passes)
        for name in (
            "output_gain_db",
            "response_shape_db",
            "response_phase_deg",
            "hiss_dbfs",
            "hiss_shape_db",
            "hum_dbfs",
            "crosstalk_db",
        ):
            value = getattr(settings, name)
            print(f"{name}: {[list(point) for point in value] if isinstance(value, tuple) else value}")
    print_figures(measure(takes), measure(played_takes(settings, takes)))
    print("ESR against the aligned recording, dB: preset | best FIR of 4096 taps of that take | best gain of that take")
    for take, errors in zip(takes, errors_db(settings, takes), strict=True):
        print(f"{take.name:<6} {' | '.join(f'{error:7.2f}' for error in errors)}")


if __name__ == "__main__":
    main()
