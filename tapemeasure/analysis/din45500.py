"""Verdict on a machine by the minimum requirements of DIN 45 500: pass, fail, or too uncertain to tell."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tapemeasure.analysis.response import Response
from tapemeasure.errors import ParameterError

Verdict = Literal["pass", "fail", "undecided", "not measured"]

MIDDLE_HZ, WHOLE_HZ = (250.0, 6300.0), (40.0, 12500.0)
MIDDLE_DB, WHOLE_DB = 5.0, 7.0
SPEED_ERROR_PCT = 1.5
WOW_FLUTTER_PCT = 0.2
SIGNAL_TO_NOISE_DB = 56.0
CROSSTALK_MONO_DB, CROSSTALK_STEREO_DB = 60.0, 20.0
ERASURE_DB = 60.0
COVERAGE = 2.0
"""A limit that lies within so many standard uncertainties of a figure leaves the verdict open."""


@dataclass(frozen=True)
class Figure:
    """A measured value and its standard uncertainty, in the unit of its row."""

    value: float
    sigma: float = 0.0


@dataclass(frozen=True)
class DinFigures:
    """What was measured of a machine; None where it was not.

    Parameters
    ----------
    response : Response or None
        Of the whole machine, recorded and replayed, smoothed or not.
    speed_error_pct : Figure or None
        Mean deviation from the nominal speed.
    wow_flutter_pct : Figure or None
        Weighted peak value.
    signal_to_noise_db : Figure or None
        Full level against the weighted noise.
    crosstalk_mono_db : Figure or None
        Attenuation at 1 kHz between tracks of opposite direction.
    crosstalk_stereo_db : Figure or None
        Attenuation at 1 kHz between the two channels of a stereo pair.
    erasure_db : Figure or None
        Attenuation of a full-level tone by the erase head.
    """

    response: Response | None = None
    speed_error_pct: Figure | None = None
    wow_flutter_pct: Figure | None = None
    signal_to_noise_db: Figure | None = None
    crosstalk_mono_db: Figure | None = None
    crosstalk_stereo_db: Figure | None = None
    erasure_db: Figure | None = None


@dataclass(frozen=True)
class DinRow:
    """One requirement.

    Parameters
    ----------
    requirement : str
        In plain words.
    value, sigma : float or None
        The figure that is compared and its standard uncertainty.
    limit : float
        What it must not exceed (`at_most`), or must reach.
    at_most : bool
        Sense of the limit.
    unit : str
        Of value, sigma and limit.
    verdict : str
        ``pass``, ``fail``, ``undecided`` (the limit lies within two standard uncertainties) or ``not measured``.
    """

    requirement: str
    value: float | None
    sigma: float | None
    limit: float
    at_most: bool
    unit: str
    verdict: Verdict


def din45500_table(figures: DinFigures) -> tuple[DinRow, ...]:
    """Every requirement of DIN 45 500 with figure, limit and verdict.

    Parameters
    ----------
    figures : DinFigures
        What was measured.

    Raises
    ------
    ParameterError
        If a figure is not finite or its uncertainty is negative; leave such a figure out (None).

    Notes
    -----
    The response may fall by 5 dB between 250 Hz and 6.3 kHz and by 7 dB between 40 Hz and 12.5 kHz below its highest
    value within 40 Hz to 12.5 kHz; a range in which one point is not measurable has no verdict.

    References
    ----------
    DIN 45 500 part 4, minimum requirements for magnetic tape equipment.
    """
    speed, response = figures.speed_error_pct, figures.response
    size = None if speed is None else Figure(abs(speed.value), speed.sigma)
    return (
        _row("speed error", size, SPEED_ERROR_PCT, "%", at_most=True),
        _row("wow and flutter, weighted", figures.wow_flutter_pct, WOW_FLUTTER_PCT, "%", at_most=True),
        _row("fall of the response, 250 Hz - 6.3 kHz", _fall(response, MIDDLE_HZ), MIDDLE_DB, "dB", at_most=True),
        _row("fall of the response, 40 Hz - 12.5 kHz", _fall(response, WHOLE_HZ), WHOLE_DB, "dB", at_most=True),
        _row("signal to weighted noise", figures.signal_to_noise_db, SIGNAL_TO_NOISE_DB, "dB"),
        _row("crosstalk attenuation, 1 kHz, opposite tracks", figures.crosstalk_mono_db, CROSSTALK_MONO_DB, "dB"),
        _row("crosstalk attenuation, 1 kHz, stereo pair", figures.crosstalk_stereo_db, CROSSTALK_STEREO_DB, "dB"),
        _row("erasure, 1 kHz", figures.erasure_db, ERASURE_DB, "dB"),
    )  # fmt: skip


def _row(requirement: str, figure: Figure | None, limit: float, unit: str, *, at_most: bool = False) -> DinRow:
    if figure is None:
        return DinRow(requirement, None, None, limit, at_most, unit, "not measured")
    if not np.isfinite(figure.value) or not 0.0 <= figure.sigma < np.inf:
        raise ParameterError(
            f"{requirement}: {figure.value:g} with an uncertainty of {figure.sigma:g} {unit}; give finite figures, or "
            "leave it out"
        )
    margin = limit - figure.value if at_most else figure.value - limit
    verdict: Verdict = "pass" if margin >= 0.0 else "fail"
    if abs(margin) < COVERAGE * figure.sigma:
        verdict = "undecided"
    return DinRow(requirement, figure.value, figure.sigma, limit, at_most, unit, verdict)


def _fall(response: Response | None, band_hz: tuple[float, float]) -> Figure | None:
    """How far the lowest point of a band lies below the highest one from 40 Hz to 12.5 kHz, dB."""
    if response is None:
        return None
    frequency, magnitude = response.frequency_hz, response.magnitude_db
    whole, band = (np.flatnonzero((frequency >= low) & (frequency <= high)) for low, high in (WHOLE_HZ, band_hz))
    # a grid may miss the edges of the band by a sixth of an octave, but not by more
    step = 2.0 ** (1.0 / 6.0)
    covered = len(frequency) > 0 and frequency[0] <= band_hz[0] * step and frequency[-1] >= band_hz[1] / step
    if not covered or len(band) == 0 or not np.isfinite(magnitude[band]).all():
        return None
    highest = whole[np.nanargmax(magnitude[whole])]
    lowest = band[np.argmin(magnitude[band])]
    sigma = float(np.hypot(response.sigma_db[highest], response.sigma_db[lowest]))
    return Figure(float(magnitude[highest] - magnitude[lowest]), sigma)
