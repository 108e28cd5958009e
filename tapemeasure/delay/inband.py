"""The delay from a soft tone inside the programme (15 kHz at -40 dBFS), led by the programme's own delay.

The tone's period is short (67 us), and a soft passage leaves the programme in doubt by more than half of it. So turns
are counted along the tone, which runs on, and the programme only places every unbroken stretch as a whole.
"""

import numpy as np

from tapemeasure.arrays import BoolArray, ComplexArray, FloatArray, runs_of
from tapemeasure.delay.demodulation import narrow_step, noise_of
from tapemeasure.delay.resolution import bridge, lowpass, warp
from tapemeasure.delay.tone import MIN_TONE_S
from tapemeasure.delay.tone_delays import ToneDelays, eroded
from tapemeasure.dsp.demodulation import demodulate, lowpass_complex
from tapemeasure.dsp.dropouts import find_dropouts
from tapemeasure.errors import NoMatchError

BANDWIDTH_HZ = 50.0
DROPOUT = 0.3
WANDER_S = 10e-6
"""How far the programme's error usually moves from one stretch of the tone to the next."""

WIDEST_HZ = 400.0
NOISE_POINTS = 201
ABOVE = 1.0 / 3.0
"""Part of the power of the programme's error that lies above the tone's band, and stays."""

GROUP_DELAY_S, GROUP_DELAY_SIGMA_S = 15e-6, 15e-6
"""What a machine's filters hold the swing of a tone at the upper end of its range back by; a tone alone cannot tell it,
and the programme beside it hardly: what it follows most surely there is the tone itself."""


def track_inband(
    stimulus: FloatArray,
    output: FloatArray,
    delay_s: FloatArray,
    *,
    frequency_hz: float,
    sample_rate: float,
    sigma_s: FloatArray | None = None,
) -> ToneDelays:
    """Delay from a tone inside the programme, seconds, starting from the programme's own delay.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples,)
        The channel that carries programme and tone; the output with its polarity put right.
    delay_s : ndarray, shape (n_samples of `output`,)
        Delay known so far; right to a quarter of the tone's period over most of every second.
    frequency_hz, sample_rate : float
        Hz.
    sigma_s : ndarray, shape (n_samples of `output`,), optional
        Its standard uncertainty; the same everywhere by default.

    Raises
    ------
    NoMatchError
        If the tone is not in the output.

    Notes
    -----
    The input is warped by the known delay, and both are demodulated, turned back by it, so that no swing leaves the
    band, and low-passed to 50 Hz: programme beside the tone is late by the same delay and does no harm. Where the
    phase goes on, turns are counted; each stretch between gaps is placed by the programme, weighted by its
    uncertainty, and by the stretch before.
    """
    step = narrow_step(sample_rate)
    step_s = step / sample_rate
    known = delay_s[::step]
    reference, base = (
        _followed(samples, known, frequency_hz=frequency_hz, sample_rate=sample_rate, step=step)
        for samples in (warp(stimulus, delay_s, sample_rate=sample_rate), output)
    )
    amplitude, expected = np.abs(base), np.abs(reference)
    present = expected > 0.1 * np.median(expected)
    gain = float(np.median(amplitude[present]) / max(float(np.median(expected[present])), 1e-12))
    usual = gain * expected
    found = eroded((amplitude > DROPOUT * usual) & present, points=round(0.5 / (BANDWIDTH_HZ * step_s)))
    sigma_known = np.full(len(base), WANDER_S) if sigma_s is None else sigma_s[::step][: len(base)]
    product = base * np.conj(reference)
    weight = found / np.maximum(sigma_known, 1e-9)
    # the machine's phase at the tone is a constant and no delay
    unit = product / np.maximum(np.abs(product), 1e-300)
    constant = complex(np.sum(weight * unit)) / max(float(weight.sum()), 1e-300)
    if abs(constant) < 0.5 or found.sum() * step_s < MIN_TONE_S:
        raise NoMatchError(
            f"no in-band tone: {frequency_hz:g} Hz does not follow the input; the machine may not pass it, "
            "track without it (--pilot none)"
        )
    residual = -np.angle(product * np.conj(constant)) / (2.0 * np.pi * frequency_hz)
    residual = _placed(residual, found, sigma_known, period_s=1.0 / frequency_hz, step_s=step_s)
    # where the tone is lost the programme goes on
    delay = known + bridge(residual, found)
    noise = noise_of(amplitude[present] - usual[present], points=NOISE_POINTS)
    own = noise / (2.0 * np.pi * frequency_hz * np.maximum(amplitude, 1e-12))
    sigma = np.hypot(own, np.sqrt(ABOVE) * (0.0 if sigma_s is None else sigma_known))
    time: FloatArray = np.arange(len(base), dtype=np.float64) * step_s
    dropouts = find_dropouts(amplitude, np.where(present, usual, 0.0), present, time_s=time)
    return ToneDelays(
        step_samples=step,
        delay_s=delay,
        sigma_s=np.where(found, sigma, np.inf),
        found=found,
        ambiguous=False,
        bandwidth_hz=BANDWIDTH_HZ,
        amplitude=amplitude,
        systematic_s=np.zeros(len(base)),
        dropouts=dropouts,
    )


def _followed(
    samples: FloatArray, delay_s: FloatArray, *, frequency_hz: float, sample_rate: float, step: int
) -> ComplexArray:
    """Complex amplitude of a tone in a band that goes along with the delay, given every `step` samples."""
    rate_hz = sample_rate / step
    swing_hz = frequency_hz * float(np.abs(np.gradient(delay_s) * rate_hz).max()) if len(delay_s) > 1 else 0.0
    wide = demodulate(
        samples,
        frequency_hz=frequency_hz,
        sample_rate=sample_rate,
        bandwidth_hz=min(2.0 * BANDWIDTH_HZ + swing_hz, WIDEST_HZ),
        step=step,
        transition=0.5,
    )
    turn = np.exp(2j * np.pi * frequency_hz * delay_s[: len(wide)])
    return lowpass_complex(wide * turn, limit_hz=BANDWIDTH_HZ, rate_hz=rate_hz)


