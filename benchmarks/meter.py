"""The live meter against the off-line measures of the same take, and what it costs: `python -m benchmarks.meter`.

A tone of 3150 Hz goes through the built-in machine with several presets and seeds; the meter hears the output in blocks
of 1024 samples. CPU time is that of the process, without loading and compiling.
"""

import argparse
import time

import numpy as np

from tapemeasure.analysis.azimuth import measure_azimuth
from tapemeasure.analysis.demodulation import tone_trajectory
from tapemeasure.analysis.wow_flutter import measure_wow_flutter
from tapemeasure.arrays import FloatArray
from tapemeasure.devices.create import create_device
from tapemeasure.live.meter import LiveMeter, warm_up
from tapemeasure.live.readings import Summary
from tapemeasure.params import TapeProfile, preset_settings
from tapemeasure.signals.meter_tones import meter_signal

SAMPLE_RATE = 44100
BLOCK_SAMPLES = 1024
PRESETS = ("akai_4000d", "cassette_1p875ips", "reel_7p5ips_iec")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    warm_up(sample_rate=SAMPLE_RATE, n_channels=2)
    heads = ("machine", "seed", "two-sigma", "quasi-peak", "rms", "speed error", "azimuth", "cpu")
    print("".join(f"{head:>19}" for head in heads))
    for preset in PRESETS:
        for seed in range(1, arguments.seeds + 1):
            output = _played(preset, seed=seed, length_s=arguments.seconds)
            summary, cpu_pct = _metered(output)
            print(
                "".join(f"{text:>19}" for text in (preset, str(seed), *_compared(output, summary), f"{cpu_pct:.1f} %"))
            )


def _played(preset: str, *, seed: int, length_s: int) -> FloatArray:
    profile = TapeProfile.model_validate({"kind": "tape", "seed": seed, "settings": dict(preset_settings(preset))})
    tone = np.tile(meter_signal("flutter", sample_rate=SAMPLE_RATE, level_dbfs=-12.0).samples, length_s + 2)
    captured = create_device(profile).run(np.column_stack([tone, tone]), sample_rate=SAMPLE_RATE)
    # without the time that the tape takes from head to head
    return captured.samples[SAMPLE_RATE : (length_s + 1) * SAMPLE_RATE]


def _metered(output: FloatArray) -> tuple[Summary, float]:
    meter = LiveMeter(sample_rate=SAMPLE_RATE, n_channels=output.shape[1])
    begin_s = time.process_time()
    for first in range(0, len(output), BLOCK_SAMPLES):
        meter.process(output[first : first + BLOCK_SAMPLES])
    spent_s = time.process_time() - begin_s
    return meter.finish(), 100.0 * spent_s / (len(output) / SAMPLE_RATE)


def _compared(output: FloatArray, summary: Summary) -> list[str]:
    # the meter listens for a second before it follows the tone
    take = measure_wow_flutter(tone_trajectory(output[SAMPLE_RATE:, 0], sample_rate=SAMPLE_RATE))
    azimuth = measure_azimuth(output[:, 0], output[:, 1], sample_rate=SAMPLE_RATE)
    if summary.flutter is None or summary.speed is None or summary.azimuth is None:
        return ["not read"] * 5
    names = ("weighted_2sigma_pct", "quasi_peak_pct", "weighted_rms_pct")
    read = [f"{getattr(summary.flutter, name):.4f} %, {_off(summary.flutter, take, name):+.2f} %" for name in names]
    speed = f"{summary.speed.speed_error_pct - take.speed_error_pct:+.5f} %"
    return [*read, speed, f"{summary.azimuth.static_us - azimuth.static_us:+.4f} us"]


def _off(read: object, take: object, name: str) -> float:
    return 100.0 * (float(getattr(read, name)) / float(getattr(take, name)) - 1.0)


if __name__ == "__main__":
    main()
