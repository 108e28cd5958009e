"""What the waveform says about the delay: the whitened difference of output and model, and the model's slope."""

from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import ComplexArray, FloatArray
from tapemeasure.delay.machine_fit import MachineFit

FRAMES_PER_BLOCK = 8
EDGE = 0.02
"""Part of the sample rate, below half of it, in which the slope is faded out."""


@dataclass(frozen=True)
class Filters:
    """Responses on the grid of a block: of the model (one a power of the input), of the whitening, of the slope.

    Whatever they filter is wrong in the first and last `margin` samples of a block of `block` samples.
    """

    model: ComplexArray
    whitening: ComplexArray
    slope: ComplexArray
    block: int
    margin: int

    @property
    def step(self) -> int:
        """Samples of a block that are right."""
        return self.block - 2 * self.margin


def block_filters(fit: MachineFit) -> Filters:
    """Filters for blocks, of a fitted machine."""
    block = FRAMES_PER_BLOCK * fit.frame
    # the fit has seen the response through a window: it is faded only where there is next to nothing
    model = np.stack([_on_block_grid(response, block, fade=4.0) for response in fit.responses])
    # power of a Hann-windowed frame over power per sample
    scale = float(np.sum(np.hanning(fit.frame) ** 2))
    whitening = _on_block_grid(np.sqrt(scale / fit.noise), block, fade=1.0)
    frequency = np.fft.rfftfreq(block)
    # the slope of what lies at half the sample rate would ring for as long as a block
    slope = -2j * np.pi * frequency * np.clip((0.5 - frequency) / EDGE, 0.0, 1.0)
    return Filters(
        model.astype(np.complex64), whitening.astype(np.complex64), slope.astype(np.complex64), block, fit.frame
    )


def _on_block_grid(values: ComplexArray | FloatArray, block: int, *, fade: float) -> ComplexArray:
    """Spectrum of a frame as that of a block: its pulse response, faded out towards half a frame before and after."""
    pulse = np.fft.irfft(values)
    frame = len(pulse)
    pulse = pulse * np.minimum(1.0, fade * np.fft.fftshift(np.hanning(frame + 1)[:-1]))
    longer = np.zeros(block)
    longer[: frame // 2] = pulse[: frame // 2]
    longer[-frame // 2 :] = pulse[-frame // 2 :]
    return np.asarray(np.fft.rfft(longer), dtype=np.complex128)


def add_blocks(
    sums: FloatArray, warped: FloatArray, output: FloatArray, filters: Filters, *, first: int, hop: int
) -> FloatArray:
    """Add what a stretch of signal says to the normal equations, the delay counted in samples.

    Returns what the model leaves of the output, (n_samples,), right but for the first and last half of a margin.

    Parameters
    ----------
    sums : ndarray, shape (6, n_knots)
        See `tapemeasure.delay.kernels.add_normal_equations`; changed in place.
    warped, output : ndarray of float32, shape (n_samples,)
        A whole number of steps long, and a margin more at each end.
    filters : Filters
        Of the machine.
    first : int
        Sample of the file that stands behind the first margin.
    hop : int
        Samples between knots.
    """
    from scipy import fft

    from tapemeasure.delay.kernels import add_normal_equations

    inner = slice(filters.margin, filters.block - filters.margin)
    # whitening costs the other half of the margin
    plain = slice(filters.margin // 2, filters.block - filters.margin // 2)
    rest: FloatArray = np.zeros_like(output)
    for start in range(0, len(output) - 2 * filters.margin, filters.step):
        x = warped[start : start + filters.block]
        model, power = filters.model[0] * fft.rfft(x), x
        for response in filters.model[1:]:
            power = power * x * x
            model += response * fft.rfft(power)
        left = fft.rfft(output[start : start + filters.block]) - model
        rest[start + plain.start : start + plain.stop] = fft.irfft(left, filters.block)[plain]
        error = filters.whitening * left
        model *= filters.whitening
        slope = filters.slope * model
        pull, missed, curve, shape = (
            np.ascontiguousarray(fft.irfft(part, filters.block)[inner])
            for part in (slope, error, -filters.slope * slope, model)
        )
        add_normal_equations(pull, missed, curve, shape, first + start, hop, sums)
    return rest
