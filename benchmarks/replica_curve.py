"""How the error of a replica falls with the CPU time of its training: a table, and a picture of one or more runs.

``python -m benchmarks.replica_quality chowtape_toy --seeds 1 --no-rivals --set max_epochs=300 --set
patience_epochs=300 --curve toy.csv`` writes such a run; ``python -m benchmarks.replica_curve toy.csv -o toy.png
--target 0.0033`` draws it.
"""

import argparse
from pathlib import Path

import numpy as np

from tapemeasure.plotting.canvas import legend, line_style, picture

MINUTES = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="CSV of --curve")
    parser.add_argument("-o", "--output", type=Path, help="picture: .png, .svg or .pdf")
    parser.add_argument("--target", type=float, help="an ESR to draw beside it")
    arguments = parser.parse_args()
    runs = {file.stem: np.loadtxt(file, delimiter=",", skiprows=1, ndmin=2) for file in arguments.files}
    for name, run in runs.items():
        print(f"{name}: best validation ESR so far\n{'CPU min':>8} {'ESR':>9}")
        for minutes in (limit for limit in MINUTES if run[0, 0] <= limit <= run[-1, 0]):
            print(f"{minutes:>8g} {run[run[:, 0] <= minutes, 1].min():>9.5f}")
        print(f"{run[-1, 0]:>8.1f} {run[:, 1].min():>9.5f}")
    if arguments.output is None:
        return
    with picture(arguments.output, title="Error of the replica against training time", force=True, width_in=7.0) as (
        axes,
    ):
        for index, (name, run) in enumerate(runs.items()):
            axes.loglog(run[:, 0], run[:, 1], label="every epoch", alpha=0.5, **line_style(index))
            best = np.minimum.accumulate(run[:, 1])
            axes.loglog(run[:, 0], best, label=f"{name}, best so far", **line_style(index + len(runs), 0))
        if arguments.target is not None:
            axes.axhline(arguments.target, color="0.3", linestyle=":", label=f"published, {arguments.target:g}")
        axes.set_xlabel("CPU time of the training / min")
        axes.set_ylabel("ESR, validation")
        legend(axes)


if __name__ == "__main__":
    main()
