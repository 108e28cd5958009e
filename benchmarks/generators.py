"""Generators of delay and hiss against held-out takes: ``python -m benchmarks.generators [akai toy real hiss]``.

Every generator of delay learns from one exact take of the computed machine and plays as many takes as are held out; the
floor is as many takes of the same machine with other seeds. All seeds are fresh: none of them served to choose a
setting. Behind +- stands half of a 95 % interval: jackknife over the long takes of both sets, Student's t.
"""

import argparse
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scipy.signal import butter, sosfilt
from scipy.stats import t as student

from benchmarks.akai_preset import RECORDINGS, TAKES
from tapemeasure.arrays import FloatArray
from tapemeasure.delay.track import track_delay
from tapemeasure.devices.tape.noise import Noise
from tapemeasure.devices.tape.wobble import transport_truth
from tapemeasure.dsp.spectra import power_spectrum, third_octave_powers
from tapemeasure.errors import SignalError
from tapemeasure.generators.base import DelayGenerator, HissGenerator, MeasuredDelay, measured_delay
from tapemeasure.generators.bootstrap import fit_bootstrap
from tapemeasure.generators.compare import DelayComparison, DelayFigures, compare_delays, delay_figures
from tapemeasure.generators.compare_hiss import compare_hiss
from tapemeasure.generators.hiss import fit_hiss
from tapemeasure.generators.sinusoids import fit_random_phase, fit_sinusoids
from tapemeasure.io import read_audio
from tapemeasure.params import TapeProfile, TapeSettings, TrainDelayParams, load_params
from tapemeasure.plotting import Curve, delay_spread, plot_delay_spread, plot_third_octaves
from tapemeasure.training.delay_diffusion import fit_diffusion
from tapemeasure.training.diffusion_results import DiffusionSettings
from tapemeasure.training.hiss_diffusion import hiss_settings, learn_hiss
from tapemeasure.trajectory import DelayTrajectory

TAKE_S = 20.0
LEARNED_SEED, HELD_OUT_SEED, OTHER_SEED, PLAY_SEED = 3001, 3100, 3200, 4000
SAMPLE_RATE = 44100
HISS_S = 20.0
HISS_UPDATES = 500
REAL_TAKES = 12

DELAY_HEAD = (
    "| generator | LSD, dB | pooled, dB | std, us | kurtosis | weighted W&F, % | speed noise, % | line, Hz / %"
    " | W1 delay / speed / 2nd difference | acf | nearest: held out / learned | CPU s to learn | x real time |"
)
REAL_HEAD = (
    "| generator | LSD, dB | pooled, dB | std over the clip's | rms speed over the clip's "
    "| W1 delay / speed, clip by clip |"
)
HISS_HEAD = (
    "| hiss | generator | worst third octave, dB | A, dB | 468, dB | kurtosis 0.2-1 / 1-5 / 5-16 kHz "
    "| coherence 50-200 Hz / 0.2-2 / 2-16 kHz | CPU s to learn | x real time |"
)


def _diffusion(measured: MeasuredDelay) -> DelayGenerator:
    """As the stage train_delay does by default."""
    params = TrainDelayParams()
    settings = DiffusionSettings(n_updates=params.diffusion_updates, batch_size=params.diffusion_batch)
    return fit_diffusion(measured, settings=settings)


FITS: dict[str, Callable[[MeasuredDelay], DelayGenerator]] = {
    "lines + noise": fit_sinusoids,
    "random phase": fit_random_phase,
    "block bootstrap": fit_bootstrap,
    "takes replayed": lambda measured: fit_bootstrap(measured, block_s=np.inf),
    "diffusion": _diffusion,
}


def machine_takes(settings: TapeSettings, seeds: Sequence[int], *, duration_s: float) -> MeasuredDelay:
    """Exact delay of takes of the built-in machine."""
    return measured_delay([
        transport_truth(
            settings,
            duration_s=duration_s,
            sample_rate=SAMPLE_RATE,
            latency_samples=0.0,
            generator=np.random.default_rng(seed),
        ).delay
        for seed in seeds
    ])  # fmt: skip


def played(generator: DelayGenerator, *, n_takes: int, duration_s: float) -> tuple[MeasuredDelay, float]:
    """Takes of a generator, and seconds of delay per CPU second."""
    started = time.process_time()
    n_points = round(duration_s * generator.rate_hz)
    takes = [generator.stream(np.random.default_rng(PLAY_SEED + take)).read(n_points) for take in range(n_takes)]
    speed = n_takes * duration_s / (time.process_time() - started)
    return measured_delay(_exact(takes, generator.rate_hz)), speed


