"""Generators of delay and hiss against held-out takes: `python -m benchmarks.generators [--minutes 2.7]`."""

import argparse
import time
from collections.abc import Callable, Sequence

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.devices.tape.noise import Noise
from tapemeasure.devices.tape.wobble import transport_truth
from tapemeasure.generators.base import DelayGenerator, MeasuredDelay, measured_delay
from tapemeasure.generators.bootstrap import fit_bootstrap
from tapemeasure.generators.compare import DelayComparison, compare_delays
from tapemeasure.generators.compare_hiss import compare_hiss
from tapemeasure.generators.hiss import fit_hiss
from tapemeasure.generators.sinusoids import fit_random_phase, fit_sinusoids
from tapemeasure.params import TapeProfile, TapeSettings, load_params
from tapemeasure.trajectory import DelayTrajectory

TAKE_S = 20.0
HELD_OUT_SEED, OTHER_SEED, PLAY_SEED = 100, 200, 1000

FITS: dict[str, Callable[[MeasuredDelay], DelayGenerator]] = {
    "lines + noise": fit_sinusoids,
    "random phase": fit_random_phase,
    "block bootstrap": fit_bootstrap,
    "takes replayed": lambda measured: fit_bootstrap(measured, block_s=np.inf),
}


def machine_takes(settings: TapeSettings, seeds: Sequence[int], *, duration_s: float) -> MeasuredDelay:
    """Exact delay of takes of the built-in machine."""
    return measured_delay([
        transport_truth(
            settings,
            duration_s=duration_s,
            sample_rate=44100,
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
    return measured_delay([_exact(take, generator.rate_hz) for take in takes]), speed


def _exact(delay_s: FloatArray, rate_hz: float) -> DelayTrajectory:
    return DelayTrajectory(0.0, rate_hz, delay_s, np.zeros(len(delay_s)), np.ones(len(delay_s), dtype=np.bool_))


def delay_table(name: str, settings: TapeSettings, *, duration_s: float, n_takes: int) -> None:
    """Print all generators of one machine's delay, learned from one take, against takes of other seeds."""
    held_out = machine_takes(settings, range(HELD_OUT_SEED, HELD_OUT_SEED + n_takes), duration_s=duration_s)
    others = machine_takes(settings, range(OTHER_SEED, OTHER_SEED + n_takes), duration_s=duration_s)
    learned = machine_takes(settings, [1], duration_s=duration_s)
    print(f"\n{name}: learned from {duration_s:.0f} s, against {n_takes} held-out takes of {duration_s:.0f} s")
    print("generator        LSD dB        mean-spectrum  std us (held out)     kurtosis       weighted W&F %   "
          "W1 delay speed 2nd-diff  acf    nearest  to learned  x real time")  # fmt: skip
    _print_row("real (the floor)", compare_delays(others, held_out, take_s=TAKE_S))
    for label, fit in FITS.items():
        takes, speed = played(fit(learned), n_takes=n_takes, duration_s=duration_s)
        copied = compare_delays(takes, learned, take_s=TAKE_S).nearest_neighbour
        _print_row(label, compare_delays(takes, held_out, take_s=TAKE_S), f"{copied:8.2f} {speed:12.0f}")


def _print_row(label: str, row: DelayComparison, rest: str = "") -> None:
    ours, other = row.figures, row.other_figures
    print(
        f"{label:16s} {row.log_spectral_distance_db:5.2f} +- {row.log_spectral_distance_sigma_db:4.2f} "
        f"{row.pooled_distance_db:10.2f}   {1e6 * ours.std_s:9.1f} ({1e6 * other.std_s:7.1f}) "
        f"{ours.kurtosis:7.2f} ({other.kurtosis:5.2f}) "
        f"{ours.weighted_2sigma_pct:9.4f} ({other.weighted_2sigma_pct:6.4f}) "
        f"{row.delay_distance:6.3f} {row.speed_distance:6.3f} {row.second_difference_distance:6.3f} "
        f"{row.autocorrelation_distance:8.3f} {row.nearest_neighbour:7.2f}  {rest}"
    )


def hiss_table(*, duration_s: float) -> None:
    """Print what a minute of generated hiss differs by from other hiss of the machine than it was learned from."""
    settings = TapeProfile(kind="tape", preset="akai_4000d").settings
    takes = []
    for seed in (1, 2):
        noise = Noise(settings, 44100, 2, np.random.default_rng(seed))
        takes.append(noise.block(0, round(duration_s * 44100)))
    model = fit_hiss([takes[0]], sample_rate=44100)
    stream = model.stream(np.random.default_rng(PLAY_SEED))
    started = time.process_time()
    hiss = stream.read(60 * 44100) + stream.read_hum(60 * 44100)
    speed = 60.0 / (time.process_time() - started)
    print(f"\nhiss of akai_4000d, stereo: learned from {duration_s:.0f} s, against other {duration_s:.0f} s")
    for label, stretches in (("real (the floor)", [takes[0]]), ("shaped noise", [hiss])):
        row = compare_hiss(stretches, [takes[1]], sample_rate=44100)
        print(
            f"{label:16s} worst third octave {row.worst_band_db:.2f} dB, level {row.level_db:+.2f}, "
            f"A {row.a_level_db:+.2f}, 468 {row.itu468_level_db:+.2f} dB, "
            f"kurtosis {max(map(abs, row.kurtosis_difference)):.3f}, "
            f"coherence {max(map(abs, row.coherence_difference)):.3f}"
        )
    print(f"{speed:.0f} x real time")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=8.0 / 3.0, help="length of a take")
    parser.add_argument("--takes", type=int, default=4, help="held-out takes")
    arguments = parser.parse_args()
    duration_s = 60.0 * arguments.minutes
    toy = load_params().devices["chowtape_wowflutter"]
    delay_table(
        "akai_4000d",
        TapeProfile(kind="tape", preset="akai_4000d").settings,
        duration_s=duration_s,
        n_takes=arguments.takes,
    )
    if isinstance(toy, TapeProfile):
        delay_table("chowtape_wowflutter", toy.settings, duration_s=duration_s, n_takes=arguments.takes)
    hiss_table(duration_s=20.0)


if __name__ == "__main__":
    main()
