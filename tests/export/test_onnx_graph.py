"""ONNX: any length, block by block, metadata, what is missing is named."""

import json
import sys

import numpy as np
import pytest

from tapemeasure.errors import MissingDependencyError, TrainingError
from tapemeasure.export import onnx_graph
from tapemeasure.export.facts import LARGEST_ERROR, check_signal, require_equal
from tapemeasure.replica.model import GATES, Replica
from tapemeasure.replica.player import ReplicaPlayer

SHAPES = [("gru", 16, 0), ("gru", 7, 1), ("gru", 24, 130), ("lstm", 8, 0), ("lstm", 12, 40)]


def replica_of(cell, n_units, n_taps):
    rng = np.random.default_rng(n_units)
    rows = GATES[cell] * n_units

    def weights(*shape):
        return (rng.standard_normal(shape) / np.sqrt(n_units)).astype(np.float32)

    taps = rng.standard_normal(n_taps) * np.exp(-np.arange(n_taps) / 20.0)
    first = (weights(rows, 2), weights(rows, n_units), weights(rows), weights(rows), weights(n_units))
    return Replica(44100, cell, *first, 0.03, -0.8, taps, 3)


@pytest.fixture(autouse=True, scope="module")
def installed():
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")


@pytest.mark.parametrize(("cell", "n_units", "n_taps"), SHAPES)
def test_onnxruntime_plays_what_the_replica_plays(cell, n_units, n_taps):
    """Single precision: 1e-5 of full scale, at any length and in any blocks."""
    replica = replica_of(cell, n_units, n_taps)
    data, error = onnx_graph.onnx_bytes(replica, facts={})
    assert error < 1e-5
    signal = 0.3 * np.random.default_rng(5).standard_normal(777)
    expected = ReplicaPlayer(replica, n_channels=1).play(signal[:, np.newaxis])[:, 0]
    for block_samples in (777, 100, 1):
        played = onnx_graph.play_onnx(data, signal, block_samples=block_samples)
        assert played == pytest.approx(expected, abs=1e-5 * max(1.0, np.abs(expected).max()))


def test_the_batch_is_free():
    """Two signals at once give what each gives alone."""
    import onnxruntime

    replica = replica_of("gru", 6, 5)
    data, _ = onnx_graph.onnx_bytes(replica, facts={})
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    signals = 0.3 * np.random.default_rng(5).standard_normal((2, 1, 300)).astype(np.float32)
    shapes = {"hidden": (1, 2, 6), "last": (2, 1, 1), "past": (2, 1, 4)}
    state = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    together = session.run(["output"], {"signal": signals, **state})[0]
    for number in (0, 1):
        alone = onnx_graph.play_onnx(data, signals[number, 0].astype(np.float64), block_samples=300)
        assert together[number, 0] == pytest.approx(alone, abs=1e-5)


def test_metadata_and_equal_bytes():
    import onnx

    facts = {"device": "akai", "sample_rate": 44100, "provenance": {"sha256": {"model": "abc"}}}
    replica = replica_of("gru", 4, 3)
    first, _ = onnx_graph.onnx_bytes(replica, facts=facts)
    assert first == onnx_graph.onnx_bytes(replica, facts=facts)[0]
    found = {entry.key: entry.value for entry in onnx.load_from_string(first).metadata_props}
    assert found["device"] == "akai"
    assert json.loads(found["provenance"]) == facts["provenance"]


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingDependencyError, match=r"onnxruntime is not installed.*tapemeasure\[export\]"):
        onnx_graph.onnx_bytes(replica_of("gru", 4, 0), facts={})


@pytest.mark.parametrize("spoil", [lambda signal: signal + 2 * LARGEST_ERROR, lambda signal: signal * np.nan])
def test_an_export_that_is_wrong_is_not_written(spoil):
    _, expected = check_signal(replica_of("gru", 4, 0))
    expected = expected / max(1.0, np.abs(expected).max())
    assert require_equal(expected, expected, what="it") == 0.0
    with pytest.raises(TrainingError, match="it: its output differs"):
        require_equal(spoil(expected), expected, what="it")
