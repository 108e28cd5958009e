"""One picture of the built-in tape machine, from its own computations.

Run ``python -m benchmarks.tape_gallery [PATH]``; PATH is ``docs/tape_gallery.png`` unless given. The recordings of the
real machine are read from ``../shared/data/akai`` beside the checkout; without them only the preset's curve is drawn.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tapemeasure.analysis.distortion import ToneDistortion, distortion_vs_level, tone_distortion
from tapemeasure.arrays import FloatArray
from tapemeasure.delay.track import track_delay
from tapemeasure.devices.tape import TapeDevice
from tapemeasure.devices.tape.hysteresis import DC_BLOCKER_HZ, Hysteresis
from tapemeasure.dsp.spectra import octave_grid, smooth_octaves
from tapemeasure.io import read_audio
from tapemeasure.params import TapeSettings, preset_settings, tape_presets
from tapemeasure.params.tape import MagneticSettings, ReplaySettings
from tapemeasure.plotting import Curve, speed_density
from tapemeasure.plotting.gallery import Gallery, plot_gallery
from tapemeasure.trajectory import DelayTrajectory
from tapemeasure.units import amplitude_from_db, db

ROOT = Path(__file__).resolve().parents[1]
RECORDINGS = ROOT.parent / "shared" / "data" / "akai"
SAMPLE_RATE = 44100
OUTPUT_GAIN_DB = -6.0
BIASES = (0.0, 0.25, 0.5, 1.0)
LOOP_HZ = 100.0
LEVELS_DBFS = np.arange(-36.0, 9.1, 1.5)
# per cent, of the plug-in at 16x linear phase, NR8, knobs 0.5
PUBLISHED_THD = {
    1000.0: {-30.0: 0.095, -18.0: 0.25, -12.0: 0.46, -6.0: 2.2, 0.0: 7.0, 6.0: 15.2},
    100.0: {-30.0: 0.58, -18.0: 1.85},
}
SPEED_PRESETS = {
    "reel_15ips_iec": "15 ips",
    "reel_7p5ips_iec": "7.5 ips",
    "reel_3p75ips": "3.75 ips",
    "cassette_1p875ips": "1.875 ips (cassette)",
}
SPEED_PRESET = "akai_4000d"
PROBE_DBFS = -40.0


def loop_curves() -> list[Curve]:
    """One period of a steady 100 Hz tone, input and output, for every bias."""
    return [Curve(f"bias {bias:g}", *loop(TapeSettings(bias=bias))) for bias in BIASES]


def loop(settings: TapeSettings) -> tuple[FloatArray, FloatArray]:
    """Input and output of a loop: the latency and the 35 Hz high-pass, which adds an ellipse of its own, undone."""
    from scipy.signal import butter, sosfreqz

    period = round(SAMPLE_RATE / LOOP_HZ)
    tone = np.sin(2.0 * np.pi * np.arange(60 * period) / period)
    hysteresis = Hysteresis(settings, SAMPLE_RATE)
    spectrum = np.fft.rfft(hysteresis.process(tone)[-period:])
    radians = 2.0 * np.pi * np.arange(len(spectrum)) / period
    _, blocker = sosfreqz(butter(4, DC_BLOCKER_HZ, "high", fs=SAMPLE_RATE, output="sos"), radians)
    spectrum[1:] *= np.exp(1j * radians[1:] * hysteresis.latency_samples) / blocker[1:]
    # odd symmetry: no constant part
    spectrum[0] = 0.0
    output = amplitude_from_db(OUTPUT_GAIN_DB) * np.fft.irfft(spectrum, period)
    closed = np.append(np.arange(period), 0)
    return tone[:period][closed], output[closed]


def distortion_curves() -> tuple[list[Curve], list[Curve]]:
    """Total harmonic distortion of tones over their level, and the published points."""
    curves, dots = [], []
    for frequency_hz, points in PUBLISHED_THD.items():
        name = f"{frequency_hz:g} Hz"
        found = distortion_vs_level([distortion(frequency_hz, level_dbfs) for level_dbfs in LEVELS_DBFS])
        curves.append(Curve(name, found.level_dbfs, found.thd_pct))
        dots.append(Curve(f"{name}, the plug-in", np.array(list(points)), np.array(list(points.values()))))
    return curves, dots


def distortion(frequency_hz: float, level_dbfs: float) -> ToneDistortion:
    time_s = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    tone = amplitude_from_db(level_dbfs) * np.sin(2.0 * np.pi * frequency_hz * time_s)
    output = Hysteresis(TapeSettings(), SAMPLE_RATE).process(tone)
    half = SAMPLE_RATE // 2
    return tone_distortion(tone[half:], output[half:], sample_rate=SAMPLE_RATE, frequency_hz=frequency_hz, harmonics=9)


def response_curves() -> list[Curve]:
    """Responses of the presets of four speeds, relative to 1 kHz, to a tone that sweeps at -40 dBFS."""
    known = tape_presets()
    for name in SPEED_PRESETS.keys() - known:
        print(f"no preset {name}: left out", file=sys.stderr)
    there = {name: label for name, label in SPEED_PRESETS.items() if name in known}
    return [Curve(label, *response(settings_without_transport(name))) for name, label in there.items()]


def settings_without_transport(preset: str) -> TapeSettings:
    """Settings of a preset that are magnetic, of the replay head, or of the amplifiers."""
    kept = MagneticSettings.model_fields.keys() | ReplaySettings.model_fields.keys()
    return TapeSettings(**{key: value for key, value in preset_settings(preset).items() if key in kept})


def response(settings: TapeSettings) -> tuple[FloatArray, FloatArray]:
    n_samples = 2 * SAMPLE_RATE
    share = np.arange(n_samples) / n_samples
    chirp = amplitude_from_db(PROBE_DBFS) * np.sin(np.pi * n_samples * 0.5 * share**2)
    chirp *= np.minimum(1.0, np.minimum(share, 1.0 - share) / 0.002)
    played = np.concatenate([chirp, np.zeros(SAMPLE_RATE)])
    heard = TapeDevice(settings, seed=1).run(played, sample_rate=SAMPLE_RATE).samples[:, 0]
    stimulus, output = np.fft.rfft(played), np.fft.rfft(heard)
    bin_hz = SAMPLE_RATE / len(played)
    grid_hz = octave_grid(low_hz=20.0, high_hz=20000.0, per_octave=24)
    powers = [
        smooth_octaves(np.abs(spectrum) ** 2, bin_hz=bin_hz, at_hz=grid_hz, octaves=1 / 12)
        for spectrum in (output, stimulus)
    ]
    magnitude_db = 0.5 * db(powers[0] / powers[1])
    return grid_hz, magnitude_db - np.interp(1000.0, grid_hz, magnitude_db)


def speed_curves() -> list[Curve]:
    """Speed spectra of the recordings and of the preset, both tracked by their pulses."""
    pairs = list(recorded_pairs())
    preset = TapeSettings(**preset_settings(SPEED_PRESET))
    if not pairs:
        print("no recordings of the real machine beside this checkout: only the preset is drawn", file=sys.stderr)
        return [speed_curve(f"preset {SPEED_PRESET}", [truth(preset, seed=seed) for seed in range(1, 5)])]
    recorded = [tracked(played, heard) for played, heard in pairs]
    simulated = []
    for seed, (played, _) in enumerate(pairs, start=1):
        heard = TapeDevice(preset, seed=seed).run(played, sample_rate=SAMPLE_RATE).samples
        simulated.append(tracked(played, heard))
    return [speed_curve("Akai 4000D, recordings", recorded), speed_curve(f"preset {SPEED_PRESET}", simulated)]


def speed_curve(label: str, trajectories: list[DelayTrajectory]) -> Curve:
    return Curve(label, *speed_density(trajectories))


def recorded_pairs() -> Iterator[tuple[FloatArray, FloatArray]]:
    for path in sorted(RECORDINGS.glob("io_*_input.wav")):
        output = path.with_name(path.name.replace("_input", "_output"))
        yield read_audio(path)[0], read_audio(output)[0]


def tracked(played: FloatArray, heard: FloatArray) -> DelayTrajectory:
    return track_delay(played, heard, sample_rate=SAMPLE_RATE).trajectory


def truth(settings: TapeSettings, *, seed: int) -> DelayTrajectory:
    capture = TapeDevice(settings, seed=seed).run(np.zeros(5 * SAMPLE_RATE), sample_rate=SAMPLE_RATE)
    if capture.truth is None:
        raise SystemExit("the tape device tells no truth")
    return capture.truth


def main() -> None:
    parser = argparse.ArgumentParser(description="One picture of the built-in tape machine.")
    parser.add_argument("path", nargs="?", type=Path, default=ROOT / "docs" / "tape_gallery.png", metavar="PATH")
    path = parser.parse_args().path
    distortion, published = distortion_curves()
    gallery = Gallery(
        loops=loop_curves(),
        distortion=distortion,
        published_distortion=published,
        response=response_curves(),
        speed=speed_curves(),
    )
    plot_gallery(gallery, path, force=True)
    print(path)


if __name__ == "__main__":
    main()