def _placed(
    residual_s: FloatArray, found: BoolArray, sigma_s: FloatArray, *, period_s: float, step_s: float
) -> FloatArray:
    """Residual delays with turns counted along every stretch, each stretch placed near 0 and near its neighbour."""
    placed = residual_s.copy()
    before: int | None = None
    # the longest stretch is placed best and leads the others on both sides
    stretches = runs_of(found)
    if not stretches:
        return placed
    longest = max(range(len(stretches)), key=lambda k: stretches[k][1] - stretches[k][0])
    order = [*range(longest, len(stretches)), *range(longest - 1, -1, -1)]
    for number in order:
        first, stop = stretches[number]
        turned = np.unwrap(residual_s[first:stop], period=period_s)
        weight = 1.0 / np.maximum(sigma_s[first:stop], 1e-7) ** 2
        own = _weighted_median(turned, weight)
        # the programme's errors go together over a tenth of a second
        spread = float(np.median(sigma_s[first:stop])) / np.sqrt(max(1.0, (stop - first) * step_s / 0.1)) + 1e-6
        candidates = own - period_s * (np.round(own / period_s) + np.arange(-2, 3))
        cost = (candidates / spread) ** 2
        if number != longest:
            before = number - 1 if number > longest else number + 1
            edge = stretches[before][1] - 1 if before < number else stretches[before][0]
            mine, gap = (turned[0], first - edge) if before < number else (turned[-1], edge - stop + 1)
            jump = candidates - own + mine - placed[edge]
            cost = cost + (jump / (WANDER_S * np.sqrt(1.0 + gap * step_s / 0.01))) ** 2
        placed[first:stop] = turned - own + candidates[int(np.argmin(cost))]
    return placed


def _weighted_median(values: FloatArray, weights: FloatArray) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, 0.5 * total[-1])])


def find_inband_tone(samples: FloatArray, *, sample_rate: float) -> float | None:
    """Frequency (Hz) of a steady line from 5 kHz to 0.45 of the sample rate, 20 dB above the programme around it."""
    from scipy.ndimage import median_filter
    from scipy.signal import welch

    if len(samples) < sample_rate:
        return None
    length = int(sample_rate // 2)
    # the median over time: a steady tone has it, a note does not
    frequencies, power = welch(samples, sample_rate, nperseg=length, average="median")
    prominence = power / np.maximum(median_filter(power, 201, mode="nearest"), 1e-300)
    allowed = (frequencies >= 5000.0) & (frequencies <= 0.45 * sample_rate)
    if not allowed.any():
        return None
    peak = int(np.argmax(np.where(allowed, prominence, 0.0)))
    if prominence[peak] < 100.0:
        return None
    step = narrow_step(sample_rate)
    base = demodulate(
        samples, frequency_hz=float(frequencies[peak]), sample_rate=sample_rate, bandwidth_hz=5.0, step=step
    )
    slope = np.angle(np.sum(base[1:] * np.conj(base[:-1]))) * sample_rate / step
    return float(frequencies[peak] + slope / (2.0 * np.pi))


def fused_with_programme(
    tone: ToneDelays, delay_s: FloatArray, sigma_s: FloatArray, *, limit_hz: float, sample_rate: float
) -> ToneDelays:
    """Delays of tone and programme together, seconds, weighted by their uncertainties, below `limit_hz`.

    The tone is part of what the programme was tracked by, so that their errors are not independent: the uncertainty is
    that of the better one. The machine's group delay at the tone, some 15 us, shows both every swing late: it is taken
    off, and as much of it is uncertain.

    Parameters
    ----------
    tone : ToneDelays
        From `track_inband`.
    delay_s, sigma_s : ndarray, shape (n_points of `tone`,)
        Delay by the programme and its standard uncertainty, infinite where it says nothing.
    limit_hz : float
        Highest frequency of the tone's delay that is kept.
    sample_rate : float
        Hz.
    """
    rate_hz = sample_rate / tone.step_samples
    own, own_sigma = tone.delay_s, tone.sigma_s
    if limit_hz < tone.bandwidth_hz:
        own = lowpass(own, rate_hz=rate_hz, limit_hz=limit_hz)
        own_sigma = own_sigma * np.sqrt(limit_hz / tone.bandwidth_hz)
    weight = own_sigma**-2.0
    other = np.where(np.isfinite(sigma_s), np.maximum(sigma_s, 1e-9), np.inf) ** -2.0
    total = weight + other
    known = total > 0.0
    share = np.divide(weight, total, out=np.zeros(len(total)), where=known)
    delay = np.where(known, share * own + (1.0 - share) * delay_s, own)
    sigma = np.where(known, np.maximum(np.maximum(weight, other), 1e-300) ** -0.5, np.inf)
    speed = np.gradient(delay) * rate_hz if len(delay) > 1 else np.zeros(1)
    swing = np.where(tone.found, speed - speed.mean(), 0.0)
    delay = delay + GROUP_DELAY_S * swing
    systematic = GROUP_DELAY_SIGMA_S * np.abs(swing)
    return ToneDelays(
        tone.step_samples,
        delay,
        np.hypot(sigma, systematic),
        tone.found | (other > 0.0),
        tone.ambiguous,
        min(limit_hz, tone.bandwidth_hz),
        tone.amplitude,
        systematic,
        tone.dropouts,
    )
