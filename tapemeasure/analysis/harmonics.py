"""Harmonic distortion against frequency, from one synchronised sweep."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.analysis.distortion import HIDDEN_DB, MAX_ORDER
from tapemeasure.analysis.sweep import SweepImpulses
from tapemeasure.arrays import FloatArray
from tapemeasure.dsp.spectra import octave_grid, smooth_octaves
from tapemeasure.errors import ParameterError

POINTS_PER_OCTAVE = 24
GATE_PERIODS = 1.0 / (2.0 ** (1.0 / POINTS_PER_OCTAVE) - 1.0)
"""Periods of the harmonic after which a cut tells neighbouring points of the grid apart."""
SHORTEST_GATE_S = 0.024


@dataclass(frozen=True)
class HarmonicResponse:
    """One harmonic against the frequency of the fundamental.

    Parameters
    ----------
    name : str
        Segment of the sweep.
    level_dbfs : float
        Peak level of the sweep.
    order : int
        2 for the second harmonic.
    frequency_hz : ndarray, shape (n_points,)
        Of the fundamental.
    magnitude_db : ndarray, shape (n_points,)
        Harmonic relative to the output's fundamental; NaN where it does not stand 6 dB above the noise.
    floor_db : ndarray, shape (n_points,)
        What noise alone would read.
    sigma_db : ndarray, shape (n_points,)
        Standard uncertainty of the magnitude, from that noise; NaN where there is no magnitude.
    """

    name: str
    level_dbfs: float
    order: int
    frequency_hz: FloatArray
    magnitude_db: FloatArray
    floor_db: FloatArray
    sigma_db: FloatArray


def harmonic_responses(
    impulses: SweepImpulses, *, harmonics: int = 5, smoothing_octaves: float = 1.0 / 12.0, name: str, level_dbfs: float
) -> tuple[HarmonicResponse, ...]:
    """Harmonics 2..N relative to the fundamental, against the fundamental's frequency.

    Parameters
    ----------
    impulses : SweepImpulses
        Of `tapemeasure.analysis.sweep.deconvolve_sweep`.
    harmonics : int
        Highest order, 2..9.
    smoothing_octaves : float
        Width over which the power is averaged; 0 for none.
    name, level_dbfs : str, float
        Carried into the results.

    Raises
    ------
    ParameterError
        If `harmonics` is outside 2..9.

    Notes
    -----
    The response of order m lies ``L ln m`` before the linear one; it is cut out between its neighbours, the shorter the
    higher the frequency (34 periods, at least 24 ms), so that neighbouring points are just told apart. The noise floor
    comes from the stretch between an order and the next lower one. A reading ends where the harmonic reaches 95 % of
    the swept band's upper end, and begins where the cut holds two periods of the harmonic. For a polynomial
    nonlinearity and a 5 s sweep the error is below 0.1 dB; through wow and flutter (10 s sweep of -6 dBFS, third
    harmonic at -34 dB, hiss of -60 dBFS) it is 0.06 dB rms unsmoothed.
    """
    if not 2 <= harmonics <= MAX_ORDER:
        raise ParameterError(f"harmonics = {harmonics}; give a highest order from 2 to {MAX_ORDER}")
    spectrum, wire, _ = impulses.linear()
    # at most 60 dB of correction, outside of the swept band
    power = np.abs(spectrum) ** 2 / np.maximum(np.abs(wire) ** 2, 1e-6)
    results = []
    for order in range(2, harmonics + 1):
        result = _one_order(impulses, power, order=order, octaves=smoothing_octaves)
        if result is not None:
            results.append(HarmonicResponse(name, level_dbfs, order, *result))
    return tuple(results)


def _one_order(
    impulses: SweepImpulses, fundamental_power: FloatArray, *, order: int, octaves: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray] | None:
    """Frequencies, magnitude, floor and uncertainty of an order; None where the sweep leaves no band for it."""
    centre_s = -impulses.sweep.harmonic_lead_s(order)
    below_s = impulses.sweep.harmonic_lead_s(order) - impulses.sweep.harmonic_lead_s(order - 1)
    above_s = impulses.sweep.harmonic_lead_s(order + 1) - impulses.sweep.harmonic_lead_s(order)
    left_s, right_s = min(0.15 * above_s, 0.05), min(0.45 * below_s, 0.15)
    low_hz = max(impulses.sweep.start_hz, 2.0 / ((left_s + right_s) * order))
    high_hz = 0.95 * impulses.sweep.stop_hz / order
    if high_hz <= low_hz:
        return None
    noise, noise_energy = impulses.cut(centre_s=centre_s + 0.5 * below_s, left_s=0.15 * below_s, right_s=0.15 * below_s)
    grid = octave_grid(low_hz=low_hz, high_hz=high_hz, per_octave=POINTS_PER_OCTAVE)
    reference = smooth_octaves(fundamental_power, bin_hz=impulses.bin_hz, at_hz=grid, octaves=octaves)
    noise_power = smooth_octaves(np.abs(noise) ** 2, bin_hz=impulses.bin_hz, at_hz=grid * order, octaves=1.0 / 3.0)
    level, floor, readings = np.empty(len(grid)), np.empty(len(grid)), np.ones(len(grid))
    for first in range(0, len(grid), POINTS_PER_OCTAVE):
        octave = slice(first, first + POINTS_PER_OCTAVE)
        # no longer than the distance of two points asks for: a longer cut holds no more than noise
        length_s = max(GATE_PERIODS / (grid[first] * order), SHORTEST_GATE_S)
        harmonic, energy, bin_hz = impulses.short(
            centre_s=centre_s, left_s=min(left_s, 0.25 * length_s), right_s=min(right_s, 0.75 * length_s)
        )
        level[octave] = smooth_octaves(
            np.abs(harmonic) ** 2, bin_hz=bin_hz, at_hz=grid[octave] * order, octaves=octaves
        )
        floor[octave] = noise_power[octave] * energy / noise_energy
        # as many readings as the cut's length tells apart within the smoothing
        width_hz = octaves * np.log(2.0) * grid[octave] * order
        readings[octave] = np.maximum(1.0, width_hz * energy / impulses.sample_rate)
    with np.errstate(divide="ignore", invalid="ignore"):
        magnitude_db = 10.0 * np.log10(level / reference)
        floor_db = 10.0 * np.log10(floor / reference)
    told = np.isfinite(magnitude_db) & (magnitude_db > floor_db + HIDDEN_DB)
    with np.errstate(divide="ignore", invalid="ignore"):
        # the noise turns about the harmonic: half of its power moves the magnitude
        sigma_db = 20.0 / np.log(10.0) * np.sqrt(floor / (2.0 * level * readings))
    known = np.isfinite(floor_db)
    return (
        grid,
        np.where(told, magnitude_db, np.nan),
        np.where(known, floor_db, np.nan),
        np.where(told, sigma_db, np.nan),
    )
