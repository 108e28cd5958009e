"""The delay to a fraction of a microsecond: the warped input, sent through a fitted machine, is fitted to the output.

Model: ``y = h1 * x(t - d) + h3 * x(t - d)^3 + h5 * x(t - d)^5 + n``. Each pass warps the input by the delay known so
far, fits the responses h and the noise's spectrum over the whole file, and takes one Gauss-Newton step on the whitened
waveform for the delay at 400 knots a second; `tapemeasure.delay.smoother` joins the knots.
"""

from dataclasses import dataclass, replace

import numpy as np

from tapemeasure.arrays import BoolArray, FloatArray, Progress, no_progress
from tapemeasure.delay.discord import machine_error
from tapemeasure.delay.frame_smoother import WORST_S, smooth_frames
from tapemeasure.delay.gcc import GOOD_QUALITY, FrameDelays
from tapemeasure.delay.machine_fit import (
    MachineFit,
    SpectralSums,
    add_frames,
    band_delays,
    delayed,
    fit_machine,
    limited,
    without_delay,
)
from tapemeasure.delay.smoother import Coupling, Evidence, Prior, Smoothed, first_prior, smooth_delays
from tapemeasure.delay.trust import CAPTURE_S, Grid, believable, evident, rich, scatter, telling, voters
from tapemeasure.delay.waveform import FRAMES_PER_BLOCK, add_blocks, block_filters
from tapemeasure.dsp.fractional import read_at

KNOT_S = 0.0025
MAX_PASSES = 10
SETTLED = 0.15
"""Passes end when the delay moves by less than this part of its uncertainty, rms."""

RUNAWAY = 2.0
"""Passes end, too, when the delay moves by this many times as much as in the calmest pass, which is then kept: where
there is hardly any noise, each error of the response is believed and drives the next one. What the calmest pass moved
is part of the uncertainty."""

BLOCKS = 8
"""Blocks that are in memory at a time."""

SURE, LIKELY = 0.9, 0.6
"""Parts of the file's median correlation: above the first a frame is followed from the start, above the second only
where the surroundings do not tell the delay, because its correlation may have the wrong peak."""

LIMITS_HZ = (2500.0, 6000.0)
"""Highest frequencies that the first passes hear: above, the coarse delays may be off by half a period."""

SECURE_PASSES = 3

MIN_FOLLOWED = 0.25
"""Part of what correlates that the waveform must follow, else correlation alone is relied on."""

TRUST_S = 500e-6
"""Largest correction of one pass."""


@dataclass(frozen=True)
class LastPass:
    """What the waveform told last: at the delays `delay_s` of the knots, through the machine `fit`, with this prior.

    `normal`: see `tapemeasure.delay.kernels.add_normal_equations`; `rich`: where the music is more than a tone.
    """

    delay_s: FloatArray
    normal: FloatArray
    rich: BoolArray
    prior: Prior
    fit: MachineFit


@dataclass(frozen=True)
class RefinedDelays:
    """Delay and standard uncertainty every `hop_samples` of the output, seconds, and where there is evidence.

    `coarse`: found by correlation alone, because no model of the machine's waveform holds. `last` is None then.
    `tonal_share`: part of what correlates that is a lone tone, steady or gliding.
    """

    hop_samples: int
    delay_s: FloatArray
    sigma_s: FloatArray
    valid: BoolArray
    coarse: bool = False
    last: LastPass | None = None
    tonal_share: float = 0.0


@dataclass(frozen=True)
class _Start:
    """At the knots: delays of the coarse tracker, where they are sure, and where they are likely."""

    delay_s: FloatArray
    sure: BoolArray
    likely: BoolArray


