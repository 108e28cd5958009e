"""Accuracy of response and distortion through wow and flutter, on machines that are known exactly.

Run ``python -m benchmarks.response [--seeds 1 2 3] [--machines 40]``. The machine is ``y(t) = EQ{ f(x)(t - d(t)) } +
hiss`` with a band-limited f(x) = (tanh(g x + b) - tanh b) / g, a second channel with a pilot of its own, and d by
formula; its delay is tracked from the pilot and undone. The second table asks of how many random machines each figure
lies within two of its own standard uncertainties.
"""

import argparse
import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import signal

from benchmarks import truth
from tapemeasure.analysis.compression import compression_curve
from tapemeasure.analysis.distortion import DistortionVsLevel, distortion_vs_level, tone_distortion
from tapemeasure.analysis.harmonics import HarmonicResponse, harmonic_responses
from tapemeasure.analysis.intermodulation import intermodulation
from tapemeasure.analysis.maximum_output import maximum_output_level
from tapemeasure.analysis.passband import head_bump, passband
from tapemeasure.analysis.response import Response, sweep_response
from tapemeasure.analysis.sweep import deconvolve_sweep
from tapemeasure.analysis.sweep_timing import steadied_sweep
from tapemeasure.arrays import ComplexArray, FloatArray
from tapemeasure.delay.apply import undo_delay
from tapemeasure.delay.track import track_delay
from tapemeasure.dsp.fractional import read_at
from tapemeasure.signals.sweeps import SynchronisedSweep, sweep_samples, synchronised_sweep
from tapemeasure.signals.tones import tone_samples, two_tone_samples
from tapemeasure.trajectory import DelayTrajectory

RATE = truth.SAMPLE_RATE
OVERSAMPLING = 4
LEAD = RATE // 2
MARGIN = RATE // 20
LEVELS_DBFS = (-42.0, -36.0, -30.0, -24.0, -18.0, -12.0, -6.0, 0.0)
PAIR_HZ = (250.0, 8000.0)
BAND_HZ, THIRD_BAND_HZ = (100.0, 10000.0), (100.0, 5000.0)


@dataclass(frozen=True)
class Machine:
    """A machine by formula: nonlinearity (gain g, bias b), biquads, delay, hiss."""

    gain: float
    bias: float
    sections: FloatArray
    delay: truth.Wander
    hiss_dbfs: float = truth.HISS_DBFS

    def bend(self, samples: FloatArray) -> FloatArray:
        """The nonlinearity, sample by sample."""
        return np.asarray((np.tanh(self.gain * samples + self.bias) - np.tanh(self.bias)) / self.gain)

    def play(self, samples: FloatArray, *, seed: int, bent: bool = True) -> FloatArray:
        """Output of the machine; the pilot's channel is not bent."""
        n = len(samples)
        if bent:
            # band-limited, as a tape is: without it the harmonics would fold back into the sweep
            samples = signal.resample(self.bend(signal.resample(samples, OVERSAMPLING * n)), n)
        moments = np.arange(n)
        out = read_at(samples, moments - self.delay(moments / RATE) * RATE, half_taps=64)
        noise = 10.0 ** (self.hiss_dbfs / 20.0) * np.random.default_rng(seed).standard_normal(n)
        return np.asarray(signal.sosfilt(self.sections, out) + noise, dtype=np.float64)

    def linear(self, frequency_hz: FloatArray) -> ComplexArray:
        """Response of the equaliser."""
        return np.asarray(signal.sosfreqz(self.sections, frequency_hz, fs=RATE)[1], dtype=np.complex128)

    def harmonics(self, amplitude: float) -> FloatArray:
        """Amplitudes of orders 0..9 that the nonlinearity makes of a sine."""
        phase = 2.0 * np.pi * np.arange(4096) / 4096
        return np.asarray(np.abs(np.fft.rfft(self.bend(amplitude * np.cos(phase)))[:10]) / 2048.0)

    def products(self, lower: float, upper: float) -> FloatArray:
        """Amplitudes of two tones' products, by multiples of (lower, upper)."""
        phase = 2.0 * np.pi * np.arange(256) / 256
        grid = self.bend(lower * np.cos(phase)[:, np.newaxis] + upper * np.cos(phase))
        return np.asarray(np.abs(np.fft.fft2(grid)) * 2.0 / 256**2)


