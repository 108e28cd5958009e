"""The delay to a fraction of a microsecond: the warped input is fitted to the output, frame by frame, and smoothed.

Model of a short frame: ``Y(f) = [H1(f) X(f) + H3(f) X3(f)] exp(-i 2 pi f r) + N(f)``, where X is the input warped by
the delay known so far, X3 its cube (saturation), H1 and H3 the machine's response, fitted once a pass over the whole
file, and N what is left. The residual delay r of every frame follows from the phases, weighted by what each frequency
is worth; a prior on the acceleration of the delay joins the frames where the programme says little.
"""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import BoolArray, ComplexArray, FloatArray, Progress, no_progress
from tapemeasure.delay.gcc import GOOD_QUALITY, FrameDelays
from tapemeasure.delay.resolution import on_samples, warp
from tapemeasure.dsp.correlation import frames

FRAME_S = 0.0232
PASSES = 6
MIN_EXCESS = 0.3
MIN_STRENGTH = 60.0
"""Below it a match within 0.1 s is a matter of chance: the noise offers too many others."""

ACCELERATION = 0.1
"""Standard deviation of the delay's acceleration, s/s^2: as 0.05 ms of 9 Hz flutter has it."""

SMOOTHED_FRAMES = 21
MIN_LINES = 5.0
"""Effective number of bins: a pure tone has 2, windowed, and two tones of which one is much higher no more."""

BLOCK_FRAMES = 1024
TRUST_S = 500e-6
"""Largest correction of one pass: about a quarter of a period at 12 kHz."""

MAX_SIGMA_S = 50e-6
"""A point with a larger uncertainty counts as no evidence."""


@dataclass(frozen=True)
class RefinedDelays:
    """Delay and standard uncertainty every `hop_samples` of the output, seconds, and where there is evidence."""

    hop_samples: int
    delay_s: FloatArray
    sigma_s: FloatArray
    valid: BoolArray


@dataclass(frozen=True)
class _Evidence:
    """Per frame: gradient (1/s) and Fisher information (1/s^2) of the residual delay, and how far to believe them.

    `excess` compares the residual delays of two interleaved halves of the spectrum with the scatter that the noise
    alone would give: 1 where the model holds, more where distortion or hum are taken for delay.
    `locked` compares the observed curvature with the expected one: 1 where output and model agree, 0 where the match
    is by chance. `strength` is the energy of the model over the noise within 0.1 s (a matched filter's output).
    `lines` is the number of frequencies that the information comes from: a pure tone, a few bins wide, fits at every
    one of its periods.
    """

    gradient: FloatArray
    information: FloatArray
    excess: FloatArray
    locked: FloatArray
    strength: FloatArray
    lines: FloatArray


def refine_delays(
    stimulus: FloatArray,
    output: FloatArray,
    coarse: FrameDelays,
    *,
    sample_rate: float,
    progress: Progress = no_progress,
) -> RefinedDelays:
    """Refined delay with its standard uncertainty, seconds.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples,)
        One channel each; the output with its polarity put right.
    coarse : FrameDelays
        Delays that are good to some ten microseconds.
    sample_rate : float
        Hz.
    progress : callable
        Told the completed fraction.

    Notes
    -----
    Gauss-Newton in the short-time spectrum: Hann-windowed frames of 23 ms every 5 ms whose squared windows sum to a
    constant, so that the frames' information adds up to that of the file. The constant part of the delay is pinned by
    the coarse delays, because the fitted response takes up any constant.

    References
    ----------
    .. [1] E. J. Hannan, P. J. Thomson, "Estimating group delay", Biometrika 60(2), 1973.
    """
    hop = coarse.hop_samples
    length = round(FRAME_S * sample_rate / 2) * 2
    delay = coarse.delay_s.copy()
    sigma = np.full(len(delay), np.inf)
    usable = coarse.loud & (coarse.quality > max(GOOD_QUALITY, 0.9 * coarse.match()))
    for step in range(PASSES):
        warped = warp(stimulus, on_samples(delay, hop=hop, length=len(output)), sample_rate=sample_rate)
        evidence = _evidence(warped, output, usable, length=length, hop=hop, sample_rate=sample_rate)
        correction, sigma = _solve(evidence, delay, interval_s=hop / sample_rate)
        delay = delay + np.clip(correction, -TRUST_S, TRUST_S)
        progress((step + 1) / PASSES)
    grid = np.arange(len(delay)) * hop / sample_rate
    # before the input's first sample and behind its last there is nothing to compare
    inside = (grid - delay >= 0.0) & (grid - delay <= len(stimulus) / sample_rate)
    valid = inside & (sigma < MAX_SIGMA_S)
    if valid.any():
        # the prior would run away on a straight line before the first evidence and behind the last
        first, last = int(np.argmax(valid)), len(valid) - int(np.argmax(valid[::-1]))
        delay[:first], delay[last:] = delay[first], delay[last - 1]
        sigma[:first] = sigma[last:] = np.inf
    return RefinedDelays(hop_samples=hop, delay_s=delay, sigma_s=sigma, valid=valid)


