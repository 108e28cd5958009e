"""Speed of the tape from a delay trajectory, as a spectrum: differentiated, weighted, and the head gap undone."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import BoolArray, ComplexArray, FloatArray, runs_of
from tapemeasure.errors import ParameterError, SignalError
from tapemeasure.trajectory import DelayTrajectory

PAD_S = 4.0
"""The delay goes on by its own mirror image, fading, for this time on both sides."""

EDGE_S = 0.5
"""Left out of every figure at both ends: there the filters hear the mirror image."""

EDGE_HEADS_S = 1.0
"""The same where the heads are undone: that remembers longer."""

HIGHEST_PART = 0.45
"""Highest frequency of the speed, part of the trajectory's rate."""

UNSURE = 10.0
"""A point whose uncertainty is so many times the usual one is bridged."""

BLIND_GAIN = 0.25
"""Below this gain the record and the play head move together and hide the speed."""

SHOWN_RATE_HZ = 1000.0
MIN_POINTS = 8


@dataclass(frozen=True)
class TapeSpeed:
    """Spectrum of the tape's speed deviation.

    Parameters
    ----------
    frequency_hz : ndarray, shape (n_bins,)
        From 0 up.
    spectrum : ndarray of complex, shape (n_bins,)
        Transform of the relative speed deviation (0.01 = 1 %); 0 in the blind bands and above `bandwidth_hz`.
    noise_gain : ndarray, shape (n_bins,)
        By how much an error of the delay is amplified there, per second.
    blind_bands_hz : tuple of (low, high)
        Bands that the head gap hides, below `bandwidth_hz`, Hz.
    bandwidth_hz : float
        Highest frequency, Hz.
    rate_hz : float
        Points per second of what `filtered` gives.
    valid : ndarray of bool, shape (n_points,)
        Which of those points had evidence.
    sigma_s : float
        Typical standard uncertainty of the delay, seconds; 0 where it is not known.
    delay_rate_hz : float
        Points per second of the trajectory.
    known_s : float
        Time from the first to the last valid point of the delay.
    """

    frequency_hz: FloatArray
    spectrum: ComplexArray
    noise_gain: FloatArray
    blind_bands_hz: tuple[tuple[float, float], ...]
    bandwidth_hz: float
    rate_hz: float
    valid: BoolArray
    sigma_s: float
    delay_rate_hz: float
    known_s: float
    _first: int
    _length: int

    @property
    def duration_s(self) -> float:
        """Length of what `filtered` gives, seconds."""
        return len(self.valid) / self.rate_hz

    def filtered(self, gain: FloatArray) -> FloatArray:
        """Relative speed deviation behind a gain by frequency (zero phase), without the edges; shape (n_points,)."""
        from scipy.fft import irfft

        factor = round(self.rate_hz / self.delay_rate_hz)
        samples = factor * irfft(self.spectrum * gain, self._length * factor)
        return np.asarray(samples[self._first : self._first + len(self.valid)], dtype=np.float64)

    def band(self, low_hz: float, high_hz: float) -> FloatArray:
        """Gain of a band: 1 within, 0 outside."""
        return ((self.frequency_hz >= low_hz) & (self.frequency_hz < high_hz)).astype(np.float64)

    def noise_rms(self, gain: FloatArray) -> float:
        """What the tracker's errors, taken as white, leave behind a gain; relative speed deviation, rms."""
        bin_hz = self.frequency_hz[1]
        density = 2.0 * self.sigma_s**2 / self.delay_rate_hz
        return float(np.sqrt(density * bin_hz * np.sum(np.square(self.noise_gain * gain))))

    def hidden_share(self, gain: FloatArray) -> float:
        """Power that the blind bands hide against the power behind a gain, as if it went on from beside them."""
        power = np.abs(self.spectrum) ** 2
        weight = np.square(gain)
        total = float(np.sum(power * weight))
        hidden = 0.0
        for low_hz, high_hz in self.blind_bands_hz:
            width_hz = high_hz - low_hz
            beside = self.band(low_hz - width_hz, high_hz + width_hz) - self.band(low_hz, high_hz)
            density = float(np.sum(power * beside)) / max(float(np.sum(beside)), 1.0)
            hidden += density * float(np.sum(weight * self.band(low_hz, high_hz)))
        return hidden / total if total > 0.0 else 0.0