def _exact(takes: Sequence[FloatArray], rate_hz: float) -> list[DelayTrajectory]:
    return [DelayTrajectory(0.0, rate_hz, take, np.zeros(len(take)), np.ones(len(take), np.bool_)) for take in takes]


def delay_table(
    name: str, settings: TapeSettings, *, duration_s: float, n_takes: int, rows: Sequence[str], picture: Path | None
) -> None:
    """Print all generators of one machine's delay, learned from one take, against takes of other seeds."""
    held_out = machine_takes(settings, range(HELD_OUT_SEED, HELD_OUT_SEED + n_takes), duration_s=duration_s)
    others = machine_takes(settings, range(OTHER_SEED, OTHER_SEED + n_takes), duration_s=duration_s)
    learned = machine_takes(settings, [LEARNED_SEED], duration_s=duration_s)
    print(f"\n{name}: learned from {duration_s:.0f} s, against {n_takes} held-out takes of {duration_s:.0f} s\n")
    print(DELAY_HEAD + "\n" + "|---" * (DELAY_HEAD.count("|") - 1) + "|")
    expected = _figures(held_out)
    print(f"| held out | | | {_texts(expected, None)} | | | | | |")
    sets = {"the machine": held_out}
    _print_row("real (the floor)", others, held_out, expected)
    for label in rows:
        started = time.process_time()
        model = FITS[label](learned)
        learning_s = time.process_time() - started
        sets[label], speed = played(model, n_takes=n_takes, duration_s=duration_s)
        copied = compare_delays(sets[label], learned, take_s=TAKE_S).nearest_neighbour
        _print_row(label, sets[label], held_out, expected, f"{copied:.2f} | {learning_s:.0f} | {speed:.0f}")
    if picture is not None:
        curves = []
        for label, takes in sets.items():
            frequency_hz, mean_db, spread_db = delay_spread(_exact(takes.pieces, takes.rate_hz))
            curves.append(Curve(label, frequency_hz, mean_db, spread_db if label == "the machine" else None))
        plot_delay_spread(curves, picture, title=f"{name}: delay of the machine and of its generators", force=True)


def real_table(rows: Sequence[str]) -> None:
    """Print all generators of the real machine's delay, learned from all clips but one, against that one."""
    files = [(RECORDINGS / f"{name}_input.wav", RECORDINGS / f"{name}_output.wav") for name in TAKES]
    if not all(path.is_file() for pair in files for path in pair):
        print(f"\nreal: no recordings in {RECORDINGS.name}; the table is left out")
        return
    clips = []
    for played_file, recorded_file in files:
        stimulus, sample_rate = read_audio(played_file)
        path = track_delay(stimulus, read_audio(recorded_file)[0], sample_rate=sample_rate, pilot="pulses").trajectory
        known = path.delay_s[path.valid]
        clips.append(MeasuredDelay((known - np.mean(known),), (float(np.mean(known)),), path.rate_hz))
    take_s = min(len(clip.pieces[0]) / clip.rate_hz for clip in clips)
    print(f"\nreal Akai: learned from two clips, against the third; takes of {take_s:.2f} s, mean of three\n")
    print(REAL_HEAD + "\n" + "|---" * (REAL_HEAD.count("|") - 1) + "|")
    for label in ("real (the floor)", *rows):
        compared = []
        for left, clip in enumerate(clips):
            others = [other for place, other in enumerate(clips) if place != left]
            learned = MeasuredDelay(
                tuple(piece for other in others for piece in other.pieces),
                tuple(mean_s for other in others for mean_s in other.mean_s),
                clip.rate_hz,
            )
            ours = learned
            if label in FITS:
                try:
                    ours, _ = played(FITS[label](learned), n_takes=REAL_TAKES, duration_s=take_s)
                except SignalError as error:
                    print(f"| {label} | {error} |")
                    break
            compared.append(compare_delays(ours, clip, take_s=take_s))
        else:
            _print_real(label, compared)


def _print_real(label: str, compared: Sequence[DelayComparison]) -> None:
    """One row: means over the clips that were left out, and each of them where one stands for little."""
    distance, pooled = (
        float(np.mean([getattr(each, field) for each in compared]))
        for field in ("log_spectral_distance_db", "pooled_distance_db")
    )
    cells = [
        " / ".join(f"{getattr(each.figures, field) / getattr(each.other_figures, field):.2f}" for each in compared)
        for field in ("std_s", "speed_rms_pct")
    ]
    apart = [f"{each.delay_distance:.2f} / {each.speed_distance:.2f}" for each in compared]
    print(f"| {label} | {distance:.2f} | {pooled:.2f} | {' | '.join(cells)} | {', '.join(apart)} |", flush=True)


