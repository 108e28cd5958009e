"""A tone that a machine played, as amplitude and phase over time; the delay that its phase tells of."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import ComplexArray, FloatArray
from tapemeasure.dsp.demodulation import demodulate
from tapemeasure.errors import SignalError
from tapemeasure.trajectory import DelayTrajectory

MAX_BANDWIDTH_HZ = 1000.0
MAX_PART = 0.4
"""The band to each side is at most this part of the tone's frequency, or of its distance from half the sample rate."""

LEAST_TONE = 0.5
"""A tone holds this part of its band's power at least."""

WRONG_PART = 0.1
"""A tone further beside its nominal frequency is refused."""

TRANSITION = 0.8
"""Of the filter, part of its band: flat up to 0.6 of it."""


@dataclass(frozen=True)
class DemodulatedTone:
    """Tone as a complex amplitude over time.

    Parameters
    ----------
    frequency_hz : float
        Frequency that its phase counts from.
    rate_hz : float
        Points per second.
    amplitude : ndarray of complex, shape (n_points,)
        ``a`` of ``real(a exp(2j pi f t))``, full scale 1.0; point k lies at ``k / rate_hz``.
    bandwidth_hz : float
        What is followed, to each side.
    """

    frequency_hz: float
    rate_hz: float
    amplitude: ComplexArray
    bandwidth_hz: float

    def inner(self) -> ComplexArray:
        """The amplitude without both ends, where the filter looks to one side."""
        edge = edge_points(self)
        return self.amplitude[edge : len(self.amplitude) - edge]


def edge_points(tone: DemodulatedTone) -> int:
    """Points at both ends that the filter's length spoils."""
    return int(np.ceil(2.5 / tone.bandwidth_hz * tone.rate_hz)) + 1


def demodulate_tone(
    samples: FloatArray, *, sample_rate: float, frequency_hz: float, bandwidth_hz: float | None = None
) -> DemodulatedTone:
    """Complex amplitude of a tone over time, full scale 1.0.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)
        Full scale 1.0.
    sample_rate : float
        Hz.
    frequency_hz : float
        Of the tone; what it is off turns the phase.
    bandwidth_hz : float, optional
        To each side, -6 dB; by default, and at most, 1000 Hz and 0.4 of the tone's frequency and of its distance from
        half the sample rate.

    Raises
    ------
    SignalError
        If the tone does not fit below half the sample rate, or the signal is shorter than 20 of the band's periods.

    Notes
    -----
    `tapemeasure.dsp.demodulation.demodulate`, flat within 0.01 dB up to 0.6 of the bandwidth.
    """
    room_hz = MAX_PART * min(frequency_hz, 0.5 * sample_rate - frequency_hz)
    if not room_hz > 0.0:
        raise SignalError(f"a tone of {frequency_hz:g} Hz does not fit below half of {sample_rate:g} Hz")
    half_hz = min(MAX_BANDWIDTH_HZ, room_hz, np.inf if bandwidth_hz is None else bandwidth_hz)
    if len(samples) < 20.0 * sample_rate / half_hz:
        raise SignalError(
            f"a tone of {len(samples) / sample_rate:.4f} s is too short for a band of {half_hz:g} Hz; give at least "
            f"{20.0 / half_hz:.3g} s"
        )
    step = max(1, int(sample_rate / (2.8 * half_hz)))
    amplitude = demodulate(
        samples,
        frequency_hz=frequency_hz,
        sample_rate=sample_rate,
        bandwidth_hz=half_hz,
        step=step,
        transition=TRANSITION,
    )
    return DemodulatedTone(frequency_hz, sample_rate / step, amplitude, half_hz)


