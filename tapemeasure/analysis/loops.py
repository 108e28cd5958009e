"""Hysteresis loops: output against input over one period of a tone, the linear way of the machine taken out."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.analysis.response import Response
from tapemeasure.analysis.tone_check import require_played_tone
from tapemeasure.analysis.tone_noise import tones_and_noise
from tapemeasure.arrays import ComplexArray, FloatArray
from tapemeasure.errors import SignalError
from tapemeasure.units import db_from_amplitude

POINTS = 512
HIGHEST_ORDER = 25
MIN_ORDERS = 3
_TOLD = 2.0
"""A harmonic belongs to the loop where it stands this many times above the noise beside it."""


@dataclass(frozen=True)
class HysteresisLoop:
    """Output against input of a tone.

    Parameters
    ----------
    frequency_hz, level_dbfs : float
        Of the tone; peak level of the stimulus.
    input, output : ndarray, shape (512,)
        One period from the input's crest on, full scale 1.0; the output as loud as it came back at this frequency.
    sigma : float
        Standard uncertainty of a point of the output (noise).
    orders : tuple of int
        Harmonics that the loop is made of; the others were hidden in noise or outside the response.
    remanence, remanence_sigma : float
        Output where the input is zero, as a part of the output's peak (mean of both branches; positive: the output
        keeps what the input was), and its standard uncertainty.
    coercive_level, coercive_sigma : float
        Input that brings the output to zero, as a part of the input's peak, and its standard uncertainty.
    """

    frequency_hz: float
    level_dbfs: float
    input: FloatArray
    output: FloatArray
    sigma: float
    orders: tuple[int, ...]
    remanence: float
    remanence_sigma: float
    coercive_level: float
    coercive_sigma: float


def hysteresis_loop(
    stimulus: FloatArray, output: FloatArray, *, sample_rate: int, frequency_hz: float, response: Response
) -> HysteresisLoop:
    """Hysteresis loop of a tone, with the machine's linear magnitude and phase undone.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples,)
        The steady part of the tone (no fades), the output's delay undone.
    sample_rate : int
        Hz.
    frequency_hz : float
        Of the tone; its third harmonic must lie within the response.
    response : Response
        Linear response of the same take (a soft sweep), its delay undone by the same trajectory.

    Raises
    ------
    MismatchError
        If the lengths differ.
    SignalError
        If the record holds fewer than 20 periods, the tone is not in stimulus or output, or the response does not tell
        the tone and its third harmonic.

    Notes
    -----
    Harmonics 1..25 by windowed least squares, each divided by the response at its own frequency (relative to its
    magnitude at the tone), and put together again. What is left is what the machine does beyond its linear response at
    the level of that sweep: a linear machine gives a straight line. Equalisation behind the tape is undone exactly;
    that before the tape is not, because it acts on the fundamental alone. The uncertainties count the noise and the
    phase of the response.

    References
    ----------
    .. [1] G. Bertotti, "Hysteresis in magnetism", 1998.
    """
    played = require_played_tone(stimulus, output, sample_rate=sample_rate, frequency_hz=frequency_hz)
    if not np.any(output):
        raise SignalError("loop: the output is silent; check the cable, the level and the channel")
    orders, linear = _linear(response, frequency_hz=frequency_hz, sample_rate=sample_rate)
    amplitudes, noise = tones_and_noise(output, sample_rate=sample_rate, tones_hz=orders * frequency_hz)
    told = np.abs(amplitudes) > _TOLD * noise
    if not told[0]:
        raise SignalError(f"loop: {frequency_hz:g} Hz is hidden in the noise of the output; play it louder")
    orders, linear = orders[told], linear[told]
    # phases from the crest of the input on
    phasors = amplitudes[told] / linear * (abs(played) / played) ** orders
    turn = 2.0 * np.pi * np.arange(POINTS) / POINTS
    heard = np.real(np.exp(1j * np.outer(turn, orders)) @ phasors)
    sigma = float(np.sqrt(0.5 * np.sum((noise[told] / np.abs(linear)) ** 2)))
    peak = float(np.max(np.abs(heard)))
    remanence = 0.5 * (_at(heard, 0.25) - _at(heard, 0.75)) / peak
    coercive = 0.5 * (_zero_input(turn, heard, rising=True) - _zero_input(turn, heard, rising=False))
    phase_sigma = _phase_sigma(response, frequency_hz=frequency_hz)
    # of two points that lie half a period apart; and what lies beyond the last harmonic is less than it
    noise_sigma = float(np.hypot(sigma / np.sqrt(2.0), abs(phasors[-1]))) / peak
    steepness = max(abs(float(np.gradient(heard, turn[1])[POINTS // 4])) / peak, 1e-3)
    return HysteresisLoop(
        frequency_hz=frequency_hz,
        level_dbfs=db_from_amplitude(abs(played)),
        input=abs(played) * np.cos(turn),
        output=heard,
        sigma=sigma,
        orders=tuple(int(order) for order in orders),
        remanence=float(remanence),
        remanence_sigma=float(np.hypot(noise_sigma, phase_sigma)),
        coercive_level=float(coercive),
        coercive_sigma=float(np.hypot(noise_sigma / steepness, abs(played) * phase_sigma)),
    )


def _phase_sigma(response: Response, *, frequency_hz: float) -> float:
    """Uncertainty of the response's phase at a frequency, radians."""
    if response.phase_sigma_deg is None:
        return float(np.log(10.0) / 20.0 * np.interp(frequency_hz, response.frequency_hz, response.sigma_db))
    return float(np.radians(np.interp(frequency_hz, response.frequency_hz, response.phase_sigma_deg)))


