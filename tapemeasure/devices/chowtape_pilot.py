"""The truth about the plug-in's wow and flutter: a pilot tone on the free channel, which gets the identical delay."""

import numpy as np

from tapemeasure.arrays import ComplexArray, FloatArray
from tapemeasure.errors import DeviceError
from tapemeasure.trajectory import DelayTrajectory

PILOT_AMPLITUDE = 0.1
START_S = 0.1
"""The tone begins this long after the lead-in does."""

FADE_S = 0.005
BANDWIDTH_SHARE = 0.4
"""The tone's sidebands are read up to this share of its frequency to each side."""

RATE_HZ = 1000.0
SETTLED_S, FIT_S = 0.008, 0.02
HIGH_PASS_HZ, HIGH_PASS_ORDER = 15.0, 4
"""Butterworth high-pass behind the plug-in's moving delay."""


def pilot_tone(n_samples: int, *, sample_rate: int, frequency_hz: float) -> FloatArray:
    """Tone of amplitude 0.1 that begins 0.1 s after the start; shape (n_samples,), full scale 1.0."""
    time = np.arange(n_samples) / sample_rate
    rise = np.clip((time - START_S) / FADE_S, 0.0, 1.0)
    wave: FloatArray = PILOT_AMPLITUDE * np.sin(0.5 * np.pi * rise) ** 2 * np.sin(2.0 * np.pi * frequency_hz * time)
    return wave


def pilot_trajectory(
    output: FloatArray, still: FloatArray, *, sample_rate: int, frequency_hz: float, lead_in_samples: int
) -> DelayTrajectory:
    """Delay that a moving device has beyond a still one, seconds, on a grid of about 1000 points a second.

    Parameters
    ----------
    output, still, sample_rate, frequency_hz
        As in `pilot_delay`, with the same errors and accuracy.
    lead_in_samples : int
        Samples of the lead-in, and of what is left out at the end; time 0 of the trajectory lies behind them. The tone
        begins within it.
    """
    first, delay_s = pilot_delay(output, still, sample_rate=sample_rate, frequency_hz=frequency_hz)
    step = max(1, round(sample_rate / RATE_HZ))
    points = delay_s[lead_in_samples - first : len(delay_s) - lead_in_samples + step : step]
    return DelayTrajectory(
        start_s=0.0,
        rate_hz=sample_rate / step,
        delay_s=points,
        sigma_s=np.zeros(len(points)),
        valid=np.ones(len(points), dtype=np.bool_),
    )


def pilot_delay(
    output: FloatArray, still: FloatArray, *, sample_rate: int, frequency_hz: float
) -> tuple[int, FloatArray]:
    """Delay that a moving device has beyond a still one, seconds, from the phase of a pilot tone.

    Parameters
    ----------
    output : ndarray, shape (n_samples,)
        Pilot channel of the render.
    still : ndarray, shape (n_still,)
        The same tone through the device without wow and flutter, half a second at least.
    sample_rate : int
        Hz.
    frequency_hz : float
        Of the tone.

    Returns
    -------
    first_samples : int
        Sample of the output at which the tone comes in.
    delay_s : ndarray, shape (n_samples - first_samples,)
        Delay at every sample from there on.

    Raises
    ------
    DeviceError
        If the pilot did not come back.

    Notes
    -----
    Complex demodulation, 0.4 of the tone's frequency to each side, so that speed deviations up to 40 % are followed.
    The turns are counted from the tone's onset, whose delay against the still one is known to a fifth of a period while
    the speed deviates by less than 10 %. The 15 Hz high-pass's lead at the momentary frequency is taken out.
    The plug-in adds no noise: what remains is the rounding of float32 samples, and the hysteresis' own response to the
    changing frequency, 0.1 us together.
    """
    moving = _demodulated(output, frequency_hz=frequency_hz, sample_rate=sample_rate)
    reference = _demodulated(still, frequency_hz=frequency_hz, sample_rate=sample_rate)
    steady = reference[round(0.3 * sample_rate) : len(reference) - round(0.05 * sample_rate)]
    usual = float(np.median(np.abs(steady))) if len(steady) else 0.0
    first = _onset(moving, usual)
    if usual == 0.0 or first is None:
        raise DeviceError("chowtape: the pilot on channel 2 did not come back; set pilot_hz to null to go without it")
    turned = moving * np.conj(np.mean(steady) / usual)
    delay_s = -np.unwrap(np.angle(turned[first:])) / (2.0 * np.pi * frequency_hz)
    start = round(SETTLED_S * sample_rate)
    fitted = np.arange(start, start + round(FIT_S * sample_rate))
    at_onset_s = float(np.polynomial.Polynomial.fit(fitted, delay_s[fitted], 1)(0.0))
    expected_s = (first - (_onset(reference, usual) or 0)) / sample_rate
    delay_s += np.round((expected_s - at_onset_s) * frequency_hz) / frequency_hz
    return first, delay_s + _high_pass_lead_s(delay_s, sample_rate=sample_rate, frequency_hz=frequency_hz)


def _demodulated(samples: FloatArray, *, frequency_hz: float, sample_rate: int) -> ComplexArray:
    """Complex amplitude of the tone at every sample."""
    from scipy.signal import firwin, kaiserord, oaconvolve

    bandwidth_hz = BANDWIDTH_SHARE * frequency_hz
    taps, beta = kaiserord(80.0, bandwidth_hz / (0.5 * sample_rate))
    lowpass = firwin(taps | 1, bandwidth_hz, window=("kaiser", beta), fs=sample_rate)
    turn = np.exp(-2j * np.pi * frequency_hz / sample_rate * np.arange(len(samples)))
    return np.asarray(2.0 * oaconvolve(samples * turn, lowpass, mode="same"), dtype=np.complex128)


def _onset(amplitude: ComplexArray, usual: float) -> int | None:
    """First sample at which the tone has half its usual amplitude."""
    above = np.abs(amplitude) > 0.5 * usual
    return int(np.argmax(above)) if above.any() else None


def _high_pass_lead_s(delay_s: FloatArray, *, sample_rate: int, frequency_hz: float) -> FloatArray:
    """Lead of the high-pass behind the moving delay, at the frequency that the tone has there at each moment."""
    from scipy.signal import butter, sosfreqz

    sections = butter(HIGH_PASS_ORDER, HIGH_PASS_HZ, "high", fs=sample_rate, output="sos")
    grid_hz = frequency_hz * np.linspace(1.0 - BANDWIDTH_SHARE, 1.0 + BANDWIDTH_SHARE, 201)
    lead_s = np.angle(sosfreqz(sections, grid_hz, fs=sample_rate)[1]) / (2.0 * np.pi * frequency_hz)
    heard_hz = frequency_hz * (1.0 - np.gradient(delay_s) * sample_rate)
    return np.asarray(np.interp(heard_hz, grid_hz, lead_s), dtype=np.float64)
