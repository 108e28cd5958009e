"""A trained recording path as plain numbers: read without torch, its conditions filled in.

The equations stand in `tapemeasure.models.recording_path`, which trains them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tapemeasure.arrays import Float32Array, FloatArray
from tapemeasure.errors import TrainingError, UsageError
from tapemeasure.model_file import check_weights, read_model_file
from tapemeasure.replica.condition import conditions_of

FORMAT = "tapemeasure recording path"
VERSION = 2
MODEL_FILE = "model.safetensors"
DIFFERENCE_GAIN = 8.0
"""Of the second input of the cell, the difference of a sample to the one before."""
GATES = {"gru": 3, "lstm": 4}
LAGRANGE_TAPS = 6
LAGRANGE_LEAD_SAMPLES = 2
"""Whole samples by which the six taps of the static delay are late."""


@dataclass(frozen=True)
class Replica:
    """A recording path for one setting of the machine.

    Parameters
    ----------
    sample_rate : int
        Hz; it is right only for signals of this rate.
    cell : str
        ``gru`` (gates reset, update, candidate) or ``lstm`` (input, forget, candidate, output).
    input_weight : ndarray, shape (n_gates * n_units, 2)
        For the sample and for `DIFFERENCE_GAIN` times its difference to the one before.
    hidden_weight : ndarray, shape (n_gates * n_units, n_units)
    input_bias, hidden_bias : ndarray, shape (n_gates * n_units,)
    readout : ndarray, shape (n_units,)
    bias, skip_gain : float
        Added to the output; share of the input that goes past the cell.
    taps : ndarray, shape (n_taps,)
        Linear filter behind the cell; empty for none.
    latency_samples : int
        By how much the output is later than what it stands for.
    conditions : mapping of float
        Settings of the machine that were filled in.
    facts : mapping
        What the training wrote about the model.
    """

    sample_rate: int
    cell: str
    input_weight: Float32Array
    hidden_weight: Float32Array
    input_bias: Float32Array
    hidden_bias: Float32Array
    readout: Float32Array
    bias: float
    skip_gain: float
    taps: FloatArray
    latency_samples: int
    conditions: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n_units(self) -> int:
        """Units of the cell."""
        return len(self.readout)

    @property
    def worse_than_filter(self) -> bool:
        """Whether a linear filter alone was at least as good on the validation set, as far as the facts tell."""
        own, linear = self.facts.get("validation_esr"), self.facts.get("fir_validation_esr")
        return isinstance(own, float | int) and isinstance(linear, float | int) and own >= linear


def model_path(path: Path | str) -> Path:
    """File of a model: itself, or ``model.safetensors`` in a folder such as ``data/models/<device>``.

    Raises
    ------
    UsageError
        If there is no such file.
    """
    path = Path(path)
    file = path / MODEL_FILE if path.is_dir() else path
    if not file.is_file():
        where = f"{path}: holds no {MODEL_FILE}" if path.is_dir() else f"{path}: no such file"
        raise UsageError(f"{where}; train a model first, or give its file or folder")
    return file


def read_replica(path: Path | str, *, conditions: Mapping[str, float] | None = None) -> Replica:
    """Read a trained recording path, file or folder; nothing is unpickled.

    Parameters
    ----------
    path : path
        ``model.safetensors``, or the folder that holds it.
    conditions : mapping of float, optional
        Settings of the machine, for a model that was trained on several: all that it names, and no others.

    Raises
    ------
    UsageError
        If there is no such file, or a condition is missing, unknown or not finite.
    TrainingError
        If it is no such model, of another version, truncated, or its weights do not fit its configuration.
    """
    file = model_path(path)
    content = read_model_file(file, format_name=FORMAT, version=VERSION)
    config = content.config
    try:
        tensors = {name: np.asarray(tensor, dtype=np.float32) for name, tensor in content.tensors.items()}
        expected = _shapes(config)
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingError(f"{file}: damaged model file ({error}); train it again") from error
    check_weights(tensors, expected, where=file)
    values, scaled = conditions_of(config, conditions or {}, where=file)
    return _replica(config, tensors, values=values, scaled=scaled, facts=content.facts)


def _shapes(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Shape of every weight that a configuration needs."""
    n_units, n_conditions = int(config["hidden_size"]), len(config["condition_names"])
    rows = GATES[config["cell"]] * n_units
    shapes: dict[str, tuple[int, ...]] = {
        "cell.weight_ih_l0": (rows, 2 + n_conditions),
        "cell.weight_hh_l0": (rows, n_units),
        "cell.bias_ih_l0": (rows,),
        "cell.bias_hh_l0": (rows,),
        "output.weight": (1, n_units),
        "output.bias": (1,),
    }
    if config["skip"]:
        shapes["skip_gain"] = ()
    if config["fir_taps"]:
        shapes["fir"] = (1 + n_conditions, int(config["fir_taps"]))
    if config["static_delay"]:
        shapes["static_delay"] = ()
    return shapes


def _replica(
    config: Mapping[str, Any],
    tensors: Mapping[str, Float32Array],
    *,
    values: Mapping[str, float],
    scaled: FloatArray,
    facts: Mapping[str, Any],
) -> Replica:
    """Conditions are constant over a file, so that they are part of the biases and of the filter."""
    into = tensors["cell.weight_ih_l0"]
    taps = np.zeros(0)
    latency_samples = int(config["lead_samples"])
    if "fir" in tensors:
        taps = np.concatenate([[1.0], scaled]) @ tensors["fir"].astype(np.float64)
    if "static_delay" in tensors:
        fraction = float(np.clip(tensors["static_delay"], 0.0, 1.0))
        taps = np.convolve(taps if len(taps) else [1.0], lagrange_taps(fraction))
        latency_samples += LAGRANGE_LEAD_SAMPLES
    return Replica(
        sample_rate=int(config["sample_rate"]),
        cell=str(config["cell"]),
        input_weight=np.ascontiguousarray(into[:, :2]),
        hidden_weight=tensors["cell.weight_hh_l0"],
        input_bias=(tensors["cell.bias_ih_l0"] + into[:, 2:] @ scaled).astype(np.float32),
        hidden_bias=tensors["cell.bias_hh_l0"],
        readout=tensors["output.weight"][0],
        bias=float(tensors["output.bias"][0]),
        skip_gain=float(tensors.get("skip_gain", np.float32(0.0))),
        taps=taps,
        latency_samples=latency_samples,
        conditions=values,
        facts=facts,
    )


def lagrange_taps(fraction_samples: float) -> FloatArray:
    """Six taps that delay a signal by ``2 + fraction_samples``, 0 to 1 samples.

    Examples
    --------
    >>> lagrange_taps(0.0)
    array([0., 0., 1., 0., 0., 0.])
    """
    place = LAGRANGE_LEAD_SAMPLES + fraction_samples
    number = np.arange(LAGRANGE_TAPS)
    others = [np.delete(number, k) for k in number]
    return np.array([np.prod((place - j) / (k - j)) for k, j in zip(number, others, strict=True)]) + 0.0