def tape_speed(trajectory: DelayTrajectory, *, head_delay_s: float | None = None) -> TapeSpeed:
    """Spectrum of the tape's speed deviation, from the delay of a take.

    Parameters
    ----------
    trajectory : DelayTrajectory
        Points without evidence before the first and behind the last valid one are left out, those between are bridged.
    head_delay_s : float, optional
        Travel time from the record to the play head, where both were used at once; None: recorded, rewound, played.

    Raises
    ------
    SignalError
        If there are fewer than 8 valid points, or the take is not longer than the 1 s that the ends take away.
    ParameterError
        If the head delay is not above 0 s.

    Notes
    -----
    ``-d'`` through the spectrum, exact at every frequency. Off the tape ``-d'(t) = s(t) - s(t - D)``, so the spectrum
    is divided by ``1 - exp(-2j pi f D)``: the same as dividing the delay by ``-D sinc(f D) exp(-j pi f D)``. Where that
    gain lies below 0.25, around every multiple of 1 / D and 0 Hz, the band is blind and left out.
    """
    from scipy.fft import next_fast_len, rfft, rfftfreq

    if head_delay_s is not None and not head_delay_s > 0.0:
        raise ParameterError(f"head_delay_s is {head_delay_s:g} s; give more than 0 s, or None for a rewound tape")
    valid, delay = _core(trajectory)
    rate_hz, n = trajectory.rate_hz, len(delay)
    edge_s = EDGE_S if head_delay_s is None else EDGE_HEADS_S
    edge = round(edge_s * rate_hz)
    if n - 2 * edge < MIN_POINTS:
        raise SignalError(
            f"wow and flutter: the delay is known for {n / rate_hz:.2f} s; give more than {2 * edge_s + 0.1:g} s"
        )
    pad = min(n - 1, round(PAD_S * rate_hz))
    fade = 0.5 - 0.5 * np.cos(np.pi * np.arange(pad) / pad)
    extended = np.pad(delay, pad, mode="reflect", reflect_type="odd")
    extended[:pad] *= fade
    extended[-pad:] *= fade[::-1]
    length = next_fast_len(len(extended), real=True)
    frequency = rfftfreq(length, 1.0 / rate_hz)
    gain = -2j * np.pi * frequency
    seen = np.ones(len(frequency))
    if head_delay_s is not None:
        heads = 1.0 - np.exp(-2j * np.pi * frequency * head_delay_s)
        seen = np.abs(heads)
        gain = np.where(seen >= BLIND_GAIN, gain / np.where(seen >= BLIND_GAIN, heads, 1.0), 0.0)
    bandwidth_hz = HIGHEST_PART * rate_hz
    gain = np.where(frequency < bandwidth_hz, gain, 0.0)
    factor = max(1, int(np.ceil(SHOWN_RATE_HZ / rate_hz)))
    sigma = trajectory.sigma_s[trajectory.valid]
    sigma = sigma[np.isfinite(sigma) & (sigma <= UNSURE * np.median(sigma))]
    return TapeSpeed(
        frequency_hz=np.asarray(frequency, dtype=np.float64),
        spectrum=np.asarray(rfft(extended, length) * gain, dtype=np.complex128),
        noise_gain=np.abs(gain),
        blind_bands_hz=_bands(frequency, (seen < BLIND_GAIN) & (frequency < bandwidth_hz)),
        bandwidth_hz=bandwidth_hz,
        rate_hz=factor * rate_hz,
        valid=np.repeat(valid[edge : n - edge], factor),
        sigma_s=float(np.sqrt(np.mean(sigma**2))) if sigma.size else 0.0,
        delay_rate_hz=rate_hz,
        known_s=n / rate_hz,
        _first=(pad + edge) * factor,
        _length=length,
    )


def _core(trajectory: DelayTrajectory) -> tuple[BoolArray, FloatArray]:
    """Validity and delay from the first to the last valid point, without steps and straight line, seconds."""
    good = np.flatnonzero(trajectory.valid)
    if len(good) < MIN_POINTS:
        raise SignalError(
            f"wow and flutter: the delay is known at {len(good)} points; {MIN_POINTS} are the least, track it again"
        )
    inside = slice(int(good[0]), int(good[-1]) + 1)
    sigma = trajectory.sigma_s[inside]
    # a dropout's edges are known far worse than the rest
    worst = UNSURE * float(np.median(sigma[trajectory.valid[inside]]))
    valid = trajectory.valid[inside] & ((sigma <= worst) | (worst == 0.0))
    delay = (trajectory.delay_s - trajectory.stepped(trajectory.time_s))[inside]
    points = np.arange(len(delay))
    delay = np.interp(points, points[valid], delay[valid])
    place = np.linspace(-1.0, 1.0, len(delay))
    slope, offset = np.polyfit(place[valid], delay[valid], 1)
    return valid, np.asarray(delay - slope * place - offset, dtype=np.float64)


def _bands(frequency_hz: FloatArray, hidden: BoolArray) -> tuple[tuple[float, float], ...]:
    step = float(frequency_hz[1])
    return tuple(
        (max(0.0, float(frequency_hz[first]) - 0.5 * step), float(frequency_hz[stop - 1]) + 0.5 * step)
        for first, stop in runs_of(hidden)
    )
