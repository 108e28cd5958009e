"""``tapemeasure report``: one page, one metrics file."""

from pathlib import Path

import click

from tapemeasure.cli.common import force_option, json_option, print_result, progress_bar


@click.command("report")
@click.option(
    "--data",
    "folders",
    default=("data",),
    show_default="data",
    multiple=True,
    metavar="FOLDER",
    help="Results of the stages; may be repeated to set machines of several folders side by side.",
)
@click.option("-o", "--output", default="report", show_default=True, metavar="FOLDER", help="Where the page goes.")
@click.option(
    "--metrics",
    "metrics_file",
    default=None,
    metavar="FILE",
    help="Where the scalars go.  [default: metrics.json in the page's folder]",
)
@click.option("--title", default="tapemeasure report", show_default=True, metavar="TEXT", help="Heading of the page.")
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print every figure with uncertainty, unit and standard as CSV.")
@force_option
def command(
    folders: tuple[str, ...],
    output: str,
    metrics_file: str | None,
    title: str,
    as_json: bool,
    as_csv: bool,
    force: bool,
) -> None:
    """Gather measurements into one page and one metrics file.

    Writes index.html, which needs no network, its pictures and their curves (SVG, CSV) in plots/, and metrics.json.
    What was not measured is said to be so.

    \b
    Examples:
      tapemeasure report
      tapemeasure report --data data -o report --title "Two machines" --force
      tapemeasure report -o page --metrics figures.json --json
      tapemeasure report --data spring/data --data autumn/data -o both --csv
    """
    from tapemeasure.errors import UsageError
    from tapemeasure.io import provenance
    from tapemeasure.report.write import write_report

    if as_json and as_csv:
        raise UsageError("--json and --csv both print to standard output; give one of them")
    folder = Path(output)
    target = folder / "metrics.json" if metrics_file is None else Path(metrics_file)
    with progress_bar("report") as progress:
        report = write_report(
            [Path(data) for data in folders], folder, metrics_file=target, title=title, force=force, progress=progress
        )
    if as_csv:
        click.echo(report.csv, nl=False)
        return
    result = {
        "page": report.page,
        "metrics_file": report.metrics_file,
        "pictures": report.pictures,
        "metrics": report.metrics,
        "provenance": {**provenance(), "sha256": report.sha256},
    }
    rows = [
        ("page", str(report.page)),
        ("metrics", str(report.metrics_file)),
        ("pictures", f"{len(report.pictures)} in {folder / 'plots'}"),
        ("devices", ", ".join(report.metrics)),
    ]
    print_result(result, as_json=as_json, rows=rows)
