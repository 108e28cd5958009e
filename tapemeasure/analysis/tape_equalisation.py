"""Equalisation standards of tape: their curves, how far a response lies from one, and a switch in the wrong place."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.analysis.response import REFERENCE_HZ, Response
from tapemeasure.arrays import FloatArray
from tapemeasure.errors import ParameterError, SignalError
from tapemeasure.params.tape import TIME_CONSTANTS_US, time_constants_us

LOW_HZ, HIGH_HZ = 40.0, 12500.0


@dataclass(frozen=True)
class CurveDeviation:
    """How far a response lies from a curve, gains made equal at 1 kHz.

    Parameters
    ----------
    frequency_hz, deviation_db, sigma_db : ndarray, shape (n_points,)
        Response minus curve, and the response's standard uncertainty.
    rms_db : float
        Over the logarithm of the frequency.
    largest_db, largest_hz : float
        Largest deviation (with its sign), and where.
    low_hz, high_hz : float
        Range that was compared.
    """

    frequency_hz: FloatArray
    deviation_db: FloatArray
    sigma_db: FloatArray
    rms_db: float
    largest_db: float
    largest_hz: float
    low_hz: float
    high_hz: float


@dataclass(frozen=True)
class EqualisationMatch:
    """A pair of standards, and how well it explains a response.

    Parameters
    ----------
    recorded, replayed : str
        Standards of the two amplifiers (``iec``, ``nab``, ``iec_type_ii``).
    rms_db, largest_db : float
        What it leaves of the response, 40 Hz to 12.5 kHz.
    """

    recorded: str
    replayed: str
    rms_db: float
    largest_db: float


def flux_curve_db(frequency_hz: FloatArray, *, standard: str, speed_ips: float) -> FloatArray:
    """Level of the flux on the tape that a standard prescribes, dB, 0 dB at 1 kHz.

    Parameters
    ----------
    frequency_hz : ndarray
        Above 0 Hz.
    standard : str
        ``iec``, ``nab`` or ``iec_type_ii``.
    speed_ips : float
        Tape speed, inches per second.

    Raises
    ------
    ParameterError
        If the standard is unknown or has no curve for the speed.

    Notes
    -----
    ``10 lg(1 + 1/(2 pi f t1)^2) - 10 lg(1 + (2 pi f t2)^2)`` with the time constants of the standard; a replay
    amplifier has the inverse.

    Examples
    --------
    >>> flux_curve_db(np.array([50.0, 1000.0, 10000.0]), standard="nab", speed_ips=7.5).round(2).tolist()
    [3.41, 0.0, -9.96]
    """
    if standard not in TIME_CONSTANTS_US:
        listed = ", ".join(TIME_CONSTANTS_US)
        raise ParameterError(f"equalisation {standard!r} is not known; choose one of {listed}")
    constants = time_constants_us(standard, speed_ips=speed_ips)
    if constants is None:
        raise ParameterError(f"equalisation {standard} has no curve; choose one of {', '.join(TIME_CONSTANTS_US)}")
    bass_us, treble_us = constants

    def level_db(angular: FloatArray) -> FloatArray:
        treble = -10.0 * np.log10(1.0 + np.square(angular * treble_us))
        bass = 0.0 if bass_us is None else 10.0 * np.log10(1.0 + 1.0 / np.square(angular * bass_us))
        return np.asarray(treble + bass, dtype=np.float64)

    angular = 2.0e-6 * np.pi * np.concatenate([[REFERENCE_HZ], np.ravel(frequency_hz)])
    level = level_db(angular)
    return np.asarray(level[1:] - level[0], dtype=np.float64)


def deviation_from_curve(
    response: Response, *, curve_db: FloatArray | None = None, low_hz: float = LOW_HZ, high_hz: float = HIGH_HZ
) -> CurveDeviation:
    """How far a response lies from a curve, dB.

    Parameters
    ----------
    response : Response
        With a gain at 1 kHz.
    curve_db : ndarray, shape (n_points,), optional
        At the response's frequencies; by default flat, as a whole machine (recorded and replayed) should be. For a
        record amplifier alone it is `flux_curve_db`, for a replay amplifier alone its negative.
    low_hz, high_hz : float
        Range to compare.

    Raises
    ------
    ParameterError
        If the curve has another length than the response.
    SignalError
        If the response tells nothing at 1 kHz or nothing within the range.
    """
    frequency = response.frequency_hz
    wanted = np.zeros(len(frequency)) if curve_db is None else np.asarray(curve_db, dtype=np.float64)
    if len(wanted) != len(frequency):
        raise ParameterError(f"curve of {len(wanted)} points, response of {len(frequency)}; give one at each frequency")
    inside = (frequency >= low_hz) & (frequency <= high_hz) & np.isfinite(response.magnitude_db)
    if response.gain_db is None or not inside.any():
        raise SignalError(
            f"deviation: the response tells nothing at 1 kHz or from {low_hz:g} to {high_hz:g} Hz; play a sweep"
        )
    at_reference = float(np.interp(np.log(REFERENCE_HZ), np.log(frequency), wanted))
    deviation = (response.magnitude_db - response.gain_db - wanted + at_reference)[inside]
    # points that lie denser count less
    weight = np.gradient(np.log(frequency[inside])) if len(deviation) > 1 else np.ones(1)
    largest = int(np.argmax(np.abs(deviation)))
    return CurveDeviation(
        frequency_hz=frequency[inside],
        deviation_db=deviation,
        sigma_db=response.sigma_db[inside],
        rms_db=float(np.sqrt(np.sum(weight * deviation**2) / np.sum(weight))),
        largest_db=float(deviation[largest]),
        largest_hz=float(frequency[inside][largest]),
        low_hz=low_hz,
        high_hz=high_hz,
    )


def equalisation_matches(response: Response, *, speed_ips: float) -> tuple[EqualisationMatch, ...]:
    """Pairs of record and replay standards of a speed, the one that explains a response best first.

    Parameters
    ----------
    response : Response
        Of the whole machine, or of a test tape's replay, with a gain at 1 kHz.
    speed_ips : float
        Tape speed, inches per second.

    Raises
    ------
    ParameterError
        If no standard has a curve for the speed.
    SignalError
        As `deviation_from_curve`.

    Notes
    -----
    With both amplifiers on one standard the curves cancel and the machine should be flat. A tape of one standard on the
    other is off by up to 3 dB at 50 Hz and 10 kHz (7.5 in/s). A better match is a hint to a switch in the wrong place,
    no proof: a worn head loses treble as well. Equal pairs are one entry; standards of one curve count once.
    """
    curves: dict[str, FloatArray] = {}
    for standard, speeds in TIME_CONSTANTS_US.items():
        if speed_ips not in speeds:
            continue
        curve = flux_curve_db(response.frequency_hz, standard=standard, speed_ips=speed_ips)
        if not any(np.allclose(curve, other, atol=1e-9) for other in curves.values()):
            curves[standard] = curve
    if not curves:
        raise ParameterError(
            f"no equalisation standard is known for speed_ips {speed_ips:g}; give 15, 7.5, 3.75, 1.875"
        )
    names = list(curves)
    pairs = [(names[0], names[0]), *((first, second) for first in names for second in names if first != second)]
    found = []
    for recorded, replayed in pairs:
        left = deviation_from_curve(response, curve_db=curves[recorded] - curves[replayed])
        found.append(EqualisationMatch(recorded, replayed, left.rms_db, left.largest_db))
    return tuple(sorted(found, key=lambda match: match.rms_db))
