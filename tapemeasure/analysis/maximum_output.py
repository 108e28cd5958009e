"""How loud a tape can be: the level of 3 % third harmonic (MOL3), and the largest output of high tones (SOL10)."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.analysis.compression import between_steps
from tapemeasure.analysis.distortion import DistortionVsLevel
from tapemeasure.errors import SignalError

MOL_THIRD_HARMONIC_PCT = 3.0
SOL_MIN_HZ = 6000.0
_SATURATED_SLOPE = 0.5
"""Below this slope (dB of output a dB of input) the output is as good as saturated."""


@dataclass(frozen=True)
class MaximumOutput:
    """A level that a tape does not exceed.

    Parameters
    ----------
    kind : str
        ``mol3`` (third harmonic at 3 %) or ``sol`` (largest output).
    frequency_hz : float
        Of the tone.
    input_dbfs, output_dbfs : float
        Peak levels of stimulus and output there.
    input_sigma_db, sigma_db : float
        Standard uncertainties of both.
    saturated : bool
        Of ``sol``: whether the output no longer rises at the loudest step; else the true figure is higher.
    """

    kind: str
    frequency_hz: float
    input_dbfs: float
    output_dbfs: float
    input_sigma_db: float
    sigma_db: float
    saturated: bool


def maximum_output_level(
    curve: DistortionVsLevel, *, third_harmonic_pct: float = MOL_THIRD_HARMONIC_PCT
) -> MaximumOutput:
    """Output level at which the third harmonic reaches 3 % of the fundamental, dBFS.

    Parameters
    ----------
    curve : DistortionVsLevel
        Of `tapemeasure.analysis.distortion.distortion_vs_level`, with the third harmonic; 1 kHz is usual for open
        reels, 315 or 333 Hz for cassettes.
    third_harmonic_pct : float
        Limit, above 0.

    Raises
    ------
    SignalError
        If the third harmonic never reaches the limit, lies above half the sample rate, or is above it at all steps.

    Notes
    -----
    The third harmonic in dB and the output's level are joined by splines against the level of the input. For a
    cubic nonlinearity the first is a straight line (2 dB a dB), and steps of 6 dB are read within 0.1 dB. The
    uncertainty counts the noise of the third harmonic and of the output, and how far another curve through the steps
    lies away.
    """
    where = f"MOL at {curve.frequency_hz:g} Hz"
    limit_db = 20.0 * np.log10(third_harmonic_pct / 100.0)
    if curve.harmonics_db.shape[1] < 2 or not np.isfinite(curve.harmonics_db[:, 1]).any():
        raise SignalError(
            f"{where}: no third harmonic above the noise (or below half the sample rate); play a lower tone, louder"
        )
    third, output = curve.harmonics_db[:, 1], curve.output_dbfs
    highest = 100.0 * 10.0 ** (float(np.nanmax(third)) / 20.0)
    if highest < third_harmonic_pct:
        raise SignalError(
            f"{where}: the third harmonic reaches {highest:.2g} % at {curve.level_dbfs[-1]:.1f} dBFS, not "
            f"{third_harmonic_pct:g} %; play louder steps"
        )
    input_dbfs, third_db, third_between = between_steps(curve.level_dbfs, third)
    # the first crossing from below: where the signal clips altogether the harmonic may fall again
    crossings = np.flatnonzero((third_db[:-1] < limit_db) & (third_db[1:] >= limit_db))
    if len(crossings) == 0:
        raise SignalError(
            f"{where}: the softest step that is told is above {third_harmonic_pct:g} % already; play softer"
        )
    index = int(crossings[0])
    slope = (third_db[index + 1] - third_db[index]) / (input_dbfs[index + 1] - input_dbfs[index])
    found = float(input_dbfs[index] + (limit_db - third_db[index]) / slope)
    fine_dbfs, fine_output, output_between = between_steps(curve.level_dbfs, output)
    output_slope = np.interp(found, fine_dbfs, np.gradient(fine_output, fine_dbfs))
    told = np.isfinite(third)
    # an error of the third harmonic moves the crossing, and the output with it
    third_sigma = np.hypot(
        np.interp(found, curve.level_dbfs[told], curve.harmonics_sigma_db[told, 1]), third_between[index]
    )
    output_sigma = np.hypot(
        np.interp(found, curve.level_dbfs[told], curve.gain_sigma_db[told]),
        np.interp(found, fine_dbfs, output_between),
    )
    return MaximumOutput(
        kind="mol3",
        frequency_hz=curve.frequency_hz,
        input_dbfs=found,
        output_dbfs=float(np.interp(found, fine_dbfs, fine_output)),
        input_sigma_db=float(abs(third_sigma / slope)),
        sigma_db=float(np.hypot(third_sigma / slope * output_slope, output_sigma)),
        saturated=False,
    )


def saturation_output_level(curve: DistortionVsLevel) -> MaximumOutput:
    """Largest output of a high tone, dBFS: the tape's saturation at 10 kHz.

    Parameters
    ----------
    curve : DistortionVsLevel
        Of `tapemeasure.analysis.distortion.distortion_vs_level`, at 6 kHz or above.

    Raises
    ------
    SignalError
        If the frequency is too low for this figure, or fewer than three steps stand above the noise.

    Notes
    -----
    Vertex of the parabola through the loudest output and its two neighbours where the output falls again behind it (for
    steps of 6 dB within 0.1 dB of a smooth curve), else the loudest output itself. The uncertainty counts how far the
    top of a spline through all steps lies away.
    """
    where = f"SOL at {curve.frequency_hz:g} Hz"
    if curve.frequency_hz < SOL_MIN_HZ:
        raise SignalError(f"{where}: it is defined for high tones; give steps of 10 kHz (at least {SOL_MIN_HZ:g} Hz)")
    known = np.flatnonzero(np.isfinite(curve.output_dbfs))
    if len(known) < 3:
        raise SignalError(f"{where}: {len(known)} steps stand above the noise; play at least 3, louder")
    level, output = curve.level_dbfs[known], curve.output_dbfs[known]
    top = int(np.argmax(output))
    at_dbfs, peak_dbfs = float(level[top]), float(output[top])
    inside = 0 < top < len(output) - 1
    apart_dbfs = apart_db = 0.0
    if inside:
        bend, slope, height = np.polyfit(level[top - 1 : top + 2] - level[top], output[top - 1 : top + 2], 2)
        shift = -slope / (2.0 * bend)
        at_dbfs, peak_dbfs = float(level[top] + shift), float(height + 0.5 * slope * shift)
        # another curve through the same steps has its top elsewhere
        fine_dbfs, smooth, _ = between_steps(level, output)
        apart_dbfs = abs(float(fine_dbfs[np.argmax(smooth)]) - at_dbfs)
        apart_db = abs(float(np.max(smooth)) - peak_dbfs)
    end_slope = (output[-1] - output[-2]) / (level[-1] - level[-2])
    return MaximumOutput(
        kind="sol",
        frequency_hz=curve.frequency_hz,
        input_dbfs=at_dbfs,
        output_dbfs=peak_dbfs,
        input_sigma_db=apart_dbfs,
        sigma_db=float(np.hypot(curve.gain_sigma_db[known[top]], apart_db)),
        saturated=bool(inside or end_slope < _SATURATED_SLOPE),
    )
