"""The level check before a take: a short soft signal on each output tells gain, noise, polarity, latency, cabling."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.params import HardwareSettings
from tapemeasure.signals.marker import marker_burst
from tapemeasure.units import amplitude_from_db, db_from_amplitude

QUIET_S = 0.5
MARKER_S = 0.05
TONE_S = 0.4
TONE_HZ = 1000.0
TONE_SHARE, SECOND_SHARE = 0.8, 0.2
"""Amplitudes of the tone and of its second harmonic, which gives it a polarity; together they peak at 1."""

SIGN_WINDOW_S = 0.02
LEAST_COSINE = 0.35
"""A phase between 70 and 110 degrees is neither polarity."""

SLOT_S = 1.4
"""A marker, a tone, and time for a machine's delay."""

SAFE_DB = -20.0
"""Below the level of the take; its tones would be at full scale there."""

LEAST_MATCH = 0.3
SETTLE_S = 0.08
HEARD_DB = 30.0
CROSSTALK_DB = -15.0
CLIP_MARGIN_DB = 0.5
LEAST_SNR_DB = 30.0


@dataclass(frozen=True)
class LevelCheck:
    """What the short signal told; inputs and outputs in the order of the settings.

    Parameters
    ----------
    level_dbfs : float
        Peak level that was played.
    noise_dbfs : tuple of float
        Noise floor of each input, rms.
    peak_dbfs : tuple of float
        Largest sample of each input.
    gain_db : ndarray, shape (n_outputs, n_inputs)
        Level of every input while an output plays, by what was played; the noise floor where it is not heard.
    heard : ndarray of bool, shape (n_outputs, n_inputs)
        Whether the marker of the output was found in the input.
    polarity : ndarray of int, shape (n_outputs, n_inputs)
        1 or -1 where it is heard, else 0.
    latency_s : float or None
        Time from output to input by the markers; None: nothing was heard.
    """

    level_dbfs: float
    noise_dbfs: tuple[float, ...]
    peak_dbfs: tuple[float, ...]
    gain_db: FloatArray
    heard: np.ndarray
    polarity: np.ndarray
    latency_s: float | None


def check_signal(settings: HardwareSettings) -> FloatArray:
    """A marker and 0.4 s of 1 kHz with a fainter 2 kHz on one output after the other, behind half a second of silence.

    Parameters
    ----------
    settings : HardwareSettings
        Its peak lies 20 dB below `level_db`.

    Returns
    -------
    ndarray, shape (n_samples, n_outputs)
    """
    rate, n_outputs = settings.sample_rate, len(settings.output_channels)
    level_dbfs = settings.level_db + SAFE_DB
    slot, quiet = round(SLOT_S * rate), round(QUIET_S * rate)
    samples = np.zeros((quiet + n_outputs * slot, n_outputs))
    marker = marker_burst(sample_rate=rate, level_dbfs=level_dbfs)
    time_s = np.arange(round(TONE_S * rate)) / rate
    fade = np.clip(np.minimum(time_s, TONE_S - time_s) / 0.01, 0.0, 1.0)
    turns = 2.0 * np.pi * TONE_HZ * time_s
    tone = amplitude_from_db(level_dbfs) * fade * (TONE_SHARE * np.sin(turns) + SECOND_SHARE * np.cos(2.0 * turns))
    for channel in range(n_outputs):
        start = quiet + channel * slot
        samples[start : start + len(marker), channel] = marker
        begin = start + len(marker) + round(SETTLE_S * rate)
        samples[begin : begin + len(tone), channel] = tone
    return samples


