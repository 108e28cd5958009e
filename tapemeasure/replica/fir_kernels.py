"""Compiled linear filter without latency: the first taps are summed directly, the others by transforms of whole parts.

A part has `PART` samples, and what parts that are complete add to later samples is found when a part ends. Parts are
counted from the first sample of the signal, not of a block, so that blocks of any length give the same bits.

Negacyclic convolution of a real part of `PART` samples is a complex transform of `PART` points. The transforms are of
constant geometry: their spectra come out in another order, which does not matter on the way there and back.

References
----------
.. [1] W. G. Gardner, "Efficient convolution without input-output delay", J. Audio Eng. Soc. 43, 1995.
.. [2] M. C. Pease, "An adaptation of the fast Fourier transform for parallel processing", J. ACM 15, 1968.
"""

import numba
import numpy as np

from tapemeasure.arrays import Float32Array, FloatArray, IntArray

PART = 128
"""Samples of a part of the filter; a power of two."""
STAGES = 7
"""log2 of `PART`."""
FIXED = PART + STAGES * PART + 2 * PART
"""Floats of a packed filter before the spectra of its parts: first taps, backwards; turns; twist."""
MEMORY = 8 * PART
"""Floats of a filter's memory before the spectra of the signal: last part and this one; what the complete parts add to
this one, and to the next; room to work."""
ZERO = np.float32(0.0)


def packed_filter(taps: FloatArray) -> Float32Array:
    """Filter of shape (n_taps,) as `filter_block` takes it; nothing for a filter without taps."""
    if len(taps) == 0:
        return np.zeros(0, np.float32)
    n_parts = max(-(-len(taps) // PART), 1)
    parts = np.concatenate([taps, np.zeros(n_parts * PART - len(taps))]).reshape(n_parts, PART)
    place = np.arange(PART // 2)
    turns = np.array([np.exp(-2j * np.pi * ((place >> stage) << stage) / PART) for stage in range(STAGES)])
    twist = np.exp(1j * np.pi * np.arange(PART) / (2 * PART))
    order = [int(f"{bin_number:0{STAGES}b}"[::-1], 2) for bin_number in range(PART)]
    spectra = np.fft.fft(parts[1:] * twist, axis=1)[:, order] / PART
    complex_parts = (np.stack([part.real, part.imag], axis=-2).ravel() for part in (turns, twist, spectra))
    return np.concatenate([parts[0, ::-1], *complex_parts]).astype(np.float32)


def memory_floats(filter_floats: int) -> int:
    """Size of the memory of a packed filter of `filter_floats`."""
    return 0 if filter_floats == 0 else MEMORY + filter_floats - FIXED


@numba.njit(cache=True, fastmath=True, error_model="numpy", nogil=True)
def _to_spectrum(a: Float32Array, b: Float32Array, turns: Float32Array) -> Float32Array:
    """Complex transform of `a` (2, PART), real and imaginary; `b` is room to work, the result is in one of them."""
    half = PART // 2
    for stage in range(STAGES):
        turn = turns[stage]
        for i in range(half):
            real, imaginary = a[0, i] - a[0, i + half], a[1, i] - a[1, i + half]
            b[0, 2 * i], b[1, 2 * i] = a[0, i] + a[0, i + half], a[1, i] + a[1, i + half]
            b[0, 2 * i + 1] = real * turn[0, i] - imaginary * turn[1, i]
            b[1, 2 * i + 1] = real * turn[1, i] + imaginary * turn[0, i]
        a, b = b, a
    return a


@numba.njit(cache=True, fastmath=True, error_model="numpy", nogil=True)
def _from_spectrum(a: Float32Array, b: Float32Array, turns: Float32Array) -> Float32Array:
    """Way back of `_to_spectrum`, times PART."""
    half = PART // 2
    for stage in range(STAGES - 1, -1, -1):
        turn = turns[stage]
        for i in range(half):
            real = a[0, 2 * i + 1] * turn[0, i] + a[1, 2 * i + 1] * turn[1, i]
            imaginary = a[1, 2 * i + 1] * turn[0, i] - a[0, 2 * i + 1] * turn[1, i]
            b[0, i], b[1, i] = a[0, 2 * i] + real, a[1, 2 * i] + imaginary
            b[0, i + half], b[1, i + half] = a[0, 2 * i] - real, a[1, 2 * i] - imaginary
        a, b = b, a
    return a


@numba.njit(cache=True, fastmath=True, error_model="numpy", nogil=True)
def _add_product(total: Float32Array, left: Float32Array, right: Float32Array) -> None:
    """Add the product of two spectra (2, PART)."""
    for i in range(PART):
        total[0, i] += left[0, i] * right[0, i] - left[1, i] * right[1, i]
        total[1, i] += left[0, i] * right[1, i] + left[1, i] * right[0, i]


@numba.njit(cache=True, fastmath=True, error_model="numpy", nogil=True)
def _end_of_part(packed: Float32Array, memory: Float32Array, newest: int) -> None:
    """Transform the part that is complete now into slot `newest`, and find what all of them add to the next one."""
    turns = packed[PART : PART + STAGES * PART].reshape(STAGES, 2, PART // 2)
    twist = packed[PART + STAGES * PART : FIXED].reshape(2, PART)
    parts = packed[FIXED:].reshape(-1, 2, PART)
    spectra = memory[MEMORY:].reshape(-1, 2, PART)
    now, later = memory[2 * PART : 3 * PART], memory[3 * PART : 4 * PART]
    work = memory[4 * PART : MEMORY].reshape(2, 2, PART)
    for i in range(PART):
        work[0, 0, i], work[0, 1, i] = memory[i] * twist[0, i], memory[i] * twist[1, i]
    spectra[newest] = _to_spectrum(work[0], work[1], turns)
    work[0] = ZERO
    n_parts = parts.shape[0]
    for part in range(n_parts):
        _add_product(work[0], spectra[(newest - part) % n_parts], parts[part])
    found = _from_spectrum(work[0], work[1], turns)
    for i in range(PART):
        now[i] = later[i] + found[0, i] * twist[0, i] + found[1, i] * twist[1, i]
        later[i] = found[1, i] * twist[0, i] - found[0, i] * twist[1, i]


@numba.njit(cache=True, fastmath=True, error_model="numpy", nogil=True)
def filter_block(packed: Float32Array, memory: Float32Array, places: IntArray, samples: Float32Array) -> None:
    """Filter a block in place.

    Parameters
    ----------
    packed : ndarray
        What `packed_filter` gave.
    memory : ndarray, shape (memory_floats,)
        Zeros before the first sample.
    places : ndarray, shape (2,)
        Samples of this part so far, and the newest slot of spectra; zeros before the first sample.
    samples : ndarray, shape (n_samples,)
        Comes in as the signal and goes out filtered.
    """
    n_parts = (packed.shape[0] - FIXED) // (2 * PART)
    first = 0
    while first < samples.shape[0]:
        place = places[0]
        count = min(PART - place, samples.shape[0] - first)
        for i in range(count):
            memory[PART + place + i] = samples[first + i]
        for i in range(count):
            recent = memory[place + i + 1 :]
            total = ZERO
            for tap in range(PART):
                total += packed[tap] * recent[tap]
            samples[first + i] = total + memory[2 * PART + place + i]
        first += count
        places[0] = (place + count) % PART
        if places[0] == 0:
            memory[:PART] = memory[PART : 2 * PART]
            if n_parts > 0:
                places[1] = (places[1] + 1) % n_parts
                _end_of_part(packed, memory, places[1])
