"""A tone brought to 0 Hz: its complex amplitude over time, evaluated only at the points that are wanted."""

import numpy as np

from tapemeasure.arrays import ComplexArray, FloatArray

STOPBAND_DB = 80.0
WIDEST_TRANSITION = 0.9
"""Of a low-pass, part of half the sample rate."""


def demodulate(
    samples: FloatArray,
    *,
    frequency_hz: float,
    sample_rate: float,
    bandwidth_hz: float,
    step: int,
    transition: float = 1.0,
) -> ComplexArray:
    """Complex peak amplitude of a tone every `step` samples: shifted to 0 Hz, low-passed (Kaiser, 80 dB), zero delay.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)
        Full scale 1.0.
    frequency_hz, sample_rate : float
        Hz.
    bandwidth_hz : float
        -6 dB to each side.
    step : int
        Samples from point to point.
    transition : float
        Width of the low-pass's transition, part of `bandwidth_hz`.

    Returns
    -------
    ndarray of complex, shape (ceil(n_samples / step),)
        ``a`` of ``real(a exp(2j pi f t))``; point k stands at sample k * `step`.

    Notes
    -----
    The filter is evaluated at the points only, so time and memory are those of the points and not of the samples. At
    both ends of the signal it looks to one side.
    """
    from tapemeasure.dsp.kernels import filter_at

    lowpass = lowpass_taps(bandwidth_hz, sample_rate, transition=transition)
    half = len(lowpass) // 2
    turn = np.exp(-2j * np.pi * frequency_hz / sample_rate * np.arange(-half, half + 1))
    taps = np.ascontiguousarray(np.stack([2.0 * lowpass * turn.real, 2.0 * lowpass * turn.imag, lowpass]))
    n_points = -(-len(samples) // step)
    base = filter_at(np.ascontiguousarray(samples, dtype=np.float64), taps, step, n_points)
    # whole turns are taken off before the product grows too large for its fraction
    turns = np.mod(np.arange(n_points) * (step * frequency_hz / sample_rate % 1.0), 1.0)
    return np.asarray((base[:, 0] + 1j * base[:, 1]) * np.exp(-2j * np.pi * turns), dtype=np.complex128)


def lowpass_complex(values: ComplexArray | FloatArray, *, limit_hz: float, rate_hz: float) -> ComplexArray:
    """Values below `limit_hz` (Kaiser, 80 dB, zero delay; the ends are held)."""
    from scipy.signal import oaconvolve

    taps = lowpass_taps(limit_hz, rate_hz)
    padded = np.pad(values, len(taps) // 2, mode="edge")
    return np.asarray(oaconvolve(padded, taps, mode="valid"), dtype=np.complex128)


def lowpass_taps(limit_hz: float, rate_hz: float, *, transition: float = 1.0) -> FloatArray:
    """Impulse response of a low-pass (Kaiser, 80 dB, -6 dB at `limit_hz`), an odd number of taps.

    `transition` is the width of its transition, part of `limit_hz`.
    """
    from scipy.signal import firwin, kaiserord

    width = min(transition * limit_hz / (0.5 * rate_hz), WIDEST_TRANSITION)
    n_taps, beta = kaiserord(STOPBAND_DB, width)
    return np.asarray(firwin(n_taps | 1, limit_hz, window=("kaiser", beta), fs=rate_hz), dtype=np.float64)