def read_levels(recorded: FloatArray, settings: HardwareSettings) -> LevelCheck:
    """Gains, noise, polarity and latency from what came back of `check_signal`.

    Parameters
    ----------
    recorded : ndarray, shape (n_samples, n_inputs)
        As long as the signal and the settings' tail.
    settings : HardwareSettings
        The same.

    Notes
    -----
    The latency is that of the strongest marker and is sought up to what a slot leaves, about 0.8 s; the tone's level is
    taken over its middle, good to 0.2 dB where it lies 20 dB above the noise.
    """
    rate = settings.sample_rate
    n_outputs, n_inputs = len(settings.output_channels), recorded.shape[1]
    quiet, slot = round(QUIET_S * rate), round(SLOT_S * rate)
    marker = marker_burst(sample_rate=rate, level_dbfs=0.0)
    hits = np.zeros((n_outputs, n_inputs, 2))
    polarity = np.zeros((n_outputs, n_inputs), dtype=np.int64)
    for output in range(n_outputs):
        start = quiet + output * slot
        for source in range(n_inputs):
            hits[output, source] = _find(recorded[start : start + slot, source], marker)
            polarity[output, source] = _polarity(recorded[:, source], start + int(hits[output, source, 0]), rate)
    heard = hits[:, :, 1] > LEAST_MATCH
    latency = int(hits[np.unravel_index(np.argmax(hits[:, :, 1]), heard.shape)][0]) if heard.any() else 0
    amplitude = np.array(
        [
            [_tone_rms(recorded[:, source], quiet + output * slot + latency, rate) for source in range(n_inputs)]
            for output in range(n_outputs)
        ]
    )
    level_dbfs = settings.level_db + SAFE_DB
    noise = recorded[: quiet - round(0.05 * rate)]
    return LevelCheck(
        level_dbfs=level_dbfs,
        noise_dbfs=tuple(db_from_amplitude(float(np.std(noise[:, source]))) for source in range(n_inputs)),
        peak_dbfs=tuple(db_from_amplitude(float(np.abs(recorded[:, source]).max())) for source in range(n_inputs)),
        gain_db=20.0 * np.log10(np.maximum(amplitude, 1e-12) * np.sqrt(2.0) / TONE_SHARE) - level_dbfs,
        heard=heard,
        polarity=np.where(heard, polarity, 0),
        latency_s=latency / rate if heard.any() else None,
    )


def _find(samples: FloatArray, marker: FloatArray) -> tuple[float, float]:
    """Position and normalised correlation of the marker in a slot."""
    from scipy.signal import fftconvolve

    product = fftconvolve(samples, marker[::-1], mode="valid")
    energy = np.concatenate([[0.0], np.cumsum(samples**2)])
    local = energy[len(marker) :] - energy[: -len(marker)]
    match = np.abs(product) / np.sqrt(np.maximum(local, 1e-12) * np.sum(marker**2))
    # strong and alike: silence is like anything, and a tone is strong
    peak = int(np.argmax(np.abs(product) * match))
    return float(peak), float(min(match[peak], 1.0))


def _polarity(samples: FloatArray, start: int, sample_rate: int) -> int:
    """Sign of a tone with a second harmonic, by the phase between the two; 0 where that is nearer to a right angle.

    Twice the phase of the fundamental less that of its harmonic does not change with a delay or a speed, and by half a
    turn with the polarity. (The marker would not do: at a speed 0.2 % off its lobes of both signs are as large.)
    """
    first = start + round((MARKER_S + SETTLE_S + 0.05) * sample_rate)
    size = round(SIGN_WINDOW_S * sample_rate)
    part = samples[first : first + round(0.3 * sample_rate)]
    turns = 2.0 * np.pi * TONE_HZ / sample_rate * np.arange(size)
    window = np.hanning(size)
    total = 0.0 + 0.0j
    for begin in range(0, len(part) - size + 1, size):
        piece = window * part[begin : begin + size]
        fundamental, second = (np.sum(piece * np.exp(-1j * order * turns)) for order in (1, 2))
        total -= complex(second * np.conj(fundamental) ** 2)
    cosine = total.real / abs(total) if total else 0.0
    return 0 if abs(cosine) < LEAST_COSINE else int(np.sign(cosine))


def _tone_rms(samples: FloatArray, start: int, sample_rate: int) -> float:
    """Level of the 1 kHz line in the middle of a slot's tone."""
    first = start + round((MARKER_S + SETTLE_S + 0.1) * sample_rate)
    part = samples[first : first + round(0.2 * sample_rate)]
    if len(part) < 16:
        return 0.0
    window = np.hanning(len(part))
    # the wow of a machine spreads the line; the band around it is what counts
    spectrum = np.abs(np.fft.rfft(part * window)) ** 2 / (np.sum(window**2) * len(part)) * 2.0
    frequency = np.fft.rfftfreq(len(part), 1.0 / sample_rate)
    return float(np.sqrt(np.sum(spectrum[(frequency > 0.8 * TONE_HZ) & (frequency < 1.25 * TONE_HZ)])))


