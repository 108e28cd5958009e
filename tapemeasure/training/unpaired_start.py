"""A simple machine found from input and output that are not aligned, nor even of the same moments.

Play operators (hysteresis), a saturation and a filter are fitted so that what comes out of them is distributed as what
came out of the machine. No sample of the output is ever compared with a sample of the input; the delay, wow and
flutter of the output need not be known.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tapemeasure.arrays import FloatArray, Progress, no_progress
from tapemeasure.errors import SignalError
from tapemeasure.models.filtering import fast_length
from tapemeasure.models.play_kernels import play

WIDTH_QUANTILES = (0.2, 0.4, 0.6, 0.75, 0.85, 0.93, 0.98)
"""Levels of the input, as shares of its samples, at which the play operators are as wide as the signal."""

WINDOW_S = 0.37
"""Window of the spectra, about; it tells what a tape machine's bass needs."""

SMOOTHING_OCTAVES = 1.0 / 6.0
FILTER_S = 0.1
POWER_FLOOR = 1e-7
"""Least power of a spectrum, as a share of its highest."""

LONGEST_S = 40.0
"""Seconds of input and of output that are listened to."""

N_UPDATES = 40
LEARNING_RATE = 0.15
N_PROJECTIONS = 6
LONGEST_LAG_S = 0.023
SORTED_EVERY = 7
"""Every so many samples are sorted: neighbours tell nearly the same."""


@dataclass(frozen=True)
class SimpleMachine:
    """Play operators, a saturation and a filter, as `fit_unpaired` found them.

    Parameters
    ----------
    half_widths : ndarray, shape (n_operators,)
        Of the play operators, full scale 1.0; the first is 0.
    weights : ndarray, shape (n_operators,)
        Share of each in their sum.
    drive : float
        d of the saturation ``tanh(d v) / d``.
    taps : ndarray, shape (n_taps,)
        Impulse response of the filter behind it, of minimum phase.
    """

    half_widths: FloatArray
    weights: FloatArray
    drive: float
    taps: FloatArray

    def apply(self, samples: FloatArray) -> FloatArray:
        """Output for an input of shape (n_samples,), from rest."""
        saturated = np.tanh(self.drive * (self.weights @ play(samples, self.half_widths))) / self.drive
        length = fast_length(len(samples) + len(self.taps))
        spectrum = np.fft.rfft(saturated, length) * np.fft.rfft(self.taps, length)
        return np.asarray(np.fft.irfft(spectrum, length)[: len(samples)], dtype=np.float64)


def fit_unpaired(
    source: Sequence[FloatArray],
    output: Sequence[FloatArray],
    *,
    sample_rate: int,
    seed: int,
    progress: Progress = no_progress,
) -> SimpleMachine:
    """The simple machine whose output is distributed as a machine's output.

    Parameters
    ----------
    source, output : sequence of ndarray, shape (n_samples,)
        Programme that went in, and programme that came out, full scale 1.0: of one kind and level, in any order, of
        any delay, at least a second of each.
    sample_rate : int
        Hz.
    seed : int
        Of the projections.
    progress : callable
        Told the completed fraction.

    Raises
    ------
    SignalError
        If there is less than a second of either, or one is silent.

    Notes
    -----
    The filter is the one of minimum phase that gives the output its long-term spectrum (sixths of an octave). The
    other parameters minimise a sliced Wasserstein distance: sums of the signal with delayed copies of itself, at random
    lags up to 23 ms, have to have the machine's quantiles. That is where the phase of a hysteresis shows, which spectra
    do not tell. Delay as a whole cannot be told, polarity is taken as kept, and a machine whose filters are not of
    minimum phase is taken for one whose are.

    References
    ----------
    .. [1] M. A. Krasnosel'skii, A. V. Pokrovskii, "Systems with Hysteresis", Springer, 1989 (play operators).
    .. [2] N. Bonneel, J. Rabin, G. Peyre, H. Pfister, "Sliced and Radon Wasserstein barycenters of measures",
       J. Math. Imaging Vis. 51, 2015.
    .. [3] A. V. Oppenheim, R. W. Schafer, "Discrete-Time Signal Processing", 3rd ed., 2010, 13.5 (minimum phase).
    """
    heard, wanted = (_joined(signals, sample_rate) for signals in (source, output))
    half_widths = np.concatenate([[0.0], np.quantile(np.abs(heard), WIDTH_QUANTILES)])
    generator = torch.Generator().manual_seed(seed)
    fit = _Fit(heard, wanted, half_widths, sample_rate)
    optimizer = torch.optim.Adam([fit.logits, fit.log_drive], lr=LEARNING_RATE)
    kept = []
    for index in range(N_UPDATES):
        loss = sliced_distance(fit.played()[0], fit.wanted, fit.longest_lag, generator)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if index >= N_UPDATES // 2:
            # the projections are random: the mean of the later steps is nearer than the last
            kept.append(torch.cat([fit.logits.detach(), fit.log_drive.detach()[None]]))
        progress((index + 1) / N_UPDATES)
    mean = torch.stack(kept).mean(dim=0)
    with torch.no_grad():
        fit.logits.copy_(mean[:-1])
        fit.log_drive.copy_(mean[-1])
        taps = fit.played()[1]
        weights = torch.softmax(fit.logits, 0)
    drive = float(torch.exp(fit.log_drive.detach()))
    return SimpleMachine(half_widths, weights.double().numpy(), drive, taps.double().numpy())