def tone_frequency_hz(samples: FloatArray, *, sample_rate: float, nominal_hz: float) -> float:
    """Mean frequency of a tone that may be off by 10 %, Hz.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)
        Full scale 1.0; the tone alone, or with noise weaker than itself.
    sample_rate : float
        Hz.
    nominal_hz : float
        What it should be.

    Raises
    ------
    SignalError
        If the signal is silent, or half of its power within an octave is not at one frequency within 10 %.
    """
    n = len(samples)
    window = np.hanning(n)
    power = np.abs(np.fft.rfft((samples - np.mean(samples)) * window)) ** 2 if n > 1 else np.zeros(1)
    frequency = np.fft.rfftfreq(max(n, 1), 1.0 / sample_rate)
    octave = np.where((frequency > nominal_hz / 1.42) & (frequency < 1.42 * nominal_hz), power, 0.0)
    total = float(np.sum(octave))
    if total == 0.0:
        raise SignalError(f"no tone near {nominal_hz:g} Hz: the signal is silent there; check the channel")
    peak_hz = float(frequency[int(np.argmax(octave))])
    # wow of some per cent spreads a tone
    line = np.abs(frequency - peak_hz) < 0.03 * nominal_hz
    if float(np.sum(octave[line])) < LEAST_TONE * total:
        raise SignalError(f"no tone near {nominal_hz:g} Hz: the power there is spread; give a recording of the tone")
    mean_hz = float(np.sum(octave[line] * frequency[line]) / np.sum(octave[line]))
    if abs(mean_hz / nominal_hz - 1.0) > WRONG_PART:
        raise SignalError(
            f"the tone is at {mean_hz:.1f} Hz, {nominal_hz:g} Hz was expected; give the frequency that was recorded"
        )
    return mean_hz


def tone_trajectory(
    samples: FloatArray, *, sample_rate: float, nominal_hz: float = 3150.0, bandwidth_hz: float | None = None
) -> DelayTrajectory:
    """Delay of a recorded tone behind one of its nominal frequency, seconds, as `measure_wow_flutter` reads it.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)
        A test tape's 3150 Hz (3000 Hz), full scale 1.0. No input is needed: the tone is its own clock.
    sample_rate : float
        Hz.
    nominal_hz : float
        What was recorded; a speed error of up to 10 % moves it.
    bandwidth_hz : float, optional
        Highest frequency of the speed that is followed; by default, and at most, 1000 Hz.

    Returns
    -------
    DelayTrajectory
        It begins at 0 s delay. Its points are invalid where the tone falls by 10 dB, its uncertainty comes from the
        noise in the upper half of the band.

    Raises
    ------
    SignalError
        If there is no such tone, or too little of it.
    """
    mean_hz = tone_frequency_hz(samples, sample_rate=sample_rate, nominal_hz=nominal_hz)
    tone = demodulate_tone(samples, sample_rate=sample_rate, frequency_hz=mean_hz, bandwidth_hz=bandwidth_hz)
    edge, amplitude = edge_points(tone), tone.inner()
    level = np.abs(amplitude)
    usual = float(np.median(level))
    found = level > 10.0 ** (-10.0 / 20.0) * usual
    phase = np.unwrap(np.angle(amplitude))
    # modulation noise is in phase only, fast flutter is in the phase only
    noise = min(_white_sigma(level, tone), _white_sigma(usual * phase, tone))
    time_s = (edge + np.arange(len(phase))) / tone.rate_hz
    delay_s = -phase / (2.0 * np.pi * nominal_hz) - (mean_hz / nominal_hz - 1.0) * time_s
    good = np.flatnonzero(found)
    if len(good) < 8:
        raise SignalError(f"the tone of {nominal_hz:g} Hz is there for {len(good)} points; give a longer recording")
    delay_s = np.interp(np.arange(len(delay_s)), good, delay_s[good])
    sigma_s = np.where(found, noise / np.maximum(level, 1e-300) / (2.0 * np.pi * nominal_hz), np.inf)
    return DelayTrajectory(float(time_s[0]), tone.rate_hz, delay_s - delay_s[0], sigma_s, found)


def _white_sigma(values: FloatArray, tone: DemodulatedTone) -> float:
    """Standard deviation that white noise of the values' density in the upper half of the band would have."""
    power = np.abs(np.fft.rfft(values - np.linspace(values[0], values[-1], len(values)))) ** 2 / len(values)
    frequency = np.fft.rfftfreq(len(values), 1.0 / tone.rate_hz)
    upper = power[(frequency > 0.5 * tone.bandwidth_hz) & (frequency < 0.85 * tone.bandwidth_hz)]
    # the median of exponentially distributed powers is ln 2 of their mean
    return float(np.sqrt(np.median(upper) / np.log(2.0))) if len(upper) else 0.0