def _figures(takes: MeasuredDelay) -> list[DelayFigures]:
    """Of all takes, then of all but one: first but the first."""
    cut = [MeasuredDelay((piece,), (0.0,), takes.rate_hz).cut(TAKE_S).pieces for piece in takes.pieces]
    chosen = [cut, *(cut[:left] + cut[left + 1 :] for left in range(len(cut)))]
    return [delay_figures([take for one in some for take in one], rate_hz=takes.rate_hz) for some in chosen]


def _interval(values: Sequence[float], other: Sequence[float] | None = None) -> float:
    """Half of a 95 % interval of the first value (less the other's first), from those with one take left out."""
    variance = 0.0
    for one in (values, other or ()):
        rest = np.asarray(one[1:])
        variance += (len(rest) - 1) * float(np.var(rest)) if len(rest) > 1 else 0.0
    return float(student.ppf(0.975, len(values) - 2)) * math.sqrt(variance)


def _texts(ours: Sequence[DelayFigures], other: Sequence[DelayFigures] | None) -> str:
    """Cells of std, kurtosis, weighted wow and flutter, speed noise and the strongest line."""

    def ratio(field: str, scale: float, digits: int) -> str:
        own = [scale * getattr(figures, field) for figures in ours]
        if other is None:
            return f"{own[0]:.{digits}f} ± {_interval(own):.{digits}f}"
        if min(own) <= 0.0 or min(getattr(figures, field) for figures in other) <= 0.0:
            return f"{own[0]:.{digits}f}"
        logs = [math.log(value) for value in own]
        theirs = [math.log(scale * getattr(figures, field)) for figures in other]
        return (
            f"{own[0]:.{digits}f} ({100.0 * math.expm1(logs[0] - theirs[0]):+.1f} ± "
            f"{100.0 * _interval(logs, theirs):.1f} %)"
        )

    kurtosis = [figures.kurtosis for figures in ours]
    theirs = None if other is None else [figures.kurtosis for figures in other]
    bounds = f"{kurtosis[0]:.2f} ± {_interval(kurtosis, theirs):.2f}"
    line = f"{ours[0].strongest_line_hz:.2f} / {ours[0].strongest_line_pct:.4f}"
    cells = [
        ratio("std_s", 1e6, 1),
        bounds,
        ratio("weighted_2sigma_pct", 1.0, 4),
        ratio("speed_noise_pct", 1.0, 4),
        line,
    ]
    return " | ".join(cells)


def _print_row(
    label: str, takes: MeasuredDelay, held_out: MeasuredDelay, expected: Sequence[DelayFigures], rest: str = "| |"
) -> None:
    row = compare_delays(takes, held_out, take_s=TAKE_S)
    print(
        f"| {label} | {row.log_spectral_distance_db:.2f} ± {1.96 * row.log_spectral_distance_sigma_db:.2f} "
        f"| {row.pooled_distance_db:.2f} | {_texts(_figures(takes), expected)} "
        f"| {row.delay_distance:.3f} / {row.speed_distance:.3f} / {row.second_difference_distance:.3f} "
        f"| {row.autocorrelation_distance:.3f} | {row.nearest_neighbour:.2f} / {rest} |",
        flush=True,
    )


def preset_hiss(seed: int) -> FloatArray:
    """Stereo hiss of the Akai preset, Gaussian."""
    noise = Noise(TapeProfile(kind="tape", preset="akai_4000d").settings, SAMPLE_RATE, 2, np.random.default_rng(seed))
    return np.asarray(noise.block(0, round(HISS_S * SAMPLE_RATE)), dtype=np.float64)


def rough_hiss(seed: int) -> FloatArray:
    """The same, whose level wanders by 3 dB rms at 3-25 Hz, each channel on its own."""
    generator = np.random.default_rng([seed, 9])
    sections = butter(1, (3.0, 25.0), "bandpass", fs=1000.0, output="sos")
    level = sosfilt(sections, generator.standard_normal((round(HISS_S * 1000.0) + 2, 2)), axis=0)
    time_ms = np.arange(round(HISS_S * SAMPLE_RATE)) * 1000.0 / SAMPLE_RATE
    level_db = 3.0 * np.stack([np.interp(time_ms, np.arange(len(row)), row / row.std()) for row in level.T], axis=1)
    return preset_hiss(seed) * 10.0 ** (level_db / 20.0)


def crackling_hiss(seed: int) -> FloatArray:
    """The same with 60 crackles a second in both channels, of 1.5-6 kHz, up to five times the hiss's rms."""
    generator, hiss = np.random.default_rng([seed, 7]), preset_hiss(seed)
    shape = (len(hiss), 1)
    strokes = (generator.random(shape) < 60.0 / SAMPLE_RATE) * generator.choice([-1.0, 1.0], shape)
    sections = butter(2, (1500.0, 6000.0), "bandpass", fs=SAMPLE_RATE, output="sos")
    crackle = sosfilt(sections, strokes * generator.uniform(0.4, 1.0, shape), axis=0)
    return hiss + crackle * (5.0 * hiss.std() / np.abs(crackle).max())


