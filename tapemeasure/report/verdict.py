"""Is the machine in order: the requirements of DIN 45 500 over all takes of a device, and the sentence above them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tapemeasure.report.figures import number
from tapemeasure.report.gather import DeviceResults
from tapemeasure.report.words import NOT_MEASURED, measured_text

ORDER = ("fail", "undecided", "pass")
NAMES = {"pass": "met", "fail": "not met", "undecided": "too close to tell", NOT_MEASURED: NOT_MEASURED}


@dataclass(frozen=True)
class Requirement:
    """One requirement, judged by the take that speaks most against the machine.

    Parameters
    ----------
    name : str
        What is required, in plain words.
    limit : str
        With its unit.
    value : str
        Figure and standard uncertainty with their unit, or that it was not measured.
    verdict : str
        ``pass``, ``fail``, ``undecided`` or ``not measured``.
    take : str or None
        Whose figure it is.
    """

    name: str
    limit: str
    value: str
    verdict: str
    take: str | None

    @property
    def word(self) -> str:
        """The verdict in plain words."""
        return NAMES.get(self.verdict, self.verdict)


@dataclass(frozen=True)
class Verdict:
    """What DIN 45 500 says of a device.

    Parameters
    ----------
    status : str
        ``pass`` (everything that was measured is met), ``fail``, ``undecided`` or ``not measured``.
    headline : str
        The verdict in one sentence.
    rows : tuple of Requirement
        Failed requirements first, those that were not measured last.
    """

    status: str
    headline: str
    rows: tuple[Requirement, ...]

    def count(self, verdict: str) -> int:
        """How many requirements got a verdict."""
        return sum(row.verdict == verdict for row in self.rows)


def judge(device: DeviceResults) -> Verdict | None:
    """Verdict on a device; None where no take holds requirements.

    Notes
    -----
    Of several takes the one counts that fails, else one that leaves the requirement open, else one that meets it; among
    equals that which is nearest to the limit, or furthest beyond it.
    """
    takes = [(take.name, row) for take in device.takes for row in (take.measurement or {}).get("din45500") or [] if row]
    if not takes:
        return None
    names = dict.fromkeys(str(row["requirement"]) for _, row in takes)
    worst = [_worst([(take, row) for take, row in takes if row["requirement"] == name]) for name in names]
    rows = tuple(sorted(worst, key=lambda row: (*ORDER, NOT_MEASURED).index(row.verdict)))
    status = next((verdict for verdict in ORDER if any(row.verdict == verdict for row in rows)), NOT_MEASURED)
    return Verdict(status, _headline(status, rows), rows)


def _worst(rows: Sequence[tuple[str, Mapping[str, Any]]]) -> Requirement:
    told = [(take, row) for take, row in rows if row["verdict"] in ORDER]
    if not told:
        return _requirement(None, rows[0][1])
    return _requirement(*min(told, key=lambda pair: (ORDER.index(pair[1]["verdict"]), _margin(pair[1]))))


def _margin(row: Mapping[str, Any]) -> float:
    """How far within the limit the figure is; negative beyond it."""
    room = float(row["limit"]) - float(row["value"])
    return room if row["at_most"] else -room


def _requirement(take: str | None, row: Mapping[str, Any]) -> Requirement:
    name = str(row["requirement"]).replace(" - ", " to ")
    limit = f"{'at most' if row['at_most'] else 'at least'} {row['limit']:g} {row['unit']}"
    value = measured_text(number(row, "value"), number(row, "sigma"), unit=str(row["unit"]))
    return Requirement(name[:1].upper() + name[1:], limit, value, str(row["verdict"]), take)


def _headline(status: str, rows: Sequence[Requirement]) -> str:
    counts = {verdict: sum(row.verdict == verdict for row in rows) for verdict in (*ORDER, NOT_MEASURED)}
    judged = len(rows) - counts[NOT_MEASURED]
    open_text = f" {counts[NOT_MEASURED]} of {len(rows)} were not measured." if counts[NOT_MEASURED] else ""
    if status == "fail":
        are = "is" if counts["fail"] == 1 else "are"
        return f"Not all in order: {counts['fail']} of {judged} measured requirements {are} not met.{open_text}"
    if status == "undecided":
        lie = "lies" if counts["undecided"] == 1 else "lie"
        return (
            f"No fault found, but {counts['undecided']} of {judged} measured requirements {lie} too close to "
            f"the limit to tell.{open_text}"
        )
    if status == "pass":
        met = "the one requirement that was measured is met" if judged == 1 else f"all {judged} measured ones are met"
        return f"In order as far as it was measured: {met}.{open_text}"
    return "No verdict: none of the requirements was measured."