def _linear(response: Response, *, frequency_hz: float, sample_rate: int) -> tuple[FloatArray, ComplexArray]:
    """Orders that the response tells, and the response at each, relative to its magnitude at the tone."""
    orders = np.arange(1.0, HIGHEST_ORDER + 1.0)
    orders = orders[orders * frequency_hz < 0.45 * sample_rate]
    position, at = np.log(response.frequency_hz), np.log(orders * frequency_hz)
    magnitude_db = np.interp(at, position, response.magnitude_db, left=np.nan, right=np.nan)
    phase_deg = np.interp(at, position, response.phase_deg, left=np.nan, right=np.nan)
    known = np.isfinite(magnitude_db) & np.isfinite(phase_deg)
    if len(orders) < MIN_ORDERS or not known[0] or not known[2]:
        raise SignalError(
            f"loop: the response does not tell {frequency_hz:g} Hz and {3.0 * frequency_hz:g} Hz; take a lower tone, "
            "or a response from a sweep"
        )
    relative = 10.0 ** ((magnitude_db[known] - magnitude_db[0]) / 20.0) * np.exp(1j * np.radians(phase_deg[known]))
    return orders[known], np.asarray(relative, dtype=np.complex128)


def _at(values: FloatArray, turns: float) -> float:
    return float(values[round(turns * POINTS) % POINTS])


def _zero_input(turn: FloatArray, heard: FloatArray, *, rising: bool) -> float:
    """Input, as a part of its peak, at which the output passes zero in a direction; 0 where it never does."""
    following = np.roll(heard, -1)
    crossing = (heard < 0.0) & (following >= 0.0) if rising else (heard >= 0.0) & (following < 0.0)
    places = np.flatnonzero(crossing)
    if len(places) == 0:
        return 0.0
    # noise may cross several times: the one nearest to where a straight line would
    wanted = 0.75 * POINTS if rising else 0.25 * POINTS
    index = int(places[np.argmin(np.abs(places - wanted))])
    share = heard[index] / (heard[index] - following[index])
    return float(np.cos(turn[index] + share * turn[1]))
