"""Azimuth: how much later one track is than the other, on the average and from moment to moment."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tapemeasure.analysis.spread import mean_of_blocks, rms_figure
from tapemeasure.arrays import ComplexArray, FloatArray
from tapemeasure.dsp.spectra import frames_of, hann
from tapemeasure.errors import MismatchError, ParameterError, SignalError

FRAME_S = 0.02
"""The tape skews slowly: up to some 10 Hz."""

MAX_DELAY_S = 1e-3
"""Tracks further apart than this have no azimuth but another delay."""

BLOCK_S = 1.0
MIN_FRAMES = 20
LOWEST_HZ = 200.0
HIGHEST_PART = 0.4
METRES_PER_INCH = 0.0254


@dataclass(frozen=True)
class Azimuth:
    """Delay of the second track behind the first.

    Parameters
    ----------
    static_us, static_sigma_us : float
        Mean, microseconds.
    dynamic_us, dynamic_sigma_us : float
        Rms about the mean, errors of the measurement taken off.
    dynamic_peak_to_peak_us : float
        Largest minus smallest, errors included.
    static_urad, dynamic_urad : float or None
        The same as an angle of the gap against the track, microradians; None without speed and distance.
    duration_s : float
        Evaluated time.
    """

    static_us: float
    static_sigma_us: float
    dynamic_us: float
    dynamic_sigma_us: float
    dynamic_peak_to_peak_us: float
    dynamic_peak_to_peak_sigma_us: float
    static_urad: float | None
    static_sigma_urad: float | None
    dynamic_urad: float | None
    dynamic_sigma_urad: float | None
    duration_s: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values, units in the keys."""
        return asdict(self)