def equaliser(*, high_pass_hz: float, bump_db: float, low_pass_hz: float) -> FloatArray:
    """Second-order sections: a high-pass, a head bump at 70 Hz, a low-pass."""
    turn, gain = 2.0 * np.pi * 70.0 / RATE, 10.0 ** (bump_db / 40.0)
    side = np.sin(turn) / 1.6
    rows = [1 + side * gain, -2 * np.cos(turn), 1 - side * gain, 1 + side / gain, -2 * np.cos(turn), 1 - side / gain]
    high = signal.butter(1, high_pass_hz, "highpass", fs=RATE, output="sos")
    low = signal.butter(2, low_pass_hz, fs=RATE, output="sos")
    return np.vstack([high, np.array(rows) / rows[3], low])


def aligned(machine: Machine, programme: FloatArray, *, pilot: str, rate_hz: float, seed: int) -> FloatArray:
    """Output of the machine, its delay tracked from the pilot beside it and undone."""
    seconds = len(programme) / RATE
    reference = (truth.tone(3150.0, 0.25, seconds) if pilot == "tone" else truth.pulses(seconds))[: len(programme)]
    output = np.stack(
        [machine.play(programme, seed=seed), machine.play(reference, seed=seed + 1000, bent=False)], axis=1
    )
    stimulus = np.stack([programme, reference], axis=1)
    path: DelayTrajectory = track_delay(stimulus, output, sample_rate=RATE, pilot=pilot, rate_hz=rate_hz).trajectory
    return undo_delay(output[:, 0], path, sample_rate=RATE, length_samples=len(programme))


def measured(
    played: FloatArray, heard: FloatArray, sweep: SynchronisedSweep, *, octaves: float, speed_pct: float
) -> tuple[Response, HarmonicResponse]:
    """Response and third harmonic of a sweep that begins with the signal."""
    steadied = steadied_sweep(heard, sample_rate=RATE, sweep=sweep)
    impulses = deconvolve_sweep(played, steadied.output, sample_rate=RATE, sweep=sweep)
    response = sweep_response(impulses, smoothing_octaves=octaves, speed_deviation_pct=speed_pct)
    orders = harmonic_responses(impulses, harmonics=3, smoothing_octaves=octaves, name="sweep", level_dbfs=0.0)
    return response, orders[1]


def speed_pct(delay: truth.Wander) -> float:
    """Rms speed deviation, per cent."""
    return 100.0 * float(np.sqrt(sum((2.0 * np.pi * f * a) ** 2 / 2.0 for f, a, _ in delay.sines)))


def errors_db(machine: Machine, amplitude: float, response: Response, third: HarmonicResponse) -> list[FloatArray]:
    """Errors within the bands that the targets name: response, third harmonic."""
    made = machine.harmonics(amplitude)
    f, g = response.frequency_hz, third.frequency_hz
    of_response = response.magnitude_db - 20.0 * np.log10(np.abs(machine.linear(f)) * made[1] / amplitude)
    ratio = np.abs(machine.linear(3.0 * g) / machine.linear(g)) * made[3] / made[1]
    of_third = third.magnitude_db - 20.0 * np.log10(ratio)
    bands = ((f, of_response, BAND_HZ), (g, of_third, THIRD_BAND_HZ))
    return [error[(hz >= low) & (hz <= high)] for hz, error, (low, high) in bands]


