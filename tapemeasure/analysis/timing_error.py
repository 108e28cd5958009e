"""What an uncertain delay does to the measures of an aligned take: it turns phases, moves magnitudes, takes treble."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.analysis.response import Response, make_response
from tapemeasure.arrays import FloatArray
from tapemeasure.trajectory import DelayTrajectory

RATES = 64
"""Rates of the error that are looked at one by one."""

UNSURE = 10.0
"""Points so many times less certain than usual are bridged, not used."""

DB_PER_NEPER = 20.0 / float(np.log(10.0))


@dataclass(frozen=True)
class TimingError:
    """Error of the delay that was undone, taken as white noise up to half of the trajectory's rate.

    Parameters
    ----------
    sigma_s : float
        Standard uncertainty of the delay, seconds; 0: exact.
    bandwidth_hz : float
        Highest rate of the error.
    """

    sigma_s: float = 0.0
    bandwidth_hz: float = 50.0

    def loss_db(self, frequency_hz: FloatArray | float) -> FloatArray:
        """By how much the mean of a tone's amplitude falls because its phase jitters, dB; to second order."""
        turned = np.square(2.0 * np.pi * np.asarray(frequency_hz, dtype=np.float64) * self.sigma_s)
        return np.asarray(0.5 * DB_PER_NEPER * turned, dtype=np.float64)


@dataclass(frozen=True)
class SweepTiming:
    """Error of the delay behind a sweep.

    Parameters
    ----------
    error : TimingError
        Of the trajectory.
    time_constant_s : float
        L of the sweep, whose frequency grows e-fold in that time.
    slowest_hz, carrier_hz : float
        Faster errors than the first are taken out of the sweep itself where its frequency is above the second.
    fast_s : float
        Rms of what was taken out there: below that frequency it is still in the sweep.
    octaves : float
        Width over which the response is averaged.
    """

    error: TimingError
    time_constant_s: float
    slowest_hz: float
    carrier_hz: float
    fast_s: float
    octaves: float

    def sigma_nepers(self, frequency_hz: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Uncertainty of a response's magnitude (nepers) and phase (radians).

        Notes
        -----
        An error of rate m and amplitude A is a phase modulation of ``2 pi f A`` with sidebands at ``f +- m``, which the
        sweep plays ``L m / f`` earlier and later. At one frequency they meet turned by ``pi L m^2 / f``: the sine of
        that moves the magnitude, its cosine the phase.
        """
        magnitude, phase = np.zeros(len(frequency_hz)), np.zeros(len(frequency_hz))
        for sigma_s, rates in self._errors():
            turn = np.pi * self.time_constant_s * np.square(rates) / frequency_hz[:, np.newaxis]
            swing = 2.0 * np.pi * frequency_hz[:, np.newaxis] * self._averaged(rates)
            told = (frequency_hz < self.carrier_hz) | (rates[-1] <= self.slowest_hz)
            magnitude += told * sigma_s**2 * np.mean(np.square(swing * np.sin(turn)), axis=1)
            phase += told * sigma_s**2 * np.mean(np.square(swing * np.cos(turn)), axis=1)
        return np.sqrt(magnitude), np.sqrt(phase)

    def delay_sigma_s(self, angular: FloatArray, weights: FloatArray) -> float:
        """Uncertainty of a weighted sum of phases at angular frequencies of the sweep, such as a group delay."""
        moments = self.time_constant_s * np.log(angular)
        variance = 0.0
        for sigma_s, rates in self._errors():
            if rates[-1] <= self.slowest_hz or float(np.mean(angular)) < 2.0 * np.pi * self.carrier_hz:
                turned = np.exp(2j * np.pi * rates[:, np.newaxis] * moments) @ (weights * angular)
                variance += sigma_s**2 * float(np.mean(np.square(np.abs(turned) * self._averaged(rates))))
        return float(np.sqrt(variance))

    def _errors(self) -> tuple[tuple[float, FloatArray], tuple[float, FloatArray]]:
        """Rms and rates (Hz) of the slow error, and of the fast one."""
        parts = (np.arange(RATES) + 0.5) / RATES
        top_hz = min(self.slowest_hz, self.error.bandwidth_hz)
        slow_s = self.error.sigma_s * float(np.sqrt(top_hz / self.error.bandwidth_hz))
        fastest_hz = max(2.0 * self.error.bandwidth_hz, 2.0 * top_hz)
        return (slow_s, top_hz * parts), (self.fast_s, top_hz + (fastest_hz - top_hz) * parts)

    def _averaged(self, rates_hz: FloatArray) -> FloatArray:
        return np.asarray(np.sinc(rates_hz * self.time_constant_s * np.log(2.0) * self.octaves), dtype=np.float64)


def timing_of(trajectory: DelayTrajectory | None) -> TimingError:
    """Error that a trajectory states of itself; none without one."""
    if trajectory is None:
        return TimingError()
    sigma = trajectory.sigma_s[trajectory.valid & np.isfinite(trajectory.sigma_s)]
    sigma = sigma[sigma <= UNSURE * np.median(sigma)] if sigma.size else sigma
    if not sigma.size:
        return TimingError()
    return TimingError(float(np.sqrt(np.mean(sigma**2))), 0.5 * trajectory.rate_hz)


def with_timing(response: Response, *, magnitude_nepers: FloatArray, phase_rad: FloatArray) -> Response:
    """Response whose uncertainties hold those that the delay adds."""
    degrees = np.degrees(response.sigma_db / DB_PER_NEPER)
    return make_response(
        source=response.source,
        name=response.name,
        level_dbfs=response.level_dbfs,
        frequency_hz=response.frequency_hz,
        magnitude_db=response.magnitude_db,
        phase_deg=response.phase_deg,
        sigma_db=np.hypot(response.sigma_db, DB_PER_NEPER * magnitude_nepers),
        phase_sigma_deg=np.hypot(degrees, np.degrees(phase_rad)),
    )


def with_loss(response: Response, timing: TimingError) -> Response:
    """Response of tones or programme whose uncertainty holds the treble that the jitter of the delay takes away."""
    loss = timing.loss_db(response.frequency_hz) / DB_PER_NEPER
    return with_timing(response, magnitude_nepers=loss, phase_rad=np.zeros(len(loss)))