def measure_azimuth(
    first: FloatArray,
    second: FloatArray,
    *,
    sample_rate: float,
    speed_ips: float | None = None,
    track_distance_mm: float | None = None,
    crosstalk_db: float | None = None,
) -> Azimuth:
    """Delay of the second track behind the first, microseconds, static and dynamic, where both carry the same signal.

    Parameters
    ----------
    first, second : ndarray, shape (n_samples,)
        Both tracks over the same time, full scale 1.0: the same tone, noise or programme was recorded on both.
    sample_rate : float
        Hz.
    speed_ips, track_distance_mm : float, optional
        Tape speed and distance of the tracks' middles: both given, angles are told too.
    crosstalk_db : float, optional
        Leak of each track into the other one, in phase, below 0 dB: it draws the two together and is undone first.

    Raises
    ------
    MismatchError
        If the lengths differ.
    SignalError
        If a track is silent, the tracks have nothing in common, or the take is shorter than 0.25 s.
    ParameterError
        If speed or distance is not above 0, or the crosstalk not below 0 dB.

    Notes
    -----
    Slope through the origin of the inter-channel phase from 200 Hz to 0.4 of the sample rate, weighted with the cross
    spectrum, in Hann frames of 20 ms. A steady phase difference of the amplifiers counts as azimuth. One tone tells the
    delay modulo its period.
    """
    if len(first) != len(second):
        raise MismatchError(f"azimuth: the tracks have {len(first)} and {len(second)} samples; give the same time")
    if crosstalk_db is not None:
        if not crosstalk_db < 0.0:
            raise ParameterError(f"crosstalk_db is {crosstalk_db:g} dB; give less than 0 dB")
        leak = 10.0 ** (crosstalk_db / 20.0)
        first, second = first - leak * second, second - leak * first
    n = round(FRAME_S * sample_rate) // 2 * 2
    if len(first) < (MIN_FRAMES + 1) * n // 2:
        raise SignalError(f"azimuth: {len(first) / sample_rate:.2f} s of signal; give at least 0.25 s")
    left, right = (
        np.fft.rfft(frames_of(samples, length_samples=n, hop_samples=n // 2) * hann(n), axis=1)
        for samples in (first, second)
    )
    frequency = np.arange(n // 2 + 1) * sample_rate / n
    used = (frequency >= LOWEST_HZ) & (frequency <= HIGHEST_PART * sample_rate)
    cross = (right * np.conj(left))[:, used]
    total = np.sum(cross, axis=0)
    power = np.sqrt(np.sum(np.abs(left[:, used]) ** 2) * np.sum(np.abs(right[:, used]) ** 2))
    if power == 0.0 or float(np.sum(np.abs(total))) < 0.3 * power:
        raise SignalError("azimuth: the two tracks have too little in common; record the same signal on both")
    omega = 2.0 * np.pi * frequency[used]
    static_s = _coarse_delay(total, used=used, n=n, sample_rate=sample_rate)
    for _ in range(3):
        static_s += float(_slopes(total[np.newaxis] * np.exp(1j * omega * static_s), omega)[0])
    delays = static_s + _slopes(cross * np.exp(1j * omega * static_s), omega)
    loud = np.sum(np.abs(cross), axis=1)
    good = loud > 1e-3 * float(np.max(loud))
    return _summary(
        delays[good],
        rate_hz=2.0 * sample_rate / n,
        speed_ips=speed_ips,
        track_distance_mm=track_distance_mm,
    )


def _coarse_delay(total: ComplexArray, *, used: FloatArray | Any, n: int, sample_rate: float) -> float:
    """Delay at the highest peak of the cross-correlation within a millisecond, the nearest to 0 of equal ones."""
    spectrum = np.zeros(n // 2 + 1, dtype=np.complex128)
    spectrum[used] = total
    factor = 8
    correlation = np.fft.irfft(spectrum, factor * n)
    reach = round(MAX_DELAY_S * factor * sample_rate)
    lags = np.arange(-reach, reach + 1)
    # a tone has many equal peaks
    values = correlation[lags] * (1.0 - 0.2 * np.abs(lags) / reach)
    return float(lags[int(np.argmax(values))]) / (factor * sample_rate)


def _slopes(cross: ComplexArray, omega: FloatArray) -> FloatArray:
    """Delay that the phase of each row's cross spectrum tells, seconds; the phase is small."""
    weight = np.abs(cross)
    bottom = np.maximum(np.sum(weight * omega**2, axis=1), 1e-300)
    return np.asarray(-np.sum(weight * omega * np.angle(cross), axis=1) / bottom, dtype=np.float64)


def _summary(
    delays_s: FloatArray, *, rate_hz: float, speed_ips: float | None, track_distance_mm: float | None
) -> Azimuth:
    for name, value in (("speed_ips", speed_ips), ("track_distance_mm", track_distance_mm)):
        if value is not None and not value > 0.0:
            raise ParameterError(f"{name} is {value:g}; give more than 0")
    block = max(1, round(BLOCK_S * rate_hz))
    parts = np.array_split(delays_s, max(2, len(delays_s) // block))
    static = mean_of_blocks(np.array([np.mean(part) for part in parts]))
    dynamic = rms_figure(delays_s, block_samples=block)
    # second differences leave slow skew out; of errors that are 0.086 alike from frame to frame, as those of half
    # overlapped Hann frames are, they have 5.31 times the variance
    error = float(np.median(np.abs(np.diff(delays_s, 2)))) / 0.6745 / np.sqrt(5.31)
    rms = float(np.sqrt(max(dynamic.value**2 - error**2, 0.0)))
    sigma = float(np.hypot(dynamic.sigma, dynamic.value - rms))
    urad = None
    if speed_ips is not None and track_distance_mm is not None:
        urad = METRES_PER_INCH * speed_ips / (1e-3 * track_distance_mm)
    return Azimuth(
        static_us=1e6 * static.value,
        static_sigma_us=1e6 * static.sigma,
        dynamic_us=1e6 * rms,
        dynamic_sigma_us=1e6 * sigma,
        dynamic_peak_to_peak_us=1e6 * float(np.ptp(delays_s)),
        # each end is the largest of many, and holds the errors of a frame
        dynamic_peak_to_peak_sigma_us=1e6 * float(np.sqrt(2.0) * np.hypot(error, dynamic.sigma)),
        static_urad=None if urad is None else 1e6 * static.value * urad,
        static_sigma_urad=None if urad is None else 1e6 * static.sigma * urad,
        dynamic_urad=None if urad is None else 1e6 * rms * urad,
        dynamic_sigma_urad=None if urad is None else 1e6 * sigma * urad,
        duration_s=len(delays_s) / rate_hz,
    )