def _spectra(warped: FloatArray, output: FloatArray, *, length: int, hop: int) -> "_Blocks":
    return _Blocks(
        frames(warped, length=length, hop=hop),
        frames(warped**3, length=length, hop=hop),
        frames(output, length=length, hop=hop),
        np.hanning(length),
    )


@dataclass(frozen=True)
class _Blocks:
    """Frames of the warped input, of its cube and of the output; transformed a block at a time to save memory."""

    linear: FloatArray
    cubic: FloatArray
    output: FloatArray
    window: FloatArray

    def __len__(self) -> int:
        return len(self.output)

    def block(self, first: int) -> tuple[ComplexArray, ComplexArray, ComplexArray]:
        from scipy import fft

        part = slice(first, first + BLOCK_FRAMES)
        x, x3, y = (fft.rfft(source[part] * self.window, axis=1) for source in (self.linear, self.cubic, self.output))
        return x, x3, y


def _evidence(
    warped: FloatArray, output: FloatArray, usable: BoolArray, *, length: int, hop: int, sample_rate: float
) -> _Evidence:
    blocks = _spectra(warped, output, length=length, hop=hop)
    h1, h3 = _response(blocks, usable)
    noise = _noise(blocks, usable, h1, h3)
    omega = 2.0 * np.pi * np.fft.rfftfreq(length, 1.0 / sample_rate)
    # frames overlap: each is credited with the part of its information that the hop stands for
    window = np.hanning(length)
    credit = hop / float(np.sum(window**2))
    half = (np.arange(len(omega)) // 4) % 2 == 0
    gradients, informations, curvatures, energies, lines = [], [], [], [], []
    for first in range(0, len(blocks), BLOCK_FRAMES):
        x, x3, y = blocks.block(first)
        model = h1 * x + h3 * x3
        # d(model)/d(delay) = -i omega model; the factor 2 because noise power is shared by both parts of a bin
        slope = 2.0 * credit * omega * np.imag(np.conj(y) * model) / noise
        worth = 2.0 * credit * omega**2 * np.abs(model) ** 2 / noise
        gradients.append(np.stack([slope[:, half].sum(axis=1), slope[:, ~half].sum(axis=1)]))
        energies.append(2.0 * credit * np.sum(np.abs(model) ** 2 / noise, axis=1))
        curvatures.append(2.0 * credit * np.sum(omega**2 * np.real(np.conj(y) * model) / noise, axis=1))
        lines.append(worth.sum(axis=1) ** 2 / np.maximum(np.sum(worth**2, axis=1), 1e-30))
        informations.append(np.stack([worth[:, half].sum(axis=1), worth[:, ~half].sum(axis=1)]))
    gradient, information = np.concatenate(gradients, axis=1), np.concatenate(informations, axis=1)
    # a whole frame scatters less than the part that it is credited with
    overlap = hop * float(np.sum(window**4) / np.sum(window**2) ** 2)
    total = information.sum(axis=0)
    return _Evidence(
        gradient=gradient.sum(axis=0),
        information=total,
        excess=_excess(gradient, information, overlap=overlap),
        locked=_running_sum(np.concatenate(curvatures)) / np.maximum(_running_sum(total), 1e-30),
        strength=_running_sum(np.concatenate(energies)),
        lines=_running_sum(np.concatenate(lines)) / SMOOTHED_FRAMES,
    )


def _running_sum(values: FloatArray) -> FloatArray:
    """Sum over 0.1 s around every frame."""
    from scipy.ndimage import uniform_filter1d

    return np.asarray(SMOOTHED_FRAMES * uniform_filter1d(values, SMOOTHED_FRAMES, mode="nearest"), dtype=np.float64)


def _excess(gradient: FloatArray, information: FloatArray, *, overlap: float) -> FloatArray:
    """Variance of the residual delay over what the noise explains, from two halves of the spectrum, over 0.25 s."""
    from scipy.ndimage import uniform_filter1d

    sure = np.maximum(information, 1e-30)
    difference = gradient[0] / sure[0] - gradient[1] / sure[1]
    expected = overlap * (1.0 / sure[0] + 1.0 / sure[1])
    return np.asarray(uniform_filter1d(difference**2 / expected, 51, mode="nearest"), dtype=np.float64)


def _response(blocks: _Blocks, usable: BoolArray) -> tuple[ComplexArray, ComplexArray]:
    """Responses to the input and to its cube that explain most of the output, one complex value a frequency each.

    Zero where they explain no more than chance would: above the programme's highest frequency, under the hiss.
    """
    n = blocks.output.shape[1] // 2 + 1
    a11, a33, ayy, a13 = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n, dtype=np.complex128)
    b1, b3 = np.zeros(n, dtype=np.complex128), np.zeros(n, dtype=np.complex128)
    for first in range(0, len(blocks), BLOCK_FRAMES):
        x, x3, y = (spectrum[usable[first : first + BLOCK_FRAMES]] for spectrum in blocks.block(first))
        a11 += np.sum(np.abs(x) ** 2, axis=0)
        a33 += np.sum(np.abs(x3) ** 2, axis=0)
        ayy += np.sum(np.abs(y) ** 2, axis=0)
        a13 += np.sum(np.conj(x) * x3, axis=0)
        b1 += np.sum(np.conj(x) * y, axis=0)
        b3 += np.sum(np.conj(x3) * y, axis=0)
    # a little damping keeps the cube out where it looks just like the input
    d11, d33 = a11 * (1.0 + 1e-9) + 1e-30, a33 * 1.001 + 1e-30
    determinant = d11 * d33 - np.abs(a13) ** 2
    h1 = (d33 * b1 - a13 * b3) / determinant
    h3 = (d11 * b3 - np.conj(a13) * b1) / determinant
    explained = np.real(np.conj(b1) * h1 + np.conj(b3) * h3) / (ayy + 1e-30)
    # two fitted values of about half as many independent frames explain 4 / n by chance
    significant = explained > 20.0 / max(int(usable.sum()), 1)
    return np.where(significant, h1, 0.0), np.where(significant, h3, 0.0)


