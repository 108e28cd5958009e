"""What the user should know of a fit, in words."""

from collections.abc import Mapping, Sequence

from tapemeasure.fit.knobs import KNOBS
from tapemeasure.fit.pair import PairCheck
from tapemeasure.fit.result import FittedKnob, HeldOutErrors, Start

AS_GOOD = 0.9
ALMOST_AS_GOOD = 1.05
FAR_APART = 0.2
LAG_TOLD_US = 5.0
VALLEY = ("drive", "saturation")
"""What one of them does the other can almost undo: their own uncertainties tell of it."""


def notes_of(
    knobs: Sequence[FittedKnob], errors: HeldOutErrors, check: PairCheck, searches: Sequence[Start], *, magnetic: bool
) -> tuple[str, ...]:
    """Notes on what the recording does not say, and on what is wrong with it."""
    notes = [f"{knob.name}: {knob.note}" for knob in knobs if knob.note is not None]
    notes += _valley({knob.name: knob for knob in knobs})
    if magnetic and errors.esr > AS_GOOD * errors.linear_esr:
        notes.append(
            f"a linear filter comes as near (ESR {errors.linear_esr:.2g}, the machine {errors.esr:.2g}): the recording "
            "shows no saturation of this kind, and the knobs say little about the real machine; record louder"
        )
    notes += [_at_end(knob) for knob in knobs if knob.identified and _is_at_end(knob)]
    others = _other_minima(searches)
    if others is not None:
        notes.append(others)
    if check.correlation < 0.0:
        notes.append("the recording is inverted; the settings are those of the upright one")
    if check.clipped_samples:
        notes.append(
            f"{check.clipped_samples} samples of the recording are clipped, which the fit takes for saturation; record "
            "it at a lower level"
        )
    lag_us = errors.residual_lag_rms_us
    if lag_us is not None and lag_us > LAG_TOLD_US:
        notes.append(
            f"the recording still wanders by {lag_us:.1f} us rms against the fitted machine (of which the estimate "
            "itself makes some): timing that aligning did not undo adds to the error"
        )
    return tuple(notes)


def _valley(knobs: Mapping[str, FittedKnob]) -> list[str]:
    """What is known of drive and saturation together, where only one of them can be told."""
    if sum(knobs[name].identified for name in VALLEY if name in knobs) != 1 or not set(VALLEY) <= set(knobs):
        return []
    ratio = (0.01 + 6.0 * knobs["drive"].value) / (2.0 - 1.5 * knobs["saturation"].value)
    return [f"of drive and saturation the recording fixes (0.01 + 6 drive) / (2 - 1.5 saturation) = {ratio:.3f}"]


def _is_at_end(knob: FittedKnob) -> bool:
    # a bias of 0 is no bias, and no limit
    ends = KNOBS[knob.name].highest, *(() if knob.name == "bias" else (KNOBS[knob.name].lowest,))
    return any(knob.value == end for end in ends)


def _at_end(knob: FittedKnob) -> str:
    return f"{knob.name} stands at the end of its range ({knob.value:g}): the machine may lie beyond the model"


def _other_minima(searches: Sequence[Start]) -> str | None:
    """Whether another search ended elsewhere with as small an error."""
    best = searches[0]
    for other in searches[1:]:
        if other.response != best.response or other.esr > ALMOST_AS_GOOD * best.esr:
            continue
        if any(
            abs(KNOBS[name].inside(value) - KNOBS[name].inside(best.values[name])) > FAR_APART * _width(name)
            for name, value in other.values.items()
            if name not in VALLEY
        ):
            told = ", ".join(f"{name} {value:.3g}" for name, value in other.values.items())
            return f"on the excerpts, other settings come as near: {told}"
    return None


def _width(name: str) -> float:
    knob = KNOBS[name]
    return knob.inside(knob.highest) - knob.inside(knob.lowest)
