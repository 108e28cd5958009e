"""Draw every picture that the results allow, as SVG files, with a text for those who cannot see them."""

import re
from dataclasses import dataclass
from pathlib import Path

from tapemeasure.arrays import Progress, no_progress
from tapemeasure.io import refuse_overwrite
from tapemeasure.plotting import Curve
from tapemeasure.report.device_plans import model_plans, shared_plans
from tapemeasure.report.gather import DeviceResults, Results
from tapemeasure.report.machines import Comparison, compare_takes
from tapemeasure.report.plan import Axes, Plan
from tapemeasure.report.replica_plans import replica_plans
from tapemeasure.report.take_plans import take_plans

ALL_TAKES = "all takes"
BOTH = "machine and replica"


@dataclass(frozen=True)
class Picture:
    """One picture of the page.

    Parameters
    ----------
    device : str or None
        Whose it is; None where it has several machines side by side.
    take : str or None
        Of which take (`ALL_TAKES`: of several on the same axes; `BOTH`: beside the replica); None for the model's.
    heading : str
        What it shows.
    caption : str
        Its key numbers in a sentence, and how to read it.
    path : Path
        The SVG file.
    axes, curves : Axes or None, tuple of Curve
        What can be shown enlarged; None where there is nothing to see closer.
    """

    device: str | None
    take: str | None
    heading: str
    caption: str
    path: Path
    axes: Axes | None = None
    curves: tuple[Curve, ...] = ()

    @property
    def alt(self) -> str:
        """Text in place of the picture."""
        if self.device is None:
            return f"{self.heading} of the machines side by side. {self.caption}"
        where = self.device if self.take is None else f"{self.device}, {self.take}"
        return f"{self.heading} of {where}. {self.caption}"


def draw_pictures(
    results: Results,
    folder: Path,
    *,
    comparison: Comparison | None = None,
    force: bool = True,
    progress: Progress = no_progress,
) -> tuple[Picture, ...]:
    """Draw all pictures of all devices into a folder, those of the machines side by side first.

    Raises
    ------
    UsageError
        If a picture exists and `force` is false.
    OutputError
        If one cannot be written.
    """
    plans: list[tuple[str | None, str | None, Plan]] = [(None, None, plan) for plan in shared_plans(comparison)]
    plans += [
        (device.name, take_name, plan)
        for device in results.devices
        for take_name, of_it in _device_plans(device)
        for plan in of_it
    ]
    pictures = [
        Picture(
            device,
            take,
            plan.heading,
            plan.caption,
            folder / _file_name(device, take, plan.kind),
            axes=plan.axes,
            curves=plan.curves,
        )
        for device, take, plan in plans
    ]
    for picture in pictures:
        refuse_overwrite(picture.path, force=force)
    for index, (picture, (_, _, plan)) in enumerate(zip(pictures, plans, strict=True)):
        plan.draw(picture.path)
        progress((index + 1) / len(plans))
    return tuple(pictures)


def _device_plans(device: DeviceResults) -> list[tuple[str | None, list[Plan]]]:
    return [
        (ALL_TAKES, shared_plans(compare_takes(device))),
        *((take.name, take_plans(take)) for take in device.takes),
        (None, model_plans(device)),
        (BOTH, replica_plans(device)),
    ]


def _file_name(device: str | None, take: str | None, kind: str) -> str:
    names = ("side-by-side" if device is None else device, take, kind)
    parts = (re.sub(r"[^A-Za-z0-9.-]+", "-", name) for name in names if name is not None)
    return "_".join(parts) + ".svg"