def _noise(blocks: _Blocks, usable: BoolArray, h1: ComplexArray, h3: ComplexArray) -> FloatArray:
    """Power of what the model leaves, by frequency, smoothed over neighbours."""
    from scipy.ndimage import uniform_filter1d

    power, count = np.zeros(len(h1)), 0
    for first in range(0, len(blocks), BLOCK_FRAMES):
        chosen = usable[first : first + BLOCK_FRAMES]
        x, x3, y = (spectrum[chosen] for spectrum in blocks.block(first))
        power += np.sum(np.abs(y - h1 * x - h3 * x3) ** 2, axis=0)
        count += int(chosen.sum())
    smooth = uniform_filter1d(power / max(count, 1), 5, mode="nearest")
    floor = 1e-12 * float(smooth.max()) + 1e-30
    return np.asarray(np.maximum(smooth, floor), dtype=np.float64)


def _solve(evidence: _Evidence, delay_s: FloatArray, *, interval_s: float) -> tuple[FloatArray, FloatArray]:
    """Correction of the delay and its standard uncertainty: information of the frames plus an acceleration prior."""
    from scipy.linalg import cho_solve_banded, cholesky_banded

    from tapemeasure.dsp.kernels import banded_inverse_diagonal

    n = len(delay_s)
    trust = np.clip(2.5 * evidence.locked - 1.0, 0.0, 1.0) / np.maximum(evidence.excess, MIN_EXCESS)
    trust = np.where((evidence.strength > MIN_STRENGTH) & (evidence.lines > MIN_LINES), trust, 0.0)
    information = evidence.information * trust
    gradient = evidence.gradient * trust
    if n < 3:
        total = max(float(information.sum()), 1e-30)
        return np.full(n, gradient.sum() / total), np.full(n, total**-0.5)
    prior = 1.0 / (ACCELERATION * interval_s**2) ** 2
    bands = np.zeros((3, n))
    bands[0] = information + 1e-6
    second = np.array([1.0, -2.0, 1.0])
    for k in range(3):
        for j in range(k, 3):
            bands[j - k, k : n - 2 + k] += prior * second[k] * second[j]
    bend = np.convolve(delay_s, second, "valid")
    pull = -prior * np.convolve(bend, second, "full")
    factor = cholesky_banded(bands, lower=True)
    correction = cho_solve_banded((factor, True), gradient + pull)
    return np.asarray(correction, dtype=np.float64), np.sqrt(np.abs(banded_inverse_diagonal(factor)))
