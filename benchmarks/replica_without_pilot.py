"""What a replica loses where the machine has no track for a pilot: the same take tracked with and without it.

Run ``python -m benchmarks.replica_without_pilot akai_model`` for a device whose takes are captured under ``data/``.
Both trajectories undo the delay of the same 60 s of programme; two networks learn with the same settings, and both
are scored on the last part, aligned by the pilot. Without a pilot nothing tells which constant delay is the machine's
own and which belongs to its response: the tracker takes the one behind which the response has no delay left, and a
network learns the difference along. So the error as it is (`ESR`) holds that lag, and the error at the best constant
lag, the lag itself and the lag that moves stand beside it.
"""

import argparse
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from stages.common import Take, takes_of
from tapemeasure.analysis.constant_lag import lag_errors
from tapemeasure.analysis.signal_errors import esr
from tapemeasure.arrays import BoolArray, FloatArray
from tapemeasure.delay.apply import undo_delay
from tapemeasure.delay.track import track_delay
from tapemeasure.errors import TapeMeasureError
from tapemeasure.models.render import render
from tapemeasure.params import load_params
from tapemeasure.params.stages import TrainNonlinearityParams
from tapemeasure.training.datasets import AlignedPair
from tapemeasure.training.loop import train_recording_path
from tapemeasure.training.splits import Range, followed_ranges, followed_samples, programme_ranges

HEARD_S, LATER_S = 60.0, 2.0
EDGES_S = (0.5, 40.0, 48.0, 59.5)
"""Where training, validation and test begin and end."""


def stretch(take: Take) -> tuple[FloatArray, FloatArray, int]:
    """The first minute of the training programme, and the output while it came out."""
    stimulus, output, sample_rate = take.read()
    first = programme_ranges(len(stimulus), timeline=take.timeline, split=take.split)["train"][0].start_samples
    heard, later = round(HEARD_S * sample_rate), round(LATER_S * sample_rate)
    return stimulus[first : first + heard], output[first : first + heard + later], sample_rate


def aligned(
    stimulus: FloatArray, output: FloatArray, sample_rate: int, *, with_pilot: bool
) -> tuple[FloatArray, BoolArray]:
    """Programme channel of the output on the input's time axis, and where its delay was followed."""
    heard = (stimulus, output) if with_pilot else (stimulus[:, :1], output[:, :1])
    found = track_delay(*heard, sample_rate=sample_rate, pilot="auto" if with_pilot else "none")
    print(f"tracked by {found.method}; {' '.join(found.warnings)}", flush=True)
    whole = undo_delay(output, found.trajectory, sample_rate=sample_rate, length_samples=len(stimulus), half_taps=32)
    return whole[:, 0], followed_samples(found.trajectory, len(stimulus), sample_rate=sample_rate)


def parts(
    source: FloatArray, target: FloatArray, followed: BoolArray, sample_rate: int
) -> tuple[list[AlignedPair], list[AlignedPair], AlignedPair]:
    """Training and validation, where the delay was followed, as the pipeline does it, and the whole test part."""
    ranges = [Range(round(a * sample_rate), round(b * sample_rate)) for a, b in pairwise(EDGES_S)]

    def pairs(chosen: Sequence[Range]) -> list[AlignedPair]:
        return [AlignedPair(str(r), source[r.as_slice()], target[r.as_slice()], sample_rate) for r in chosen]

    train, validation = (pairs(followed_ranges([part], followed, sample_rate=sample_rate)) for part in ranges[:2])
    return train, validation, pairs(ranges[2:])[0]


def trained_output(
    train: Sequence[AlignedPair], validation: Sequence[AlignedPair], test: AlignedPair, params: TrainNonlinearityParams
) -> FloatArray:
    with tempfile.TemporaryDirectory() as folder:
        result = train_recording_path(train, validation, params, checkpoint=Path(folder) / "c.pt")
    return render(result.model, test.input, run_in_samples=test.sample_rate // 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("device", help="a device whose takes are captured under data/")
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    params = load_params().training_of(arguments.device)
    stimulus, output, sample_rate = stretch(takes_of(arguments.device)[0])
    try:
        targets = [aligned(stimulus, output, sample_rate, with_pilot=with_pilot) for with_pilot in (True, False)]
    except TapeMeasureError as error:
        print(f"{arguments.device}: {error}")
        return
    sets = [parts(stimulus[:, 0], target, followed, sample_rate) for target, followed in targets]
    test = sets[0][2]
    print(f"{'seed':<6} {'trained with':<14} {'ESR':>9} {'at lag':>9} {'lag us':>8} {'left us':>8}")
    for seed in range(1, arguments.seeds + 1):
        found = []
        for name, own in zip(("pilot", "no pilot"), sets, strict=True):
            played = trained_output(*own[:2], test, params.model_copy(update={"seed": seed}))
            timing = lag_errors([played], [test.target], sample_rate=sample_rate)
            found.append(np.array([esr(played, test.target), timing.best_lag_esr]))
            errors = f"{found[-1][0]:>9.5f} {timing.best_lag_esr:>9.5f}"
            print(f"{seed:<6} {name:<14} {errors} {timing.lag_us:>8.2f} {timing.residual_lag_rms_us:>8.2f}", flush=True)
        more = 100.0 * (found[1] / found[0] - 1.0)
        print(f"{seed:<6} {'more, %':<14} {more[0]:>9.2f} {more[1]:>9.2f}", flush=True)


if __name__ == "__main__":
    main()
