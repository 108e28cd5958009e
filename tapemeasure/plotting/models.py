"""How a training went, and how far models are from the machine they copy."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.ticker import MaxNLocator

from tapemeasure.arrays import FloatArray
from tapemeasure.plotting.canvas import COLOURS, legend, percent_axis, picture, say_empty
from tapemeasure.units import db_from_power


def plot_training(
    epochs: FloatArray,
    path: Path,
    *,
    train_loss: FloatArray,
    validation_esr: FloatArray,
    best_epoch: int | None = None,
    title: str = "",
    force: bool = False,
) -> None:
    """Draw the training loss and the validation's error-to-signal ratio against the epoch.

    Parameters
    ----------
    epochs : ndarray, shape (n_epochs,)
        Numbers of the epochs.
    path : Path
        ``.png``, ``.svg`` or ``.pdf``.
    train_loss, validation_esr : ndarray, shape (n_epochs,)
        Power ratios (0.01 = 1 %); gaps where not finite.
    best_epoch : int or None
        The exported epoch, marked.
    title : str
        Printed above the picture.
    force : bool
        Whether an existing file may be replaced.

    Raises
    ------
    UsageError
        If the name ends otherwise, or the file exists and `force` is false.
    OutputError
        If it cannot be written.
    """
    with picture(path, title=title, force=force) as (axes,):
        drawn = False
        for values, label, colour, mark in (
            (train_loss, "training", COLOURS[0], "."),
            (validation_esr, "validation", COLOURS[1], "s"),
        ):
            shown = np.where(np.isfinite(values) & (values > 0.0), 100.0 * values, np.nan)
            axes.plot(epochs, shown, color=colour, marker=mark, markersize=4, label=label)
            drawn = drawn or bool(np.isfinite(shown).any())
        if drawn:
            percent_axis(axes)
        else:
            say_empty(axes)
        if best_epoch is not None:
            axes.axvline(best_epoch, color=COLOURS[2], linestyle=":", label=f"best epoch ({best_epoch})")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("epoch")
        axes.set_ylabel("error-to-signal ratio / %")
        legend(axes)


def plot_model_errors(esr: Mapping[str, float | None], path: Path, *, title: str = "", force: bool = False) -> None:
    """Draw the error-to-signal ratio of each model as a bar, on a scale of decibels.

    Parameters
    ----------
    esr : mapping of model name to float or None
        Energy of the error over energy of the target (0.01 = 1 %); None is said to be not measured.
    path, title, force
        As in `plot_training`, with the same errors.
    """
    levels_db = {name: _level_db(value) for name, value in esr.items()}
    known = [level for level in levels_db.values() if level is not None]
    with picture(path, title=title, force=force, height_in=1.1 + 0.42 * max(1, len(esr))) as (axes,):
        left = 10.0 * np.floor(min([*known, -10.0]) / 10.0) - 5.0
        right = max([*known, 0.0])
        for row, (name, level) in enumerate(levels_db.items()):
            if level is None:
                axes.text(left, row, "  not measured", va="center", color="#555555")
                continue
            # bars grow to the right as the error grows: shorter is better
            axes.barh(row, level - left, left=left, height=0.62, color=COLOURS[row % len(COLOURS)])
            text = f"{100.0 * (esr[name] or 0.0):.3g} %"
            axes.annotate(text, (level, row), (5, 0), textcoords="offset points", va="center", fontsize=9)
        axes.set_yticks(range(len(levels_db)), list(levels_db))
        axes.invert_yaxis()
        axes.set_xlim(left, right + 0.16 * (right - left))
        axes.grid(False, axis="y")
        axes.set_xlabel("error-to-signal ratio / dB (shorter is better)")
        if not esr:
            say_empty(axes)


def _level_db(ratio: float | None) -> float | None:
    """Ratio in dB; a perfect copy is drawn at the left end of the scale, -150 dB."""
    if ratio is None or not np.isfinite(ratio):
        return None
    return max(db_from_power(ratio), -150.0)
