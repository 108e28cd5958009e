"""Equalisation standards of tape: their curves, and how far a response lies from one."""

from dataclasses import dataclass
from typing import Literal

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
    curve_db : ndarray, shape (n_points,)
        The curve, 0 dB at 1 kHz.
    rms_db, rms_sigma_db : float
        Over the logarithm of the frequency, and the standard uncertainty.
    largest_db, largest_sigma_db, largest_hz : float
        Largest deviation (with its sign), its standard uncertainty, and where.
    low_hz, high_hz : float
        Range that was compared.
    """

    frequency_hz: FloatArray
    deviation_db: FloatArray
    sigma_db: FloatArray
    curve_db: FloatArray
    rms_db: float
    rms_sigma_db: float
    largest_db: float
    largest_sigma_db: float
    largest_hz: float
    low_hz: float
    high_hz: float


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
    sigma = response.sigma_db[inside]
    rms = float(np.sqrt(np.sum(weight * deviation**2) / np.sum(weight)))
    # noise raises a sum of squares; what it does to neighbours belongs together, as the response is smoothed
    pulled = float(np.sum(weight * np.abs(deviation) * sigma) / np.sum(weight)) / max(rms, 1e-12)
    raised = rms - float(np.sqrt(max(rms**2 - np.sum(weight * sigma**2) / np.sum(weight), 0.0)))
    return CurveDeviation(
        frequency_hz=frequency[inside],
        deviation_db=deviation,
        sigma_db=sigma,
        curve_db=(wanted - at_reference)[inside],
        rms_db=rms,
        rms_sigma_db=float(np.hypot(pulled, raised)),
        largest_db=float(deviation[largest]),
        largest_sigma_db=float(sigma[largest]),
        largest_hz=float(frequency[inside][largest]),
        low_hz=low_hz,
        high_hz=high_hz,
    )


@dataclass(frozen=True)
class Equalisation:
    """What a take is compared with: the curve of a standard, and which side of the tape the take tells of.

    Parameters
    ----------
    standard : str
        ``iec``, ``nab``, ``iec_type_ii``; ``none`` compares with a flat response, as a whole machine should have.
    side : str
        ``record``: the output is the flux that the record amplifier left on the tape (a flat replay head);
        ``replay``: it comes from the replay amplifier alone (a flat flux).
    """

    standard: str = "none"
    side: Literal["record", "replay"] = "record"

    def curve_db(self, frequency_hz: FloatArray, *, speed_ips: float | None) -> FloatArray:
        """Wanted response, dB, 0 dB at 1 kHz; `ParameterError` where the standard needs a speed that is not given."""
        if self.standard == "none":
            return np.zeros(len(frequency_hz))
        if speed_ips is None:
            raise ParameterError(f"equalisation {self.standard} depends on the tape's speed; give speed_ips")
        flux = flux_curve_db(frequency_hz, standard=self.standard, speed_ips=speed_ips)
        return flux if self.side == "record" else -flux