@dataclass(frozen=True)
class _Sums:
    """What one pass through the file gathers."""

    spectra: SpectralSums
    normal: FloatArray


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
    The constant part of the delay is the one for which the fitted machine has no delay of its own, weighted by what
    each frequency tells about it. The signals are gone through in stretches of some ten seconds; memory beside them
    is some 100 MB, and 500 bytes a knot.

    References
    ----------
    .. [1] E. J. Hannan, P. J. Thomson, "Estimating group delay", Biometrika 60(2), 1973.
    """
    hop = max(1, round(KNOT_S * sample_rate))
    grid = Grid(hop, sample_rate)
    start = _start(coarse, -(-len(output) // hop) + 1, hop=hop)
    delay, sigma, admitted = start.delay_s.copy(), np.full(len(start.delay_s), np.inf), start.sure
    first = _go_through(stimulus, output, delay, start.sure, None, hop=hop, sample_rate=sample_rate)
    fit = without_delay(fit_machine(first.spectra, sample_rate=sample_rate), first.spectra)
    prior, votes, least = first_prior(hop / sample_rate), start.sure, np.inf
    for step in range(MAX_PASSES):
        progress((step + 1) / (MAX_PASSES + 1))
        if step < len(LIMITS_HZ):
            fit = limited(fit, LIMITS_HZ[step], sample_rate=sample_rate)
        sums = _go_through(stimulus, output, delay, votes, fit, hop=hop, sample_rate=sample_rate)
        votes = voters(sums.spectra, start.sure, grid)
        believed = admitted | (sigma < CAPTURE_S)
        secure = step >= SECURE_PASSES
        found, coupling = _smoothed(sums, fit, delay, prior, believed=believed, votes=votes, secure=secure, grid=grid)
        prior, sigma = found.prior, found.sigma_s
        last = LastPass(delay, sums.normal, rich(sums.spectra, grid, len(delay)), prior, fit)
        moved = np.clip(found.delay_s - delay, -TRUST_S, TRUST_S)
        delay = delay + moved
        movement = _movement(moved, sigma)
        if secure and movement <= least:
            least = movement
            kept = (delay, np.hypot(sigma * np.hypot(1.0, min(movement, 1e3)), _of_machine(sums, grid)), last)
        if movement > RUNAWAY * least:
            # delay and response push each other away
            break
        if step == SECURE_PASSES - 1:
            delay, admitted = _with_likely(delay, sigma, start)
        fresh = fit_machine(sums.spectra, sample_rate=sample_rate)
        known = delayed(fresh, found.band_delay_s - coupling.band_delay_s, sample_rate=sample_rate)
        fit = without_delay(known, sums.spectra)
        if secure and movement < SETTLED:
            break
    delay, sigma, last = kept
    tonal_share = float(np.mean(~last.rich[start.likely])) if start.likely.any() else 0.0
    refined = _result(delay, sigma, n_input=len(stimulus), grid=grid)
    if refined.valid.sum() < MIN_FOLLOWED * start.likely.sum():
        # no model of this machine's waveform holds
        refined = _of_frames(coarse, n_input=len(stimulus), sample_rate=sample_rate)
        return replace(refined, tonal_share=tonal_share)
    return replace(refined, last=last, tonal_share=tonal_share)


def _smoothed(
    sums: _Sums,
    fit: MachineFit,
    delay_s: FloatArray,
    prior: Prior,
    *,
    believed: BoolArray,
    votes: BoolArray,
    secure: bool,
    grid: Grid,
) -> tuple[Smoothed, Coupling]:
    """Delay by what one pass has gathered and the prior, and what it shares with the machine's bands.

    In the first passes, not yet `secure`, what is left of the output is the delay's error more than noise.
    """
    noise = scatter(sums.normal) if secure else np.ones(len(delay_s))
    excess = np.where(believable(sums.normal, sums.spectra, grid) & believed, noise, np.inf)
    coupling = _coupling(sums.spectra, fit, len(delay_s), grid)
    clear = votes & telling(sums.normal, grid)
    evidence = _evidence(sums.normal, grid.sample_rate)
    found = smooth_delays(evidence, delay_s, prior=prior, excess=excess, coupling=coupling, clear=clear, noise=noise)
    return found, coupling


def _of_frames(coarse: FrameDelays, *, n_input: int, sample_rate: float) -> RefinedDelays:
    hop, delay, sigma = smooth_frames(coarse, sample_rate=sample_rate)
    played = np.arange(len(delay)) * hop / sample_rate - delay
    valid = (sigma < WORST_S) & (played >= 0.0) & (played <= n_input / sample_rate)
    return RefinedDelays(hop_samples=hop, delay_s=delay, sigma_s=sigma, valid=valid, coarse=True)


def _start(coarse: FrameDelays, n_knots: int, *, hop: int) -> _Start:
    frame, knot = np.arange(len(coarse.delay_s)) * coarse.hop_samples, np.arange(n_knots) * hop
    levels = [coarse.loud & (coarse.quality > max(GOOD_QUALITY, part * coarse.match())) for part in (SURE, LIKELY)]
    sure, likely = (np.interp(knot, frame, level) > 0.5 for level in levels)
    return _Start(np.interp(knot, frame, coarse.delay_s), sure, likely)


def _with_likely(delay_s: FloatArray, sigma_s: FloatArray, start: _Start) -> tuple[FloatArray, BoolArray]:
    """Delay with the coarse one where nothing else is known, and the knots to be followed from now on."""
    late = start.likely & ~start.sure & (sigma_s > CAPTURE_S)
    offset = np.median((delay_s - start.delay_s)[start.sure]) if start.sure.any() else 0.0
    return np.where(late, start.delay_s + offset, delay_s), start.sure | late


def _of_machine(sums: _Sums, grid: Grid) -> FloatArray:
    """Uncertainty at the knots by what the machine's model does not hold, seconds."""
    knots = np.arange(sums.normal.shape[1]) * grid.hop
    error = machine_error(np.asarray(sums.spectra.discord, dtype=np.float64))
    return np.asarray(np.interp(knots, sums.spectra.centres, error) / grid.sample_rate, dtype=np.float64)


