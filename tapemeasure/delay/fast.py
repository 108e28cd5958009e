"""The delay in a hurry: frames of the input, moved by whole samples to where they stand in the output.

The input is not warped and each frame is transformed once; otherwise as in `tapemeasure.delay.refine`: a response
fitted over a minute, weights by what each frequency tells, and the learned prior between the frames.
"""

import numpy as np

from tapemeasure.arrays import BoolArray, ComplexArray, FloatArray, IntArray
from tapemeasure.delay.discord import disagreement, machine_error
from tapemeasure.delay.gcc import GOOD_QUALITY, TONE_PERIOD_S, FrameDelays
from tapemeasure.delay.machine_fit import band_edges
from tapemeasure.delay.refine import RefinedDelays
from tapemeasure.delay.resolution import bridge
from tapemeasure.delay.smoother import Coupling, Evidence, first_prior, smooth_delays
from tapemeasure.delay.trust import CAPTURE_S, MIN_LOCK, Grid, evident
from tapemeasure.delay.unseen import unseen_flutter
from tapemeasure.dsp.correlation import rival_height

FRAME_S = 0.0116
HOP_S = 0.0087
REACH_S = 1e-3
WHITENING = 0.7
LOW_HZ = 200.0
SEGMENT_S = 60.0
PASSES = 4
AGREE_FRAMES = 9
"""Over so many frames the bands of the spectrum are asked whether they agree."""

RIVAL = 0.9
"""A frame says nothing where the correlation is so high, relative to its maximum, at the next period of a high tone."""

TONE_QUALITY = 0.6
"""Correlation that such a tone reaches; where it is less, the maxima are alike because the machine distorts."""

NOTE_FRAMES = 21
"""A note lasts so long: what bends its bands does so in all of these frames, and noise does not."""

LEAST_SPREAD = 0.5
"""Half octaves over which a frame must sound: of a lone tone that glides, time and frequency are one."""

ROUNDS = 3
LEAKAGE = 1e-7
"""Power, relative to the loudest frequency, below which a spectrum counts as what the window and 32 bits leave of it:
between and above the partials of music without noise nothing else stands, and it has no delay."""


