"""The machine between the warped input and the output: its response, its saturation, and the noise's spectrum.

Fitted in the short-time spectrum, summed over the whole file: ``Y = H1 X + H3 X3 + H5 X5 + N``, X3 and X5 the
transforms of the warped input's third and fifth power.
"""

from dataclasses import dataclass, field

import numpy as np

from tapemeasure.arrays import BoolArray, ComplexArray, FloatArray, IntArray
from tapemeasure.delay.discord import band_discord

LONGEST_FRAME, SHORTEST_FRAME = 8192, 1024
LONGEST_FRAME_S = 0.2
FEW_FRAMES = 64
"""Short files are cut into shorter frames until there are so many: a response is an average."""

FRAMES_PER_POWER = 60
DAMPING = np.array([1e-9, 1e-3, 1e-3])
"""Keeps a power out where it looks just like a lower one."""

BANDS_HZ = 100.0 * 2.0 ** (0.5 * np.arange(17))
"""Half octaves in which the machine's phase may differ from what it is thought to be."""

LOW_HZ, LOW_BINS, LOW_SLOPE = 100.0, 20.0, 8.0
"""Below it a hundredth of a radian, about as well as a response can be fitted, is ten microseconds and no evidence."""

SMOOTH_SHARE, SMOOTH_HZ = 0.1, 200.0
"""Half the width over which a response is averaged: a tenth of its frequency, 200 Hz at most."""

FAINT = 1e-6
"""Part of what the strongest frequency of a frame tells, below which one counts as what the window leaves of others."""

MODEL_ERROR = 1e-9
"""Power that the model is wrong by at best, relative to the output: the interpolation's error."""

BATCH = 32


def frame_length(n_samples: int, *, sample_rate: float) -> int:
    """Samples of a frame: up to 8192, longer than the ring of a 25 Hz high-pass; less in short files."""
    length = LONGEST_FRAME
    while length > SHORTEST_FRAME and (2 * n_samples < FEW_FRAMES * length or length > LONGEST_FRAME_S * sample_rate):
        length //= 2
    return length