def _movement(moved_s: FloatArray, sigma_s: FloatArray) -> float:
    """What a pass has moved the known delays by, the constant apart, in units of their uncertainty, rms."""
    known = sigma_s < CAPTURE_S
    if not known.any():
        return np.inf
    ratio = (moved_s - np.median(moved_s))[known] / sigma_s[known]
    return float(np.sqrt(np.mean(ratio**2)))


def _go_through(
    stimulus: FloatArray,
    output: FloatArray,
    delay_s: FloatArray,
    votes: BoolArray,
    fit: MachineFit | None,
    *,
    hop: int,
    sample_rate: float,
) -> _Sums:
    """Go through the file once: sums for the next fit, over the knots with a vote, and with the last for the delay."""
    spectra = SpectralSums.empty(len(output), sample_rate=sample_rate)
    sums = _Sums(spectra, np.zeros((6, len(delay_s))))
    filters = None if fit is None else block_filters(fit)
    frame = spectra.frame
    step = FRAMES_PER_BLOCK * frame - 2 * frame
    for first in range(0, len(output), BLOCKS * step):
        last = first + min(BLOCKS, -(-(len(output) - first) // step)) * step
        warped = _warped(stimulus, delay_s, first - frame, last + frame, hop=hop, sample_rate=sample_rate)
        heard = _stretch(output, first - frame, last + frame)
        # the frames that begin in this stretch
        own = slice(frame, frame + last - first + frame // 2)
        centres = np.arange(first + frame // 2, last + frame // 2, frame // 2)
        usable = votes[np.minimum(centres // hop, len(votes) - 1)] & (centres < len(output))
        rest = heard
        if filters is not None:
            rest = add_blocks(sums.normal, warped, heard, filters, first=first, hop=hop)
        add_frames(spectra, warped[own], rest[own], usable, fit, sample_rate=sample_rate)
    return sums


def _warped(
    stimulus: FloatArray, delay_s: FloatArray, first: int, last: int, *, hop: int, sample_rate: float
) -> FloatArray:
    """Input as it stands in the output's samples `first` to `last`, as 32-bit floats."""
    from scipy.interpolate import CubicSpline

    # some knots more on each side make the piece of the spline the same as the whole one
    low, high = max(0, first // hop - 32), min(len(delay_s), last // hop + 34)
    time = np.arange(first, last)
    inside = np.clip(time, low * hop, (high - 1) * hop)
    knots = np.arange(low, high) * hop
    few = high - low < 4
    delay = np.interp(inside, knots, delay_s[low:high]) if few else CubicSpline(knots, delay_s[low:high])(inside)
    positions = time - delay * sample_rate
    begin = int(np.clip(positions.min() - 64, 0, len(stimulus)))
    end = int(np.clip(positions.max() + 65, begin, len(stimulus)))
    if end == begin:
        return np.zeros(last - first, dtype=np.float32)
    return read_at(stimulus[begin:end], positions - begin, half_taps=32).astype(np.float32)


def _stretch(samples: FloatArray, first: int, last: int) -> FloatArray:
    """Samples `first` to `last`, zeros outside the signal, as 32-bit floats."""
    inside = samples[max(0, first) : max(0, last)].astype(np.float32)
    return np.pad(inside, (max(0, -first), last - max(0, first) - len(inside)))


def _evidence(normal: FloatArray, sample_rate: float) -> Evidence:
    return Evidence(normal[0] * sample_rate, normal[1] * sample_rate**2, normal[2] * sample_rate**2)


def _coupling(spectra: SpectralSums, fit: MachineFit, n_knots: int, grid: Grid) -> Coupling:
    """Which bands each knot's information comes from, and what the bands' delays are."""
    worth = np.asarray(spectra.worth, dtype=np.float64)
    worth /= np.maximum(worth.sum(axis=1, keepdims=True), 1e-30)
    knots = np.arange(n_knots) * grid.hop
    share = np.stack([np.interp(knots, spectra.centres, column) for column in worth.T], axis=1)
    return Coupling(share, band_delays(spectra, fit, sample_rate=grid.sample_rate))


def _result(delay_s: FloatArray, sigma_s: FloatArray, *, n_input: int, grid: Grid) -> RefinedDelays:
    time = np.arange(len(delay_s)) * grid.hop / grid.sample_rate
    # before the input's first sample and behind its last there is nothing to compare
    inside = (time - delay_s >= 0.0) & (time - delay_s <= n_input / grid.sample_rate)
    known = inside & (sigma_s < CAPTURE_S)
    delay, sigma = delay_s.copy(), sigma_s.copy()
    if not known.any():
        return RefinedDelays(hop_samples=grid.hop, delay_s=delay, sigma_s=sigma, valid=known)
    # the prior would run away on a straight line before the first evidence and behind the last
    first, last = int(np.argmax(known)), len(known) - int(np.argmax(known[::-1]))
    delay[:first], delay[last:] = delay[first], delay[last - 1]
    sigma[:first] = sigma[last:] = np.inf
    return RefinedDelays(hop_samples=grid.hop, delay_s=delay, sigma_s=sigma, valid=evident(sigma, known, grid))
