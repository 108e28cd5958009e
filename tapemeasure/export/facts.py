"""What goes with every export, and whether it may go out at all."""

from pathlib import Path
from typing import Any

import numpy as np

from tapemeasure.arrays import FloatArray
from tapemeasure.errors import TrainingError
from tapemeasure.io import plain, provenance
from tapemeasure.replica.model import Replica
from tapemeasure.replica.player import ReplicaPlayer

CHECK_SAMPLES = 4096
LARGEST_ERROR = 1e-4
"""Of full scale; an export that is further from the replica is not written."""
KNOWN = ("device", "tape", "speed_ips", "bias", "input_peak_dbfs", "alignment", "scheme", "validation_esr")


def export_facts(replica: Replica, *, model_file: Path) -> dict[str, Any]:
    """Facts of a model for the metadata of an export: rate, latency, what the training wrote, version and hashes."""
    told = {name: replica.facts.get(name) for name in KNOWN}
    facts = {
        "made_by": "tapemeasure",
        "sample_rate": replica.sample_rate,
        "latency_samples": replica.latency_samples,
        "conditions": dict(replica.conditions),
        **told,
        "linear_filter_validation_esr": replica.facts.get("fir_validation_esr"),
        "provenance": provenance(inputs={"model": model_file}),
    }
    checked: dict[str, Any] = plain(facts)
    return checked


def refuse_worse_than_filter(replica: Replica, *, model_file: Path, force: bool) -> None:
    """Refuse a model that a plain linear filter equals.

    Raises
    ------
    TrainingError
        If it is one, and `force` is false.
    """
    if replica.worse_than_filter and not force:
        own, linear = replica.facts["validation_esr"], replica.facts["fir_validation_esr"]
        raise TrainingError(
            f"{model_file}: its error ({own:.4g} ESR) is not below that of a plain linear filter ({linear:.4g}); train "
            "it longer or on more audio, or give --force to export it all the same"
        )


def check_signal(replica: Replica) -> tuple[FloatArray, FloatArray]:
    """A burst with fading noise in it, shape (n_samples,), and the replica's output, to hold an export against."""
    rng = np.random.default_rng(1)
    time_s = np.arange(CHECK_SAMPLES) / replica.sample_rate
    tone = 0.5 * np.sin(2.0 * np.pi * 440.0 * time_s) * (time_s < 0.6 * time_s[-1])
    signal = tone + 0.2 * rng.standard_normal(CHECK_SAMPLES) * np.linspace(1.0, 0.0, CHECK_SAMPLES)
    # single precision, as every one of the formats takes it
    signal = signal.astype(np.float32).astype(np.float64)
    output = ReplicaPlayer(replica, n_channels=1).play(signal[:, np.newaxis])
    return signal, output[:, 0]


def require_equal(found: FloatArray, expected: FloatArray, *, what: str) -> float:
    """Largest difference of an export's output to the replica's, of full scale or of the output's peak above that.

    Raises
    ------
    TrainingError
        If it is above `LARGEST_ERROR`.
    """
    scale = max(1.0, float(np.abs(expected).max()))
    error = float(np.abs(found - expected).max()) / scale if np.isfinite(found).all() else np.inf
    if not error <= LARGEST_ERROR:
        raise TrainingError(
            f"{what}: its output differs from the model's by {error:.2g} of full scale, {LARGEST_ERROR:g} is allowed; "
            "nothing was written, please report it"
        )
    return error
