"""Write the report: pictures, the page, and metrics.json."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tapemeasure.arrays import Progress, no_progress
from tapemeasure.io import provenance, refuse_overwrite, write_json, write_text
from tapemeasure.report.gather import gather_all
from tapemeasure.report.machines import compare
from tapemeasure.report.metrics import metrics, metrics_csv
from tapemeasure.report.page import render_page
from tapemeasure.report.pictures import draw_pictures
from tapemeasure.report.players import players
from tapemeasure.report.plot_files import write_plot_files

DEFAULT_TITLE = "tapemeasure report"


@dataclass(frozen=True)
class Report:
    """What was written.

    Parameters
    ----------
    page : Path
        The self-contained page.
    metrics_file : Path
        The scalars as JSON.
    pictures : tuple of Path
        One SVG a picture.
    csv : str
        The figures as CSV, with uncertainties and units.
    metrics : mapping
        Device, then take or ``model``, then figure.
    sha256 : mapping of str to str
        Hash of every result file that was read.
    """

    page: Path
    metrics_file: Path
    pictures: tuple[Path, ...]
    csv: str
    metrics: Mapping[str, Mapping[str, Mapping[str, float | None]]]
    sha256: Mapping[str, str]


def write_report(
    data: Path | Sequence[Path],
    output: Path,
    *,
    metrics_file: Path,
    title: str = DEFAULT_TITLE,
    force: bool = True,
    progress: Progress = no_progress,
) -> Report:
    """Gather the stages' results into ``index.html`` and ``plots/`` below a folder, and one file of metrics.

    Parameters
    ----------
    data : Path or sequence of Path
        Folder of the results, laid out as `tapemeasure.report.gather` tells; machines of several folders stand side
        by side.
    output : Path
        Folder of the page; made where it is missing.
    metrics_file : Path
        Where the scalars go.
    title : str
        Heading of the page.
    force : bool
        Whether existing files may be replaced.
    progress : callable
        Is told the completed fraction.

    Raises
    ------
    UsageError
        If there are no results, or a file exists and `force` is false; before anything is written.
    AudioFileError, SignalError
        If a result file is damaged.
    OutputError
        If a file cannot be written.
    """
    page = output / "index.html"
    for path in (page, metrics_file):
        refuse_overwrite(path, force=force)
    results = gather_all([data] if isinstance(data, Path) else data)
    excerpts = players(results)
    scalars = metrics(results)
    comparison = compare(results.devices)
    pictures = draw_pictures(results, output / "plots", comparison=comparison, force=force, progress=progress)
    write_plot_files(results, output / "plots", force=force)
    origin = {**provenance(commit=False), "sha256": results.sha256}
    html = render_page(
        results, title=title, pictures=pictures, players=excerpts, provenance=origin, comparison=comparison
    )
    write_json(metrics_file, scalars, force=force)
    write_text(page, html, force=force)
    return Report(
        page=page,
        metrics_file=metrics_file,
        pictures=tuple(picture.path for picture in pictures),
        csv=metrics_csv(results),
        metrics=scalars,
        sha256=results.sha256,
    )
