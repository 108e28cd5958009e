"""Intermodulation of two tones: modulation of a high tone by a low one, or difference tones of two high ones."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tapemeasure.analysis.tone_check import require_tone
from tapemeasure.analysis.tone_noise import tones_and_noise
from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.spectra import tone_amplitudes
from tapemeasure.errors import MismatchError, SignalError
from tapemeasure.units import db_from_amplitude

MODULATION_RATIO = 4.0
"""From this ratio of the frequencies on the low tone modulates the high one; below it difference tones are read."""
MIN_PERIODS = 20.0
HIDDEN_SIGMAS = 3.0


@dataclass(frozen=True)
class IntermodulationProduct:
    """One product; `order` 2 or 3, `amplitude` its peak value (full scale 1.0), `noise_amplitude` what noise reads."""

    order: int
    frequency_hz: float
    amplitude: float
    noise_amplitude: float


@dataclass(frozen=True)
class Intermodulation:
    """Intermodulation of a pair of tones.

    Parameters
    ----------
    method : str
        ``modulation`` (60 + 7000 Hz, 250 + 8000 Hz) or ``difference`` (19 + 20 kHz).
    lower_hz, upper_hz : float
        The two tones.
    level_dbfs, output_dbfs, output_sigma_db : float
        Peak level of the pair (sum of the two amplitudes) in the stimulus and in the output.
    second_order_pct, third_order_pct : float or None
        Products of each order against the reference, noise subtracted; None where hidden in noise, or where a
        product lies above half the sample rate.
    second_sigma_pct, third_sigma_pct : float
        Their standard uncertainty (noise beside the products); with a None above it is what noise alone reads.
    total_pct, total_sigma_pct : float or None
        Root of the sum of the squares of both orders; None where neither is told.
    products : tuple of IntermodulationProduct
        Every line that was read.
    """

    method: Literal["modulation", "difference"]
    lower_hz: float
    upper_hz: float
    level_dbfs: float
    output_dbfs: float
    output_sigma_db: float
    second_order_pct: float | None
    second_sigma_pct: float
    third_order_pct: float | None
    third_sigma_pct: float
    total_pct: float | None
    total_sigma_pct: float | None
    products: tuple[IntermodulationProduct, ...]


def intermodulation(
    stimulus: FloatArray, output: FloatArray, *, sample_rate: int, frequencies_hz: tuple[float, float]
) -> Intermodulation:
    """Second and third order intermodulation of a pair of tones, per cent.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples,)
        The steady part of the pair (no fades), the output's delay undone.
    sample_rate : int
        Hz.
    frequencies_hz : tuple of two floats
        The tones, in any order.

    Raises
    ------
    MismatchError
        If the lengths differ.
    SignalError
        If the pair is not in the stimulus, the record holds fewer than 20 periods of the lower tone (or of the
        difference of the two), or the output holds the tones at other frequencies or not at all.

    Notes
    -----
    ``modulation``, f2 >= 4 f1: of order 2 are the lines ``f2 +- f1``, of order 3 ``f2 +- 2 f1``; the two amplitudes of
    an order are added and set against that of f2 in the output. ``difference``: of order 2 is ``f2 - f1``, of order 3
    are ``2 f1 - f2`` and ``2 f2 - f1``, against the sum of both tones in the output. Windowed least squares at the
    exact frequencies; exact for steady tones. Flutter that the alignment left makes sidebands of its own only where
    its rate equals f1.

    Examples
    --------
    >>> time_s = np.arange(44100) / 44100
    >>> pair = 0.4 * np.sin(2 * np.pi * 60 * time_s) + 0.1 * np.sin(2 * np.pi * 7000 * time_s)
    >>> bent = pair + 0.1 * pair**2
    >>> found = intermodulation(pair, bent, sample_rate=44100, frequencies_hz=(60.0, 7000.0))
    >>> round(found.second_order_pct, 4)
    8.0
    """
    lower_hz, upper_hz = sorted(frequencies_hz)
    _check(stimulus, output, sample_rate=sample_rate, lower_hz=lower_hz, upper_hz=upper_hz)
    tones = [lower_hz, upper_hz]
    played = np.abs(tone_amplitudes(stimulus, sample_rate=sample_rate, frequencies_hz=tones))
    if min(played) == 0.0 or float(np.sum(played**2)) < np.mean(np.square(stimulus)):
        raise SignalError(f"pair: the stimulus does not hold {lower_hz:g} and {upper_hz:g} Hz; check the timeline")
    method: Literal["modulation", "difference"] = (
        "modulation" if upper_hz >= MODULATION_RATIO * lower_hz else "difference"
    )
    lines = _lines(method, lower_hz, upper_hz)
    inside = [(order, line_hz) for order, line_hz in lines if line_hz < 0.49 * sample_rate]
    read_hz = np.array([*tones, *(line_hz for _, line_hz in inside)])
    amplitudes, noise = tones_and_noise(output, sample_rate=sample_rate, tones_hz=read_hz)
    heard = np.abs(amplitudes)
    products = tuple(
        IntermodulationProduct(order, line_hz, float(heard[2 + index]), float(noise[2 + index]))
        for index, (order, line_hz) in enumerate(inside)
    )
    reference = float(heard[1]) if method == "modulation" else float(heard[0] + heard[1])
    if reference <= 4.0 * noise[1]:
        raise SignalError(f"pair: {upper_hz:g} Hz stands less than 12 dB above the noise of the output; play it louder")
    of_order = {order: _order(products, order, lines=lines, reference=reference) for order in (2, 3)}
    total_pct, total_sigma_pct = _total(of_order)
    output_sigma_db = (
        20.0 / float(np.log(10.0)) * float(np.hypot(*noise[:2])) / (np.sqrt(2.0) * float(np.sum(heard[:2])))
    )
    return Intermodulation(
        method, lower_hz, upper_hz, db_from_amplitude(float(np.sum(played))),
        db_from_amplitude(float(heard[0] + heard[1])), output_sigma_db, *of_order[2], *of_order[3], total_pct,
        total_sigma_pct, products,
    )  # fmt: skip


def _lines(method: str, lower_hz: float, upper_hz: float) -> list[tuple[int, float]]:
    """Order and frequency of every product that counts."""
    if method == "modulation":
        return [(1 + m, upper_hz + sign * m * lower_hz) for m in (1, 2) for sign in (-1, 1)]
    return [(2, upper_hz - lower_hz), (3, 2.0 * lower_hz - upper_hz), (3, 2.0 * upper_hz - lower_hz)]


def _order(
    products: tuple[IntermodulationProduct, ...], order: int, *, lines: list[tuple[int, float]], reference: float
) -> tuple[float | None, float]:
    """Sum of the products of an order and its uncertainty, per cent of the reference."""
    own = [product for product in products if product.order == order]
    noise = np.array([product.noise_amplitude for product in own])
    # the rms amplitude of noise counts both of its parts, an amplitude feels the one in phase
    sigma_pct = 100.0 * float(np.sqrt(0.5 * np.sum(noise**2))) / reference
    if len(own) < sum(1 for line_order, _ in lines if line_order == order):
        return None, sigma_pct
    power = np.array([product.amplitude for product in own]) ** 2 - noise**2
    amplitude = float(np.sum(np.sqrt(np.maximum(power, 0.0))))
    value_pct = 100.0 * amplitude / reference
    return (value_pct if value_pct > HIDDEN_SIGMAS * np.sqrt(2.0) * sigma_pct else None), sigma_pct


def _total(of_order: dict[int, tuple[float | None, float]]) -> tuple[float | None, float | None]:
    told = [(value, sigma) for value, sigma in of_order.values() if value is not None]
    if not told:
        return None, None
    values, sigmas = np.array(told).T
    total = float(np.sqrt(np.sum(values**2)))
    return total, float(np.sqrt(np.sum((values * sigmas) ** 2)) / total)


def _check(stimulus: FloatArray, output: FloatArray, *, sample_rate: int, lower_hz: float, upper_hz: float) -> None:
    if len(stimulus) != len(output):
        raise MismatchError(f"pair: stimulus {len(stimulus)} samples, output {len(output)}; align the output first")
    needed_hz = min(lower_hz, upper_hz - lower_hz)
    periods = len(stimulus) * needed_hz / sample_rate
    if periods < MIN_PERIODS or upper_hz >= 0.49 * sample_rate:
        raise SignalError(
            f"pair of {lower_hz:g} and {upper_hz:g} Hz: {len(stimulus) / sample_rate:.3f} s at {sample_rate} Hz; it "
            f"needs {MIN_PERIODS:g} periods of {needed_hz:g} Hz and tones below 0.49 of the sample rate"
        )
    if not (np.isfinite(output).all() and np.any(output)):
        raise SignalError("pair: the output is silent or not finite; check the cable, the level and the channel")
    # of a close pair either tone may be the stronger one
    if upper_hz >= MODULATION_RATIO * lower_hz:
        require_tone(output, sample_rate=sample_rate, frequency_hz=upper_hz)
