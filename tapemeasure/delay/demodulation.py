"""The phase of a tone followed through wow and flutter.

Two steps: a wide band that no speed of a tape leaves, then, turned back by the phase found so far, a narrow one. So a
tone may swing further than the narrow band is wide, and a weak tone is followed in a band as narrow as it needs.
"""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import ComplexArray, FloatArray
from tapemeasure.delay.resolution import bridge
from tapemeasure.dsp.demodulation import demodulate, lowpass_complex

FINE_HZ = 4000.0
"""Points a second of the wide band."""

POINTS = 4
"""Points of the wide band to one of the narrow one."""

WIDE_HZ = 800.0
NARROW_HZ = 200.0
COARSE_HZ = (800.0, 200.0, 50.0)
CLEAR = 7.0
"""Amplitude over its noise from which a phase is followed without slips of whole turns."""

FOLLOWED_HZ = 60.0


@dataclass(frozen=True)
class TonePhase:
    """Tone of a signal, one value every `step_samples` from sample 0 on.

    Parameters
    ----------
    step_samples : int
        Point k stands at sample k * `step_samples`; a point of the wide band at a `POINTS`-th of it.
    phase : ndarray, shape (n_points,)
        Continuous phase in the narrow band, radians, without that of the frequency itself.
    amplitude : ndarray, shape (n_points,)
        Peak amplitude in phase with the tone, full scale 1.0: modulation noise and dropouts stand in it.
    noise : float
        Rms of the noise in the narrow band that is in phase with the tone, full scale 1.0.
    wide_phase, wide_amplitude : ndarray, shape (n_wide,)
        The same in the wide band.
    """

    step_samples: int
    phase: FloatArray
    amplitude: FloatArray
    noise: float
    wide_phase: FloatArray
    wide_amplitude: FloatArray


def narrow_step(sample_rate: float) -> int:
    """Samples from point to point of the narrow band: about a millisecond."""
    return POINTS * max(1, round(sample_rate / FINE_HZ))


def follow_tone(
    samples: FloatArray, *, frequency_hz: float, sample_rate: float, narrow_hz: float = NARROW_HZ
) -> TonePhase:
    """Phase and amplitude of a tone that swings with the speed of a tape, radians and full scale 1.0.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)
        Full scale 1.0.
    frequency_hz : float
        Frequency at the nominal speed, Hz.
    sample_rate : float
        Hz.
    narrow_hz : float
        Highest frequency of the flutter that is followed, at most 200 Hz.

    Notes
    -----
    The wide band holds 800 Hz to each side, no more than 0.4 of the tone's frequency: 3150 Hz may be off by 12 % and
    swing by 12 %. Where the tone stands too little out of that band's noise, its phase is first followed in 200 Hz,
    then in 50 Hz.
    """
    step = narrow_step(sample_rate)
    fine = step // POINTS
    fine_hz = sample_rate / fine
    wide_hz = wide_band_hz(frequency_hz, sample_rate=sample_rate)
    wide = demodulate(samples, frequency_hz=frequency_hz, sample_rate=sample_rate, bandwidth_hz=wide_hz, step=fine)
    coarse = _coarse_phase(wide, rate_hz=fine_hz)
    residual = wide * np.exp(-1j * coarse)
    narrow = lowpass_complex(residual, limit_hz=narrow_hz, rate_hz=fine_hz)[::POINTS]
    amplitude = np.abs(narrow)
    noise = noise_of(amplitude)
    return TonePhase(
        step_samples=step,
        phase=np.unwrap(coarse[::POINTS] + np.angle(narrow)),
        amplitude=amplitude,
        noise=noise,
        wide_phase=coarse + np.angle(residual),
        wide_amplitude=np.abs(wide),
    )


def _coarse_phase(wide: ComplexArray, *, rate_hz: float) -> FloatArray:
    """Slow phase of the tone in the widest band in which it is clear, radians."""
    chosen = wide
    for limit_hz in COARSE_HZ:
        chosen = wide if limit_hz == WIDE_HZ else lowpass_complex(wide, limit_hz=limit_hz, rate_hz=rate_hz)
        amplitude = np.abs(chosen)
        if np.median(amplitude) > CLEAR * noise_of(amplitude):
            break
    amplitude = np.abs(chosen)
    # where there is no tone the phase is the noise's, and the low-pass would spread it
    good = amplitude > 0.5 * np.median(amplitude[amplitude >= np.median(amplitude)])
    phase = bridge(np.unwrap(np.angle(chosen)), good)
    return lowpass_complex(phase, limit_hz=FOLLOWED_HZ, rate_hz=rate_hz).real


def wide_band_hz(frequency_hz: float, *, sample_rate: float) -> float:
    """Half the width of the wide band around a tone, Hz."""
    return min(WIDE_HZ, 0.4 * frequency_hz, 0.8 * (0.5 * sample_rate - frequency_hz))


def noise_of(amplitude: FloatArray, *, points: int = 51) -> float:
    """Noise in phase with the tone, level changes over more than `points` left out: the same noise turns its phase."""
    if len(amplitude) < 64:
        return float(np.std(amplitude))
    from scipy.ndimage import uniform_filter1d

    quick = amplitude - uniform_filter1d(amplitude, points, mode="nearest")
    return float(1.4826 * np.median(np.abs(quick - np.median(quick))))