def fast_delays(
    stimulus: FloatArray, output: FloatArray, guide_s: FloatArray, *, guide_interval_s: float, sample_rate: float
) -> tuple[RefinedDelays, FrameDelays]:
    """Delay of one channel every 9 ms of the output, seconds, with its standard uncertainty.

    Parameters
    ----------
    stimulus, output : ndarray, shape (n_samples,)
        One channel each; the output with its polarity put right.
    guide_s : ndarray, shape (n_guides,)
        Delays good to a millisecond, every `guide_interval_s` seconds from the output's first sample.
    guide_interval_s, sample_rate : float
        Seconds, Hz.

    Notes
    -----
    The first result is the delay; the second tells how well each frame's own correlation speaks for it. The delay is
    taken as constant within a frame of 12 ms. Expected accuracy: 1..3 us rms on music.
    """
    hop = max(1, round(HOP_S * sample_rate))
    centres = np.arange(-(-len(output) // hop)) * hop
    guide = np.interp(centres / sample_rate, np.arange(len(guide_s)) * guide_interval_s, guide_s)
    shift = np.round(guide * sample_rate).astype(np.int64)
    per_segment = max(1, round(SEGMENT_S * sample_rate / hop))
    parts = [
        _segment(
            stimulus, output, centres[k : k + per_segment], shift[k : k + per_segment], hop=hop, sample_rate=sample_rate
        )
        for k in range(0, len(centres), per_segment)
    ]
    delay, sigma, quality, loud, rich = (np.concatenate(column) for column in zip(*parts, strict=True))
    played = centres / sample_rate - delay
    known = (sigma < CAPTURE_S) & (played >= 0.0) & (played <= len(stimulus) / sample_rate)
    valid = evident(sigma, known, Grid(hop, sample_rate))
    sigma = np.hypot(sigma, unseen_flutter(delay, sigma, valid))
    tonal_share = float(np.mean((~rich & (quality > TONE_QUALITY))[loud])) if loud.any() else 0.0
    refined = RefinedDelays(hop_samples=hop, delay_s=delay, sigma_s=sigma, valid=valid, tonal_share=tonal_share)
    return refined, FrameDelays(hop, delay, quality, loud & rich)


def _segment(
    stimulus: FloatArray, output: FloatArray, centres: IntArray, shift: IntArray, *, hop: int, sample_rate: float
) -> tuple[FloatArray, FloatArray, FloatArray, BoolArray, BoolArray]:
    """Delay and uncertainty of the frames around the centres, seconds; their correlation.

    Whether they are loud, and fit at one delay only.
    """
    from tapemeasure.delay.frame_kernels import add_frame_products, frame_evidence

    length = 1 << round(np.log2(FRAME_S * sample_rate))
    played, heard = _spectra(stimulus, centres - shift, length), _spectra(output, centres, length)
    lag, quality, rival = _peaks(
        played,
        heard,
        reach=max(2, round(REACH_S * sample_rate)),
        tone_reach=round(TONE_PERIOD_S * sample_rate),
    )
    loud, rich = _loud(played) & _loud(heard), rival < RIVAL
    typical = float(np.median(quality[loud & rich])) if (loud & rich).any() else 1.0
    usable = loud & rich & (quality > max(GOOD_QUALITY, 0.7 * typical))
    delay = _without_outliers(lag + shift, usable) / sample_rate
    credit = hop / float(np.sum(np.hanning(length) ** 2))
    n_bins = length // 2 + 1
    low = (LOW_HZ * length / sample_rate / np.maximum(np.arange(n_bins), 0.5)) ** 8
    prior = first_prior(hop / sample_rate)
    sigma = np.full(len(delay), np.inf)
    edges = band_edges(length, sample_rate)
    for _ in range(PASSES):
        lag = delay * sample_rate - shift
        cross, power = np.zeros(n_bins, np.complex128), np.zeros((2, n_bins))
        add_frame_products(played, heard, lag, usable, cross, power)
        response = cross / np.maximum(power[0], 1e-30)
        left = np.maximum(power[1] - np.abs(cross) ** 2 / np.maximum(power[0], 1e-30), 1e-9 * power[1] + 1e-30)
        left += LEAKAGE * float(power[1].max())
        noise = left / max(int(usable.sum()), 1) * (1.0 + low)
        (seen, spread), pulls, bands = frame_evidence(played, heard, lag, response, 2.0 * credit / noise, noise, edges)
        gradient, information = pulls.sum(axis=0), bands.sum(axis=0)
        # the response was fitted at this very delay: its bands have no delay of their own yet
        coupling = Coupling((bands / np.maximum(information, 1e-30)).T, np.zeros(len(bands)))
        trusted = loud & rich & (seen > MIN_LOCK * information) & (usable | (sigma < CAPTURE_S))
        broad = _spread(bands) > LEAST_SPREAD
        trusted = trusted & broad if 4 * int((trusted & broad).sum()) > int(trusted.sum()) else trusted
        scatter = _scatter(spread, pulls, bands)
        excess = np.where(trusted, scatter, np.inf)
        evidence = Evidence(gradient * sample_rate, information * sample_rate**2, np.zeros(len(delay)))
        found = smooth_delays(
            evidence, delay, prior=prior, excess=excess, coupling=coupling, clear=trusted, noise=scatter, rounds=ROUNDS
        )
        delay, sigma, prior = found.delay_s, found.sigma_s, found.prior
    return delay, np.hypot(sigma, _of_machine(pulls, bands, scatter, trusted) / sample_rate), quality, loud, rich


def _of_machine(pulls: FloatArray, bands: FloatArray, noise: FloatArray, trusted: BoolArray) -> FloatArray:
    """Uncertainty of every frame by what its bands disagree on for as long as a note lasts, samples."""
    from scipy.ndimage import correlate1d

    note = np.ones(NOTE_FRAMES)
    pull, told = (correlate1d(np.where(trusted, row / noise, 0.0), note, mode="nearest") for row in (pulls, bands))
    return machine_error(disagreement(pull.T, told.T))


def _spread(bands: FloatArray) -> FloatArray:
    """Standard deviation of the bands that tell of each frame's lag, in half octaves."""
    place = np.arange(len(bands))
    total = np.maximum(bands.sum(axis=0), 1e-30)
    mean = (place @ bands) / total
    return np.asarray(np.sqrt(np.maximum((place**2 @ bands) / total - mean**2, 0.0)), dtype=np.float64)


def _scatter(spread: FloatArray, pulls: FloatArray, bands: FloatArray) -> FloatArray:
    """Noise power of every frame over the assumed one: what the model leaves, and how far the bands disagree."""
    from scipy.ndimage import uniform_filter1d

    information = np.maximum(bands.sum(axis=0), 1e-30)
    apart = np.sum((pulls - bands * pulls.sum(axis=0) / information) ** 2, axis=0) / information
    free = 1.0 - np.sum(bands**2, axis=0) / information**2
    left, disagreement, freedom = (
        uniform_filter1d(row, width, mode="nearest")
        for row, width in ((spread / information, 3), (apart, AGREE_FRAMES), (free, AGREE_FRAMES))
    )
    return np.asarray(np.clip(np.maximum(left, disagreement / np.maximum(freedom, 0.1)), 0.1, 1e6), dtype=np.float64)


def _spectra(samples: FloatArray, centres: IntArray, length: int) -> ComplexArray:
    """Spectra of frames around the centres, zeros outside the signal, in 32-bit floats."""
    from scipy import fft

    first = int(centres.min()) - length // 2
    last = int(centres.max()) + length // 2
    inside = samples[max(0, first) : max(0, last)].astype(np.float32)
    padded = np.pad(inside, (max(0, -first), last - max(0, first) - len(inside)))
    view = np.lib.stride_tricks.sliding_window_view(padded, length)
    return np.asarray(fft.rfft(view[centres - length // 2 - first] * np.hanning(length).astype(np.float32), axis=1))


def _peaks(
    played: ComplexArray, heard: ComplexArray, *, reach: int, tone_reach: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Lag of the highest correlation within `reach` samples, the correlation there, and its rival within another."""
    from scipy import fft

    cross = np.conj(played) * heard
    magnitude = np.abs(cross)
    floor = np.maximum(LEAKAGE * magnitude.max(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    cross /= np.maximum(magnitude, floor) ** np.float32(WHITENING)
    lags = fft.irfft(cross, axis=1)
    near = np.concatenate([lags[:, -reach:], lags[:, : reach + 1]], axis=1)
    peak = np.argmax(near, axis=1)
    total = np.sum(magnitude ** np.float32(1.0 - WHITENING), axis=1) / (cross.shape[1] - 1)
    quality = near[np.arange(len(peak)), peak] / np.maximum(total, np.finfo(np.float32).tiny)
    inside = (peak > 0) & (peak < 2 * reach)
    rival = rival_height(near, peak, reach_samples=tone_reach)
    return (peak - reach).astype(np.float64), np.where(inside, quality, 0.0).astype(np.float64), rival


def _loud(spectra: ComplexArray) -> BoolArray:
    power = np.sum(spectra.real**2 + spectra.imag**2, axis=1)
    return np.asarray(power > 1e-4 * power.max(initial=0.0))


def _without_outliers(lag: FloatArray, usable: BoolArray) -> FloatArray:
    from scipy.ndimage import median_filter

    return np.asarray(median_filter(bridge(lag, usable), 5, mode="nearest"), dtype=np.float64)
