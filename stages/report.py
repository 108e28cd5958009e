"""Stage report: one page, its pictures, and metrics.json."""

from pathlib import Path

from stages.common import DATA, run_stage
from tapemeasure.params import load_params
from tapemeasure.report.write import write_report


def main() -> None:
    """Gather all results."""
    write_report(DATA, Path("report"), metrics_file=Path("metrics.json"), title=load_params().report.title)


if __name__ == "__main__":
    run_stage("report", main)
