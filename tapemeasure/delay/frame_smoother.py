"""The delay from correlation alone, where the machine distorts so much that no model of its waveform holds."""

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.delay.gcc import GOOD_QUALITY, FrameDelays
from tapemeasure.delay.smoother import Coupling, Evidence, first_prior, smooth_delays

EVERY = 5
"""Frames from one knot to the next: as many as it takes until two share little of the signal."""

USUAL_S = 20e-6
"""Uncertainty that one frame is given at first; what the frames themselves tell takes its place."""

FAR_S = 1e-3
"""How far from its surroundings a frame may lie before it counts as lost."""

SURROUNDINGS = 21
WORST_S = 100e-6
"""Largest uncertainty that counts as evidence."""

DISTORTED_S = 120e-6
"""Uncertainty where the correlation is next to nothing, less the more there is of it: a radian at 1.3 kHz."""

ROUNDS = 12


def smooth_frames(frames: FrameDelays, *, sample_rate: float) -> tuple[int, FloatArray, FloatArray]:
    """Smoothed delay of the frames and its standard uncertainty, seconds.

    Parameters
    ----------
    frames : FrameDelays
        As `tapemeasure.delay.gcc.track_frames` found them.
    sample_rate : float
        Hz.

    Returns
    -------
    hop_samples : int
        Samples between points.
    delay_s, sigma_s : ndarray, shape (n_points,)
        Delay and uncertainty; above 100 us where there is no evidence.

    Notes
    -----
    The prior and the noise around every point are learned from the frames (`tapemeasure.delay.smoother`). Expected
    accuracy: some ten microseconds on music through a machine without bias.
    """
    from scipy.ndimage import median_filter

    hop = EVERY * frames.hop_samples
    delay, quality, loud = frames.delay_s[::EVERY], frames.quality[::EVERY], frames.loud[::EVERY]
    usual = median_filter(delay, SURROUNDINGS, mode="nearest")
    good = loud & (quality > max(GOOD_QUALITY, 0.5 * frames.match())) & (np.abs(delay - usual) < FAR_S)
    information = np.full(len(delay), USUAL_S**-2.0)
    evidence = Evidence(information * (delay - usual), information, np.zeros(len(delay)))
    excess = np.where(good, 1.0, np.inf)
    total = float(np.sum(good)) or 1.0
    alone = Coupling(np.ones((len(delay), 1)), np.array([float(np.sum((delay - usual)[good])) / total]))
    found = smooth_delays(
        evidence,
        usual,
        prior=first_prior(hop / sample_rate),
        excess=excess,
        coupling=alone,
        clear=good,
        rounds=ROUNDS,
    )
    # such a machine errs alike for the length of a note: neighbours do not make a point better than a frame is, nor do
    # they tell how far the frequencies of a note disagree on its delay; the correlation does
    scattered = USUAL_S * np.sqrt(np.where(good, found.excess, 1.0))
    one_frame = np.where(good, np.hypot(scattered, DISTORTED_S * (1.0 - np.minimum(quality, 1.0))), np.inf)
    return hop, found.delay_s, np.where(good, np.maximum(found.sigma_s, one_frame), np.hypot(found.sigma_s, USUAL_S))