def level_problems(
    check: LevelCheck, settings: HardwareSettings, *, peak: tuple[float, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What forbids the take, and what should be known, by the level check.

    Parameters
    ----------
    check : LevelCheck
        What `read_levels` returned.
    settings : HardwareSettings
        Channels and tolerance.
    peak : tuple of float
        Largest amplitude of each channel of the take.
    """
    refusals, warnings = [], []
    n_pairs = min(len(settings.output_channels), len(settings.input_channels))
    for pair in range(n_pairs):
        bad, known = _pair_problems(check, settings, pair, peak[pair])
        refusals += bad
        warnings += known
    return tuple(refusals), tuple(warnings)


def _pair_problems(
    check: LevelCheck, settings: HardwareSettings, pair: int, peak: float
) -> tuple[list[str], list[str]]:
    output, source = settings.output_channels[pair], settings.input_channels[pair]
    gain_db = float(check.gain_db[pair, pair])
    others = [other for other in range(check.heard.shape[1]) if other != pair and check.heard[pair, other]]
    loudest = max(others, key=lambda other: float(check.gain_db[pair, other]), default=None)
    if not check.heard[pair, pair]:
        if loudest is not None:
            text = (
                f"output {output} is heard in input {settings.input_channels[loudest]} and not in input {source}: swap "
                "the cables, or the numbers in input_channels"
            )
        else:
            text = (
                f"input {source} hears nothing of output {output} (noise {check.noise_dbfs[pair]:.0f} dBFS): is the "
                "machine on, recording, its monitor switch on tape, and are the cables right?"
            )
        return [text], []
    refusals, warnings = list(_level_texts(check, settings, pair, peak)), []
    if loudest is not None and float(check.gain_db[pair, loudest]) > gain_db - 3.0:
        refusals.append(
            f"output {output} is as loud in input {settings.input_channels[loudest]} as in input {source}: the "
            "channels are joined or swapped; check the cables and the machine's mono switch"
        )
    elif loudest is not None and float(check.gain_db[pair, loudest]) > gain_db + CROSSTALK_DB:
        warnings.append(
            f"output {output} is heard in input {settings.input_channels[loudest]} only "
            f"{gain_db - float(check.gain_db[pair, loudest]):.0f} dB softer than in input {source}"
        )
    if check.polarity[pair, pair] < 0:
        warnings.append(f"input {source} is inverted against output {output}: swap the wires of one cable")
    snr_db = gain_db + check.level_dbfs - 3.0 - check.noise_dbfs[pair]
    if snr_db < LEAST_SNR_DB:
        warnings.append(
            f"input {source} has {check.noise_dbfs[pair]:.0f} dBFS of noise, only {snr_db:.0f} dB below the test tone"
        )
    return refusals, warnings


def _level_texts(check: LevelCheck, settings: HardwareSettings, pair: int, peak: float) -> Iterator[str]:
    source, gain_db = settings.input_channels[pair], float(check.gain_db[pair, pair])
    expected_dbfs = gain_db + db_from_amplitude(peak)
    if check.peak_dbfs[pair] > -0.1:
        yield f"input {source} clips already at the soft test tone: lower the card's input by 20 dB or more"
    elif peak > 0.0 and expected_dbfs > -CLIP_MARGIN_DB and gain_db > 0.0:
        yield (
            f"input {source} would peak at {expected_dbfs:+.1f} dBFS: lower the card's input or the machine's output "
            f"by {expected_dbfs + 3.0:.0f} dB"
        )
    if abs(gain_db) > settings.gain_tolerance_db:
        knob = "raise" if gain_db < 0.0 else "lower"
        yield (
            f"input {source} comes back at {gain_db:+.1f} dB against what was played ({settings.gain_tolerance_db:g} "
            f"dB are allowed, gain_tolerance_db): {knob} the machine's output or the card's input by "
            f"{abs(gain_db):.0f} dB"
        )


def level_facts(check: LevelCheck, settings: HardwareSettings) -> dict[str, object]:
    """The check as plain values for a sidecar."""
    n_pairs = min(len(settings.output_channels), len(settings.input_channels))
    return {
        "level_dbfs": check.level_dbfs,
        "latency_s": check.latency_s,
        "noise_dbfs": check.noise_dbfs,
        "peak_dbfs": check.peak_dbfs,
        "gain_db": [float(check.gain_db[pair, pair]) for pair in range(n_pairs)],
        "heard": [bool(check.heard[pair, pair]) for pair in range(n_pairs)],
        "polarity": [int(check.polarity[pair, pair]) for pair in range(n_pairs)],
    }