def print_accuracy(seeds: list[int]) -> None:
    sweep = synchronised_sweep(start_hz=20.0, stop_hz=20000.0, duration_s=10.0)
    level_dbfs = -6.0
    programme = np.r_[np.zeros(LEAD), sweep_samples(sweep, sample_rate=RATE, level_dbfs=level_dbfs), np.zeros(RATE)]
    cut = slice(LEAD, LEAD + round(sweep.duration_s * RATE) + RATE // 2)
    head = f"{'10 s sweep, -6 dBFS, hiss -60 dBFS':<36} {'octaves':>7} {'seed':>4}"
    print(f"{head} {'rms dB':>7} {'target':>6} {'max dB':>7} {'target':>6} {'H3 rms':>7} {'target':>6} {'CPU s':>6}")
    for name, delay in (("plain wow and flutter", truth.PLAIN), ("hard wow and flutter", truth.HARD)):
        machine = Machine(1.0, 0.0, truth.tape_equaliser(), delay)
        for pilot, rate_hz in (("pulses", 100.0), ("tone", 100.0), ("tone", 400.0)):
            for seed in seeds:
                heard = aligned(machine, programme, pilot=pilot, rate_hz=rate_hz, seed=seed)[cut]
                for octaves in (0.0, 1.0 / 12.0):
                    begin = time.process_time()
                    response, third = measured(
                        programme[cut], heard, sweep, octaves=octaves, speed_pct=speed_pct(delay)
                    )
                    cpu_s = time.process_time() - begin
                    first, harmonic = errors_db(machine, 10.0 ** (level_dbfs / 20.0), response, third)
                    row = f"{name}, {pilot} {rate_hz:g}/s"
                    print(
                        f"{row:<36} {octaves:>7.3f} {seed:>4} {np.sqrt(np.mean(first**2)):>7.4f} {0.03:>6.2f} "
                        f"{np.max(np.abs(first)):>7.4f} {0.1:>6.1f} {np.sqrt(np.mean(harmonic**2)):>7.3f} {0.1:>6.1f} "
                        f"{cpu_s:>6.2f}",
                        flush=True,
                    )


def random_machine(seed: int) -> Machine:
    rng = np.random.default_rng(seed)
    sines = tuple(
        (float(rng.uniform(low, high)), float(rng.uniform(0.2, 1.0) * peak_s), float(rng.uniform(0.0, 6.28)))
        for low, high, peak_s in ((0.4, 0.8, 1e-3), (2.0, 4.0, 0.1e-3), (7.0, 10.0, 0.05e-3), (20.0, 90.0, 2e-6))
    )
    sections = equaliser(
        high_pass_hz=rng.uniform(15.0, 40.0), bump_db=rng.uniform(1.0, 3.0), low_pass_hz=rng.uniform(11000.0, 16000.0)
    )
    delay = truth.Wander(float(rng.uniform(0.02, 0.05)), float(rng.uniform(-50.0, 50.0)), sines)
    return Machine(rng.uniform(0.7, 1.2), rng.uniform(0.05, 0.2), sections, delay, rng.uniform(-66.0, -54.0))


def figures(machine: Machine, *, seed: int) -> dict[str, tuple[float, float, float]]:
    """Measured value, its standard uncertainty and the truth, of every figure of a random machine."""
    sweep = synchronised_sweep(start_hz=20.0, stop_hz=20000.0, duration_s=4.0)
    parts = [np.zeros(LEAD), sweep_samples(sweep, sample_rate=RATE, level_dbfs=-12.0), np.zeros(RATE // 2)]
    tones = [
        tone_samples(frequency_hz=1000.0, duration_s=0.5, sample_rate=RATE, level_dbfs=level) for level in LEVELS_DBFS
    ]
    pair = two_tone_samples(frequencies_hz=PAIR_HZ, duration_s=1.1, sample_rate=RATE, level_dbfs=-6.0)
    edges = np.cumsum([0, *(len(part) for part in [*parts, *tones, pair])])
    played = np.concatenate([*parts, *tones, pair, np.zeros(RATE // 2)])
    heard = aligned(machine, played, pilot="tone", rate_hz=200.0, seed=seed)

    def steady(index: int) -> slice:
        return slice(edges[index] + MARGIN, edges[index + 1] - MARGIN)

    cut = slice(edges[1], edges[3])
    response, _ = measured(played[cut], heard[cut], sweep, octaves=1.0 / 12.0, speed_pct=speed_pct(machine.delay))
    steps = [
        tone_distortion(played[steady(3 + k)], heard[steady(3 + k)], sample_rate=RATE, frequency_hz=1000.0, harmonics=5)
        for k in range(len(tones))
    ]
    products = intermodulation(
        played[steady(3 + len(tones))], heard[steady(3 + len(tones))], sample_rate=RATE, frequencies_hz=PAIR_HZ
    )
    return {
        **of_response(machine, response),
        **of_levels(machine, distortion_vs_level(steps)),
        "second order, 250 + 8000 Hz": (
            products.second_order_pct or np.nan, products.second_sigma_pct, true_second_order(machine)
        ),
    }  # fmt: skip


def of_response(machine: Machine, response: Response) -> dict[str, tuple[float, float, float]]:
    amplitude = 10.0 ** (-12.0 / 20.0)
    shape = 20.0 * np.log10(machine.harmonics(amplitude)[1] / amplitude)

    def level(hz: float) -> float:
        return float(20.0 * np.log10(np.abs(machine.linear(np.array([hz])))[0]) + shape)

    found = {}
    for hz in (100.0, 1000.0, 5000.0, 10000.0):
        value, sigma = (
            float(np.interp(np.log(hz), np.log(response.frequency_hz), values))
            for values in (response.magnitude_db, response.sigma_db)
        )
        found[f"response at {hz:g} Hz, dB"] = (value, sigma, level(hz))
    fine_hz = np.asarray(np.geomspace(25.0, 20000.0, 20000), dtype=np.float64)
    curve = 20.0 * np.log10(np.abs(machine.linear(fine_hz)))
    high_hz = fine_hz[(fine_hz > 1000.0) & (curve <= np.interp(1000.0, fine_hz, curve) - 3.0)][0]
    band = passband(response)
    found["upper -3 dB, Hz"] = (band.high_hz or np.nan, band.high_sigma_hz or np.nan, float(high_hz))
    bump = head_bump(response)
    flat = (fine_hz >= 315.0) & (fine_hz <= 1000.0)
    height = float(curve[fine_hz < 250.0].max() - np.median(curve[flat]))
    found["head bump, dB"] = (np.nan, np.nan, height) if bump is None else (bump.height_db, bump.sigma_db, height)
    return found


def of_levels(machine: Machine, curve: DistortionVsLevel) -> dict[str, tuple[float, float, float]]:
    ratio = np.abs(machine.linear(1000.0 * np.arange(1, 10)))
    made = np.array([machine.harmonics(10.0 ** (level / 20.0)) for level in LEVELS_DBFS])
    heard = made[:, 1:] * ratio
    thd_pct = 100.0 * np.sqrt(np.sum(heard[:, 1:5] ** 2, axis=1)) / heard[:, 0]
    at = LEVELS_DBFS.index(-12.0)
    fine_db = np.linspace(-20.0, 0.0, 400)
    fine = np.array([machine.harmonics(10.0 ** (level / 20.0))[1:] * ratio for level in fine_db])
    index = int(np.argmax(fine[:, 2] / fine[:, 0] >= 0.03))
    gain_db = 20.0 * np.log10(made[:, 1]) - np.array(LEVELS_DBFS)
    found = {
        "THD at -12 dBFS, %": (curve.thd_pct[at], curve.thd_sigma_pct[at], thd_pct[at]),
        "third harmonic at -12 dBFS, dB": (
            curve.harmonics_db[at, 1], curve.harmonics_sigma_db[at, 1], 20.0 * np.log10(heard[at, 2] / heard[at, 0])
        ),
        "compression at 0 dBFS, dB": (
            compression_curve(curve).compression_db[-1], compression_curve(curve).sigma_db[-1], gain_db[0] - gain_db[-1]
        ),
    }  # fmt: skip
    if index:
        mol = maximum_output_level(curve)
        found["MOL3 at 1 kHz, dBFS"] = (mol.output_dbfs, mol.sigma_db, float(20.0 * np.log10(fine[index, 0])))
    return found


def true_second_order(machine: Machine) -> float:
    amplitude = 10.0 ** (-6.0 / 20.0)
    table = machine.products(0.8 * amplitude, 0.2 * amplitude)
    sides = np.abs(machine.linear(np.array([PAIR_HZ[1] - PAIR_HZ[0], PAIR_HZ[1] + PAIR_HZ[0], PAIR_HZ[1]])))
    return float(100.0 * table[1, 1] * (sides[0] + sides[1]) / (table[0, 1] * sides[2]))


def print_coverage(machines: int, first_seed: int) -> None:
    found: dict[str, list[tuple[float, float, float]]] = {}
    for seed in range(first_seed, first_seed + machines):
        for name, triple in figures(random_machine(seed), seed=seed).items():
            found.setdefault(name, []).append(triple)
    print(
        f"\n{f'{machines} random machines':<34} {'within 2 sigma':>14} {'rms error':>10} {'rms sigma':>10} {'told':>6}"
    )
    rms: Callable[[FloatArray], float] = lambda values: float(np.sqrt(np.nanmean(np.square(values))))  # noqa: E731
    for name, triples in found.items():
        value, sigma, true = np.array(triples, dtype=np.float64).T
        told = np.isfinite(value)
        within = np.mean(np.abs(value - true)[told] <= 2.0 * sigma[told])
        print(f"{name:<34} {100 * within:>12.0f} % {rms(value - true):>10.4f} {rms(sigma):>10.4f} {told.mean():>6.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=inspect.cleandoc(__doc__ or ""))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="seeds of the hiss")
    parser.add_argument("--machines", type=int, default=40, help="random machines of the second table (0: none)")
    options = parser.parse_args()
    print_accuracy(options.seeds)
    if options.machines:
        print_coverage(options.machines, first_seed=1)


if __name__ == "__main__":
    main()