def sliced_distance(found: Tensor, wanted: Tensor, longest_lag: int, generator: torch.Generator) -> Tensor:
    """Distance of the distributions of two signals and of their delayed copies, relative to the power of `wanted`.

    Parameters
    ----------
    found, wanted : Tensor, shape (n_samples,)
        Of nearly equal length, above `longest_lag`.
    longest_lag : int
        Samples.
    generator : torch.Generator
        Chooses lags and weights.

    Notes
    -----
    Mean over six projections of the mean squared difference of the quantiles: 0 if the signals are the same, in any
    order of their stretches.
    """
    total = found.new_zeros(())
    for index in range(N_PROJECTIONS):
        n_lags = 1 + index % 3
        share = torch.rand(n_lags, generator=generator)
        lags = [0, *(int(longest_lag**value) for value in share.tolist())]
        weights = torch.randn(len(lags), generator=generator).tolist()
        projections = [_projected(signal, lags, weights, steep=index % 2 == 1) for signal in (found, wanted)]
        count = min(len(projection) for projection in projections)
        of_found, of_wanted = (torch.sort(_resized(projection, count)).values for projection in projections)
        total = total + (of_found - of_wanted).square().mean() / of_wanted.square().mean().clamp_min(1e-12)
    return total / N_PROJECTIONS


def _projected(signal: Tensor, lags: list[int], weights: list[float], *, steep: bool) -> Tensor:
    longest = max(lags)
    parts = [w * signal[longest - lag : len(signal) - lag] for w, lag in zip(weights, lags, strict=True)]
    total = torch.stack(parts).sum(dim=0)
    return (torch.diff(total) if steep else total)[::SORTED_EVERY]


def _resized(signal: Tensor, count: int) -> Tensor:
    """`count` samples from all over a signal."""
    return signal if len(signal) == count else signal[torch.linspace(0, len(signal) - 1, count).round().long()]


class _Fit:
    """Parameters of a simple machine while they are fitted, and its output."""

    def __init__(self, heard: FloatArray, wanted: FloatArray, half_widths: FloatArray, sample_rate: int) -> None:
        self.operators = torch.from_numpy(play(heard, half_widths))
        self.wanted = torch.from_numpy(wanted.astype(np.float32))
        self.window = fast_length(round(WINDOW_S * sample_rate))
        self.longest_lag = round(LONGEST_LAG_S * sample_rate)
        self.n_taps = min(round(FILTER_S * sample_rate), self.window // 2)
        self.power = self._spectrum(self.wanted)
        self.floor = POWER_FLOOR * self.power.max()
        self.logits = torch.zeros(len(half_widths), requires_grad=True)
        self.log_drive = torch.zeros((), requires_grad=True)

    def played(self) -> tuple[Tensor, Tensor]:
        """Output for the whole input, and the filter's taps."""
        drive = torch.exp(self.log_drive)
        summed = (torch.softmax(self.logits, 0)[:, None] * self.operators).sum(dim=0)
        saturated = torch.tanh(drive * summed) / drive
        ratio = (self.power + self.floor) / (self._spectrum(saturated) + self.floor)
        taps = torch.fft.irfft(_minimum_phase(ratio.sqrt()))[: self.n_taps]
        length = fast_length(len(saturated) + len(taps))
        output = torch.fft.irfft(torch.fft.rfft(saturated, length) * torch.fft.rfft(taps, length), length)
        return output[: len(saturated)], taps

    def _spectrum(self, signal: Tensor) -> Tensor:
        """Long-term power spectrum, smoothed."""
        frames = signal[: len(signal) // self.window * self.window].reshape(-1, self.window)
        power = torch.fft.rfft(frames * torch.hann_window(self.window)).abs().square().mean(dim=0)
        k = np.arange(len(power))
        low = np.floor(k * 2.0 ** (-SMOOTHING_OCTAVES / 2.0) - 1.0).clip(0).astype(int)
        high = np.minimum(len(k), np.ceil(k * 2.0 ** (SMOOTHING_OCTAVES / 2.0) + 1.5).astype(int))
        # in float64: the sums run over all of the spectrum
        total = torch.cat([torch.zeros(1, dtype=torch.float64), torch.cumsum(power.double(), 0)])
        return ((total[high] - total[low]) / torch.from_numpy(high - low)).float()


def _minimum_phase(magnitude: Tensor) -> Tensor:
    """Spectrum of minimum phase with the given magnitude, by its folded cepstrum."""
    length = 2 * (len(magnitude) - 1)
    cepstrum = torch.fft.irfft(torch.log(magnitude), length)
    folded = torch.zeros(length)
    folded[0], folded[1 : length // 2], folded[length // 2] = 1.0, 2.0, 1.0
    return torch.exp(torch.fft.rfft(cepstrum * folded))


def _joined(signals: Sequence[FloatArray], sample_rate: int) -> FloatArray:
    joined = np.concatenate([np.zeros(0), *signals])[: round(LONGEST_S * sample_rate)]
    if len(joined) < sample_rate:
        raise SignalError(f"unpaired start: {len(joined)} samples at {sample_rate} Hz; give at least a second")
    if not np.any(joined):
        raise SignalError("unpaired start: a signal is silent; check the capture and its levels")
    return joined
