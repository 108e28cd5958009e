"""What the commands share: options, the table or the JSON of a result, the progress bar."""

import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from tapemeasure.arrays import Progress, no_progress
from tapemeasure.errors import UsageError
from tapemeasure.io import json_text, refuse_overwrite
from tapemeasure.params import Params, load_params

TRAJECTORY_ENDINGS = (".csv", ".npz")
PICTURE_ENDINGS = (".png", ".svg", ".pdf")

Function = TypeVar("Function", bound=Callable[..., Any])


class FiniteRange(click.FloatRange):
    """A range of numbers without NaN, which no comparison refuses."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number, or a usage error."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


def json_option(function: Function) -> Function:
    """``--json``: one object on stdout, units in its keys."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object, units in its keys.")(function)


def force_option(function: Function) -> Function:
    """``--force``: existing files may be replaced."""
    return click.option("--force", is_flag=True, help="Replace files that exist already.")(function)


def threads_option(function: Function) -> Function:
    """``--threads``: cores to use; the result does not depend on them."""
    return click.option(
        "--threads", metavar="N", type=click.IntRange(1, 64), default=two_cores, show_default="2, or 1 core's 1",
        help="Cores that work at the same time on a long file; the result is the same, the memory grows.",
    )(function)  # fmt: skip


def two_cores() -> int:
    """As many cores as there are, at most two: each works on a stretch of its own in memory."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(2, there)


def params_option(function: Function) -> Function:
    """``--params FILE``: where the profiles and settings stand."""
    return click.option(
        "--params", "params_file", default="params.yaml", show_default=True, metavar="FILE", help="Settings to read."
    )(function)


def params_or_defaults(ctx: click.Context, params_file: str) -> Params:
    """Settings of ``--params``; the defaults where it was not given and there is no params.yaml either."""
    named = ctx.get_parameter_source("params_file") is not ParameterSource.DEFAULT
    return load_params(params_file) if named or Path(params_file).is_file() else Params()


def check_output(
    path: Path | str | None, *, endings: Sequence[str], force: bool, inputs: Iterable[Path | str | None] = ()
) -> None:
    """Refuse a file that could not be written before the work starts rather than behind it; None is no file.

    An input is refused even with `force`: what was measured must not be lost to its own result.
    """
    if path is None:
        return
    if Path(path).suffix.lower() not in endings:
        raise UsageError(f"{path}: the name must end in {' or '.join(endings)}; change it")
    if Path(path).exists():
        for source in inputs:
            if source is not None and Path(source).exists() and Path(source).samefile(path):
                raise UsageError(f"{path}: is read by this command; give the output another name")
    refuse_overwrite(path, force=force)


def print_result(result: Mapping[str, Any], *, as_json: bool, rows: Sequence[tuple[str, str]] = ()) -> None:
    """Print a result to stdout: as one JSON object, or as the rows of a two-column table."""
    if as_json:
        click.echo(json_text(result))
        return
    width = max((len(label) for label, _ in rows), default=0)
    for label, value in rows:
        click.echo(f"{label:<{width}}  {value}")


def warn(text: str) -> None:
    """Print a warning to stderr."""
    click.echo(f"warning: {text}", err=True)


@contextmanager
def progress_bar(label: str, *, audio_s: float | None = None) -> Iterator[Progress]:
    """Give a function that takes the completed fraction; draws a bar on stderr if that is a terminal.

    With the length of the audio, `audio_s`, the bar tells how many times faster than real time the work is.
    """
    if not sys.stderr.isatty():
        yield no_progress
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    speed = TextColumn("{task.fields[speed]}")
    begin = time.perf_counter()
    with Bar(*columns, speed, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=1.0, speed="")

        def show(fraction: float) -> None:
            elapsed_s = max(time.perf_counter() - begin, 1e-9)
            factor = "" if audio_s is None else f"{fraction * audio_s / elapsed_s:.1f} x real time"
            bar.update(task, completed=fraction, speed=factor)

        yield show
