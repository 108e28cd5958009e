"""Input and de-wowed output of a take as the pair of files that NAM's trainer accepts, and that trainer's own checks.

What it wants: mono PCM files of one length and rate (its simple trainer: 48 kHz), an output below full scale, 0.4 s of
silent input before the part that it validates on, and a passage that comes twice with an ESR between its two outputs
below 0.01 ("replicate ESR"). Tape fails the last one while it wobbles; with the delay undone it can pass.

References
----------
.. [1] S. Atkinson, "neural-amp-modeler", https://github.com/sdatkinson/neural-amp-modeler (its checks).
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tapemeasure.analysis.signal_errors import esr
from tapemeasure.arrays import FloatArray, runs_of
from tapemeasure.errors import MismatchError, SignalError

SAMPLE_RATE = 48000
REPLICATE_S = 9.0
"""Length of the passage that stands at both ends of its own test signals, seconds."""
LARGEST_REPLICATE_ESR = 0.01
SILENCE_S = 0.4
VALIDATION_PART = 0.1
"""Share of the pair, at its end, that is kept for validation where the silences allow it."""
LARGEST_PEAK = 1.0 - 2.0**-15
"""Output is turned down to this where it would reach full scale."""
FULL_SCALE_24 = 2.0**23


@dataclass(frozen=True)
class NamPair:
    """A pair of mono signals, and what the trainer's checks say of it.

    Parameters
    ----------
    input, output : ndarray, shape (n_samples,)
        Full scale 1.0, on the grid of 24 bits.
    sample_rate : int
        Hz.
    input_gain_db : float
        What the input was turned down by; 0 where it was within full scale. The trainer is told to undo it.
    output_gain_db : float
        What the output was turned down by; 0 where it was below full scale.
    replicate_esr : float or None
        Between the outputs of the passage that stands at both ends; None where the input has none.
    validation_start_samples : int
        Where the validation begins: behind a silence, if there is one.
    silence_before_validation : bool
        Whether the input is silent for 0.4 s before it.
    """

    input: FloatArray
    output: FloatArray
    sample_rate: int
    input_gain_db: float
    output_gain_db: float
    replicate_esr: float | None
    validation_start_samples: int
    silence_before_validation: bool

    @property
    def accepted(self) -> bool:
        """Whether no check fails."""
        return self.replicate_esr is None or self.replicate_esr <= LARGEST_REPLICATE_ESR

    def checks(self) -> dict[str, Any]:
        """What the checks found, without the audio."""
        found = {name: value for name, value in asdict(self).items() if name not in ("input", "output")}
        return {**found, "n_samples": len(self.input), "limit_replicate_esr": LARGEST_REPLICATE_ESR}

    def data_config(self, *, input_name: str, output_name: str) -> dict[str, Any]:
        """Configuration of the data for its full trainer, which takes any test signal."""
        split = self.validation_start_samples
        validation: dict[str, Any] = {"start_samples": split, "ny": None}
        if not self.silence_before_validation:
            validation["require_input_pre_silence"] = None
        return {
            "train": {"stop_samples": split, "ny": 8192},
            "validation": validation,
            "common": {
                "x_path": input_name,
                "y_path": output_name,
                "delay": 0,
                "sample_rate": self.sample_rate,
                "input_gain": -self.input_gain_db,
            },
        }


def nam_pair(stimulus: FloatArray, aligned: FloatArray, *, sample_rate: int) -> NamPair:
    """Pair for NAM's trainer.

    Parameters
    ----------
    stimulus, aligned : ndarray, shape (n_samples,)
        One channel of what was played, and of what came back with its delay undone.
    sample_rate : int
        Hz; both are resampled to 48 kHz where it is another.

    Raises
    ------
    MismatchError
        If the lengths differ.
    SignalError
        If one is silent.
    """
    if len(stimulus) != len(aligned):
        raise MismatchError(
            f"pair: the input has {len(stimulus)} samples, the aligned output {len(aligned)}; align the output first"
        )
    for name, signal in (("input", stimulus), ("aligned output", aligned)):
        if not np.any(signal):
            raise SignalError(f"pair: the {name} is silent; record the take again")
    played, output = (_resampled(signal, sample_rate) for signal in (stimulus, aligned))
    input_gain = min(1.0 / float(np.abs(played).max()), 1.0)
    output_gain = min(LARGEST_PEAK / float(np.abs(output).max()), 1.0)
    played, output = _in_24_bits(input_gain * played), _in_24_bits(output_gain * output)
    start, silent = _validation_start(played)
    return NamPair(
        input=played,
        output=output,
        sample_rate=SAMPLE_RATE,
        input_gain_db=20.0 * math.log10(input_gain),
        output_gain_db=20.0 * math.log10(output_gain),
        replicate_esr=_replicate_esr(played, output),
        validation_start_samples=start,
        silence_before_validation=silent,
    )


def _resampled(signal: FloatArray, sample_rate: int) -> FloatArray:
    if sample_rate == SAMPLE_RATE:
        return np.asarray(signal, dtype=np.float64)
    from scipy.signal import resample_poly

    common = math.gcd(SAMPLE_RATE, sample_rate)
    resampled: FloatArray = resample_poly(signal, SAMPLE_RATE // common, sample_rate // common)
    return resampled


def _in_24_bits(signal: FloatArray) -> FloatArray:
    steps = np.clip(np.round(signal * FULL_SCALE_24), -FULL_SCALE_24, FULL_SCALE_24 - 1.0)
    return np.asarray(steps / FULL_SCALE_24, dtype=np.float64)


def _replicate_esr(played: FloatArray, output: FloatArray) -> float | None:
    """ESR between the outputs of the first and of the last nine seconds, where those of the input are equal."""
    length = round(REPLICATE_S * SAMPLE_RATE)
    if len(played) < 2 * length or not np.array_equal(played[:length], played[-length:]):
        return None
    if not np.any(output[-length:]):
        return None
    return esr(output[:length], output[-length:])


def _validation_start(played: FloatArray) -> tuple[int, bool]:
    """First sample of the validation, and whether the input is silent long enough before it."""
    wanted = round((1.0 - VALIDATION_PART) * len(played))
    needed = math.ceil(SILENCE_S * SAMPLE_RATE)
    ends = [stop for start, stop in runs_of(played == 0.0) if stop - start >= needed and stop < len(played)]
    # at least a hundredth of the pair must be left on each side
    usable = [stop for stop in ends if 0.01 * len(played) < stop < 0.99 * len(played)]
    return (min(usable, key=lambda stop: abs(stop - wanted)), True) if usable else (wanted, False)