HISSES = {"preset": preset_hiss, "rough": rough_hiss, "crackling": crackling_hiss}


def hiss_table(*, picture: Path | None) -> None:
    """Print what a minute of generated hiss differs by from other hiss than it was learned from."""
    print(f"\nhiss, stereo: learned from {HISS_S:.0f} s, against other {HISS_S:.0f} s\n")
    print(HISS_HEAD + "\n" + "|---" * (HISS_HEAD.count("|") - 1) + "|", flush=True)
    for name, hiss in HISSES.items():
        learned, held_out = hiss(LEARNED_SEED), hiss(HELD_OUT_SEED)
        _print_hiss(f"| {name} | real (the floor)", hiss(OTHER_SEED), held_out, "| |")
        bands = [_third_octaves("the machine", held_out)]
        for label, fit in (("noise", _noise), ("diffusion", _hiss_diffusion)):
            started = time.process_time()
            model = fit(learned)
            learning_s = time.process_time() - started
            stream, started = model.stream(np.random.default_rng(PLAY_SEED)), time.process_time()
            made = stream.read(60 * SAMPLE_RATE) + stream.read_hum(60 * SAMPLE_RATE)
            speed = 60.0 / (time.process_time() - started)
            bands.append(_third_octaves(label, made))
            _print_hiss(f"| {name} | {label}", made, held_out, f"| {learning_s:.0f} | {speed:.1f}")
        if picture is not None and name == "preset":
            plot_third_octaves(bands, picture, title="Hiss of the Akai preset and of its generators", force=True)


def _noise(learned: FloatArray) -> HissGenerator:
    return fit_hiss([learned], sample_rate=SAMPLE_RATE)


def _hiss_diffusion(learned: FloatArray) -> HissGenerator:
    return learn_hiss([learned], sample_rate=SAMPLE_RATE, settings=hiss_settings(2, n_updates=HISS_UPDATES))[0]


def _third_octaves(label: str, hiss: FloatArray) -> Curve:
    columns = [hiss[:, channel] for channel in range(hiss.shape[1])]
    spectrum = power_spectrum(columns, sample_rate=SAMPLE_RATE, window_samples=round(0.4 * SAMPLE_RATE))
    centre_hz, powers = third_octave_powers(spectrum)
    return Curve(label, centre_hz, 10.0 * np.log10(powers))


def _print_hiss(head: str, hiss: FloatArray, held_out: FloatArray, rest: str) -> None:
    row = compare_hiss([hiss], [held_out], sample_rate=SAMPLE_RATE)
    kurtosis = " / ".join(f"{value:+.2f}" for value in row.kurtosis_difference)
    coherence = " / ".join(f"{value:+.3f}" for value in row.coherence_difference)
    print(
        f"{head} | {row.worst_band_db:.2f} | {row.a_level_db:+.2f} | {row.itu468_level_db:+.2f} | {kurtosis} "
        f"| {coherence} {rest} |",
        flush=True,
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", default=["akai", "toy", "real", "hiss"], help="akai, toy, real, hiss")
    parser.add_argument("--minutes", type=float, default=8.0 / 3.0, help="length of a take")
    parser.add_argument("--takes", type=int, default=6, help="held-out takes")
    parser.add_argument("--rows", nargs="*", default=list(FITS), choices=list(FITS), help="generators of delay")
    parser.add_argument("--pictures", type=Path, help="folder for the pictures")
    arguments = parser.parse_args()
    machines = {
        "akai": ("akai_4000d", TapeProfile(kind="tape", preset="akai_4000d").settings),
        "toy": ("chowtape_wowflutter", _toy()),
    }
    for table in arguments.tables:
        picture = arguments.pictures and arguments.pictures / f"generators_{table}.png"
        if table == "real":
            real_table(arguments.rows)
            continue
        if table == "hiss":
            hiss_table(picture=picture)
            continue
        name, settings = machines[table]
        delay_table(
            name,
            settings,
            duration_s=60.0 * arguments.minutes,
            n_takes=arguments.takes,
            rows=arguments.rows,
            picture=picture,
        )


def _toy() -> TapeSettings:
    profile = load_params().devices["chowtape_wowflutter"]
    if not isinstance(profile, TapeProfile):
        raise SystemExit("params.yaml: chowtape_wowflutter is no computed machine")
    return profile.settings


if __name__ == "__main__":
    main()