@dataclass
class SpectralSums:
    """Sums over frames: products of the spectra of the input's powers and of what a machine leaves of the output.

    The machine's responses are `base`. `worth`, `lines`, `spread`: per frame, what each band tells, on how many lines,
    and how wide these stand about their mean frequency, relative to it; `discord`: how far its bands disagree
    (`tapemeasure.delay.discord`).
    """

    frame: int
    inputs: ComplexArray
    cross: ComplexArray
    rest: FloatArray
    base: ComplexArray
    worth: list[FloatArray] = field(default_factory=list)
    lines: list[FloatArray] = field(default_factory=list)
    spread: list[float] = field(default_factory=list)
    discord: list[FloatArray] = field(default_factory=list)
    count: int = 0

    @classmethod
    def empty(cls, n_samples: int, *, sample_rate: float) -> "SpectralSums":
        """Nothing summed yet, for a file of that length."""
        frame = frame_length(n_samples, sample_rate=sample_rate)
        n, powers = frame // 2 + 1, int(np.clip(2 * n_samples // frame // FRAMES_PER_POWER, 1, len(DAMPING)))
        inputs, cross = np.zeros((powers, powers, n), np.complex128), np.zeros((powers, n), np.complex128)
        return cls(frame, inputs, cross, np.zeros(n), np.zeros((powers, n), np.complex128))

    @property
    def centres(self) -> IntArray:
        """Middle of every frame, samples."""
        return np.asarray(np.arange(len(self.lines)) * (self.frame // 2) + self.frame // 2)


@dataclass(frozen=True)
class MachineFit:
    """Responses, (n_powers, n_frequencies), to the odd powers of the input, and the power of the rest."""

    responses: ComplexArray
    noise: FloatArray

    @property
    def frame(self) -> int:
        """Samples of a frame."""
        return 2 * (len(self.noise) - 1)

    def frequency_hz(self, sample_rate: float) -> FloatArray:
        """Frequencies, Hz."""
        return np.asarray(np.fft.rfftfreq(self.frame, 1.0 / sample_rate), dtype=np.float64)


def add_frames(
    sums: SpectralSums,
    warped: FloatArray,
    rest: FloatArray,
    usable: BoolArray,
    fit: MachineFit | None,
    *,
    sample_rate: float,
) -> None:
    """Add the frames of a stretch of signal to the sums.

    Parameters
    ----------
    sums : SpectralSums
        Changed in place.
    warped, rest : ndarray of float32, shape (n_samples,)
        Input as it stands in the output, and what `fit` leaves of the output.
    usable : ndarray of bool, shape (n_frames,)
        Whether a frame, of those that lie half a frame apart, is summed.
    fit : MachineFit or None
        Of the pass before: tells which frequencies each frame's evidence stands on.
    sample_rate : float
        Hz.

    Notes
    -----
    A response that rings on through a window is found too small there; as only what the last response left is
    compared with the input, this error gets smaller from pass to pass.
    """
    from scipy import fft

    window = np.hanning(sums.frame).astype(np.float32)
    views = [
        np.lib.stride_tricks.sliding_window_view(source, sums.frame)[:: sums.frame // 2] for source in (warped, rest)
    ]
    edges = band_edges(sums.frame, sample_rate)
    worth = None
    if fit is not None:
        sums.base = fit.responses
        worth = np.arange(sums.frame // 2 + 1) ** 2 * np.abs(fit.responses[0]) ** 2 / fit.noise
        # only the ratios count
        worth = (worth / max(float(worth.max()), 1e-300)).astype(np.float32)
    for first in range(0, len(views[0]), BATCH):
        x, y = (view[first : first + BATCH] for view in views)
        linear, left = fft.rfft(x * window, axis=1), fft.rfft(y * window, axis=1)
        if fit is not None and worth is not None:
            parts = worth * (linear.real**2 + linear.imag**2)
            sums.worth.extend(np.add.reduceat(parts, edges, axis=1))
            sums.discord.extend(band_discord(linear, left, fit.responses[0], fit.noise, edges))
            sums.lines.extend(parts.sum(axis=1) ** 2 / np.maximum((parts**2).sum(axis=1), np.finfo(np.float32).tiny))
            sums.spread.extend(_relative_spread(parts))
        chosen = usable[first : first + BATCH]
        if chosen.any():
            _add_products(sums, x[chosen], linear[chosen], left[chosen])


def _relative_spread(parts: FloatArray) -> FloatArray:
    """Standard deviation of the frequency over its mean, every frequency of a frame counted by its part's root.

    By its root, so that a loud tone does not hide the music around it.
    """
    frequency = np.arange(parts.shape[1], dtype=np.float32)
    root = np.sqrt(np.where(parts > FAINT * parts.max(axis=1, keepdims=True), parts, 0.0))
    total, first, second = (root @ power for power in (np.ones_like(frequency), frequency, frequency**2))
    mean = first / np.maximum(total, np.finfo(np.float32).tiny)
    variance = second / np.maximum(total, np.finfo(np.float32).tiny) - mean**2
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)) / np.maximum(mean, 1.0), dtype=np.float64)


def _add_products(sums: SpectralSums, x: FloatArray, linear: ComplexArray, left: ComplexArray) -> None:
    from scipy import fft

    window = np.hanning(sums.frame).astype(np.float32)
    spectra, power = [linear], x
    for _ in range(len(sums.cross) - 1):
        power = power * x * x
        spectra.append(fft.rfft(power * window, axis=1))
    sums.rest += np.sum(left.real**2 + left.imag**2, axis=0)
    for i, a in enumerate(spectra):
        sums.cross[i] += np.sum(np.conj(a) * left, axis=0)
        for j in range(i, len(spectra)):
            product = np.sum(np.conj(a) * spectra[j], axis=0)
            sums.inputs[i, j] += product
            if j > i:
                sums.inputs[j, i] += np.conj(product)
    sums.count += len(left)


def band_edges(frame: int, sample_rate: float) -> IntArray:
    """First bin of every band; the lowest begins at 0 Hz, the highest ends at half the sample rate."""
    inner = np.round(BANDS_HZ[0.4 * sample_rate > BANDS_HZ] * frame / sample_rate)
    return np.unique(np.concatenate([[0], inner])).astype(np.int64)


def band_delays(sums: SpectralSums, fit: MachineFit, *, sample_rate: float) -> FloatArray:
    """Delay of the output behind the fitted machine in every band, seconds, the trajectory taken for true."""
    left = sums.cross - np.einsum("pqf,qf->pf", sums.inputs, fit.responses - sums.base)
    turned = np.imag(np.sum(np.conj(fit.responses) * left, axis=0))
    power = np.real(np.einsum("pf,pqf,qf->f", np.conj(fit.responses), sums.inputs, fit.responses))
    omega = 2.0 * np.pi * fit.frequency_hz(sample_rate)
    edges = band_edges(sums.frame, sample_rate)
    pull = np.add.reduceat(-omega * turned / fit.noise, edges)
    worth = np.add.reduceat(omega**2 * power / fit.noise, edges)
    return np.asarray(pull / np.maximum(worth, 1e-30), dtype=np.float64)


def fit_machine(sums: SpectralSums, *, sample_rate: float) -> MachineFit:
    """Responses that explain most of the output, zero where they explain no more than chance, and what they leave."""
    n_powers, count = len(sums.cross), max(sums.count, 1)
    known = np.einsum("pqf,qf->pf", sums.inputs, sums.base)
    cross = sums.cross + known
    output = sums.rest + np.real(np.sum(np.conj(sums.base) * (2.0 * sums.cross + known), axis=0))
    matrix = np.moveaxis(sums.inputs, 2, 0).copy()
    diagonal = np.arange(n_powers)
    matrix[:, diagonal, diagonal] *= 1.0 + DAMPING[:n_powers]
    matrix[:, diagonal, diagonal] += 1e-30
    responses = np.asarray(np.linalg.solve(matrix, cross.T[:, :, np.newaxis])[:, :, 0].T, dtype=np.complex128)
    explained = np.real(np.sum(np.conj(cross) * responses, axis=0))
    # of n frames that overlap by half, a power explains about 2 / n by chance
    significant = explained > min(0.8, 10.0 * n_powers / count) * output
    share = np.where(significant, explained / np.maximum(output, 1e-300), 0.0)
    # an abrupt end would ring for as long as a frame
    fading = _averaged(significant.astype(np.float64), sample_rate=sample_rate)
    responses = fading * _without_lines(responses, share, sample_rate=sample_rate)
    change = responses - sums.base
    of_change = np.einsum("pqf,qf->pf", sums.inputs, change)
    left = sums.rest + np.real(np.sum(np.conj(change) * (of_change - 2.0 * sums.cross), axis=0))
    left = np.maximum(left, 0.0) / max(count - 1.5 * n_powers, 1.0)
    frequency = np.maximum(np.fft.rfftfreq(sums.frame, 1.0 / sample_rate), 1.0)
    # what whitens must not smear a loud note over the silence beside it
    left = np.maximum(_smooth(left, count), MODEL_ERROR * _smooth(output / count, count))
    # amplitudes: of powers, hum would drown what lies beside it
    noise = _averaged(np.sqrt(left), sample_rate=sample_rate) ** 2
    low_hz = max(LOW_HZ, LOW_BINS * sample_rate / sums.frame)
    noise = noise * (1.0 + (low_hz / frequency) ** LOW_SLOPE)
    return MachineFit(np.asarray(responses, dtype=np.complex128), np.asarray(noise, dtype=np.float64))


def _without_lines(responses: ComplexArray | FloatArray, share: FloatArray, *, sample_rate: float) -> ComplexArray:
    """Responses averaged over some neighbours each, by the share of the output that they explain.

    A frequency that sounds in one passage alone would otherwise take that passage's error of the delay for the
    machine's phase, and nothing would ever tell.
    """
    n = responses.shape[1]
    spacing_hz = 0.5 * sample_rate / (n - 1)
    place = np.arange(n)
    reach = np.minimum(place * SMOOTH_SHARE, SMOOTH_HZ / spacing_hz).astype(np.int64)
    low, high = np.maximum(place - reach, 0), np.minimum(place + reach + 1, n)
    for _ in range(2):
        total = np.concatenate([[0.0], np.cumsum(share)])
        sums = np.concatenate([np.zeros((len(responses), 1)), np.cumsum(share * responses, axis=1)], axis=1)
        responses = (sums[:, high] - sums[:, low]) / np.maximum(total[high] - total[low], 1e-300)
    return np.asarray(responses, dtype=np.complex128)


def _averaged(values: FloatArray, *, sample_rate: float) -> FloatArray:
    """Values averaged as `_without_lines` does it, all of them alike."""
    return np.asarray(np.real(_without_lines(values[np.newaxis], np.ones(len(values)), sample_rate=sample_rate)[0]))


def delayed(fit: MachineFit, band_delay_s: FloatArray, *, sample_rate: float) -> MachineFit:
    """Machine whose bands are later by so much, seconds."""
    frequency = fit.frequency_hz(sample_rate)
    edges = np.append(band_edges(fit.frame, sample_rate), len(frequency) - 1)
    centres = 0.5 * (frequency[edges[:-1]] + frequency[edges[1:]])
    turn = np.exp(-2j * np.pi * frequency * np.interp(frequency, centres, band_delay_s))
    return MachineFit(fit.responses * turn, fit.noise)


def limited(fit: MachineFit, limit_hz: float, *, sample_rate: float) -> MachineFit:
    """Machine whose frequencies above `limit_hz` count as noise."""
    return MachineFit(fit.responses, fit.noise * (1.0 + (fit.frequency_hz(sample_rate) / limit_hz) ** LOW_SLOPE))


def without_delay(fit: MachineFit, sums: SpectralSums) -> MachineFit:
    """Machine without the delay that it has as a whole, by what each frequency tells: that is the trajectory's."""
    omega = np.arange(len(fit.noise))
    worth = np.abs(fit.responses[0]) ** 2 * np.real(sums.inputs[0, 0]) / fit.noise
    slope = 0.0
    for _ in range(8):
        rest = np.sin(np.angle(fit.responses[0] * np.exp(-1j * slope * omega)))
        slope += float(np.sum(worth * omega * rest) / max(float(np.sum(worth * omega**2)), 1e-300))
    return MachineFit(fit.responses * np.exp(-1j * slope * omega), fit.noise)


def _smooth(power: FloatArray, count: int) -> FloatArray:
    """Power averaged over as many neighbours as a few hundred values need."""
    from scipy.ndimage import uniform_filter1d

    width = int(np.clip(600 / max(count, 1), 3, 33)) | 1
    smooth = uniform_filter1d(power, width, mode="nearest")
    return np.asarray(np.maximum(smooth, 1e-12 * float(smooth.max()) + 1e-30), dtype=np.float64)
