"""RTNeural's JSON held against torch itself, plain models, TorchScript, and what no filter costs."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from tapemeasure.errors import UsageError
from tapemeasure.export.approximate import without_filter
from tapemeasure.export.rtneural import play_layers, rtneural_model
from tapemeasure.export.torchscript import FACTS_FILE, play_torchscript, torchscript_bytes
from tapemeasure.replica.model import GATES, Replica
from tapemeasure.replica.player import ReplicaPlayer

SHAPES = [("gru", 16, 0), ("gru", 7, 1), ("gru", 24, 130), ("lstm", 8, 0), ("lstm", 12, 40)]


def replica_of(cell, n_units, n_taps, skip_gain=-0.8):
    rng = np.random.default_rng(n_units)
    rows = GATES[cell] * n_units

    def weights(*shape):
        return (rng.standard_normal(shape) / np.sqrt(n_units)).astype(np.float32)

    taps = rng.standard_normal(n_taps) * np.exp(-np.arange(n_taps) / 20.0)
    first = (weights(rows, 2), weights(rows, n_units), weights(rows), weights(rows), weights(n_units))
    return Replica(44100, cell, *first, 0.03, skip_gain, taps, 0)


def played(replica, signal):
    return ReplicaPlayer(replica, n_channels=1).play(signal[:, np.newaxis])[:, 0]


def close(found, expected):
    return np.abs(found - expected).max() < 1e-5 * max(1.0, np.abs(expected).max())


SIGNAL = 0.3 * np.random.default_rng(5).standard_normal(500)


@pytest.mark.parametrize(("cell", "n_units", "n_taps"), SHAPES)
def test_the_json_says_what_the_replica_plays(cell, n_units, n_taps):
    replica = replica_of(cell, n_units, n_taps)
    model, error = rtneural_model(replica, facts={"device": "akai"})
    assert error < 1e-5
    read = json.loads(json.dumps(model, allow_nan=False))
    assert read["metadata"] == {"device": "akai"}
    assert [layer["type"] for layer in read["layers"]] == ["conv1d", cell, "dense", "conv1d"][: 4 if n_taps else 3]
    assert close(play_layers(read["layers"], SIGNAL), played(replica, SIGNAL))


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_the_evaluation_of_the_json_is_that_of_torch(kind):
    """Torch's own layers, with the gates put into the order of Keras by hand."""
    torch.manual_seed(2)
    cell = (torch.nn.GRU if kind == "gru" else torch.nn.LSTM)(1, 5, batch_first=True).double()
    order = [1, 0, 2] if kind == "gru" else [0, 1, 2, 3]

    def gates(weight):
        return np.concatenate([np.split(weight.detach().numpy(), len(order))[place] for place in order])

    biases = np.array([gates(cell.bias_ih_l0), gates(cell.bias_hh_l0)])
    layers = [
        {
            "type": kind,
            "weights": [
                gates(cell.weight_ih_l0).T,
                gates(cell.weight_hh_l0).T,
                biases if kind == "gru" else biases.sum(axis=0),
            ],
        },
        {"type": "dense", "weights": [np.ones((5, 1)), [0.25]]},
    ]
    with torch.no_grad():
        expected = cell(torch.from_numpy(SIGNAL)[None, :, None])[0][0].sum(dim=-1).numpy() + 0.25
    assert play_layers(layers, SIGNAL) == pytest.approx(expected, abs=1e-12)


def test_a_convolution_of_the_json_is_causal():
    layer = {"type": "conv1d", "weights": [[[[3.0]], [[2.0]], [[1.0]]], [0.5]]}
    impulse = np.array([1.0, 0.0, 0.0, 0.0])
    assert play_layers([layer], impulse) == pytest.approx([1.5, 2.5, 3.5, 0.5])


def test_a_plain_model_is_one_cell_and_one_dense_layer():
    replica = replica_of("lstm", 10, 0)
    model, error = rtneural_model(replica, facts={}, plain=True)
    assert [layer["type"] for layer in model["layers"]] == ["lstm", "dense"]
    assert model["in_shape"] == [None, None, 1]
    assert np.shape(model["layers"][0]["weights"][0]) == (1, 4 * 11)
    assert error < 1e-5
    assert close(play_layers(model["layers"], SIGNAL), played(replica, SIGNAL))


@pytest.mark.parametrize(
    ("cell", "n_taps", "words"), [("lstm", 12, "no place for the linear filter of 12 taps"), ("gru", 0, "cell: lstm")]
)
def test_what_a_plain_model_cannot_say_is_refused(cell, n_taps, words):
    with pytest.raises(UsageError, match=words):
        rtneural_model(replica_of(cell, 6, n_taps), facts={}, plain=True)


def test_a_filter_that_is_gain_and_delay_costs_nothing():
    replica = replica_of("lstm", 6, 0)
    delayed = replace(replica, taps=0.5 * np.eye(1, 30, 20)[0], latency_samples=22)
    simple = without_filter(delayed)
    assert simple.lag_samples == 20
    assert simple.replica.latency_samples == 2
    assert simple.esr < 1e-10
    assert close(played(simple.replica, SIGNAL), 0.5 * played(replica, SIGNAL))


def test_what_no_filter_costs_is_its_distance_to_a_gain():
    """Two equal taps far apart: half of the energy is not the best gain's, for a signal whose lags hardly correlate."""
    wire = replace(replica_of("gru", 4, 0, skip_gain=1.0), readout=np.zeros(4, np.float32), bias=0.0)
    taps = np.zeros(4000)
    taps[[0, 3999]] = 1.0
    assert without_filter(replace(wire, taps=taps)).esr == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(("cell", "n_units", "n_taps"), SHAPES[1:4])
def test_torchscript_plays_what_the_replica_plays(cell, n_units, n_taps, tmp_path):
    replica = replica_of(cell, n_units, n_taps)
    data, error = torchscript_bytes(replica, facts={"device": "akai"})
    assert error < 1e-5
    assert close(play_torchscript(data, SIGNAL, block_samples=33), played(replica, SIGNAL))
    path, facts = tmp_path / "model.pt", {FACTS_FILE: ""}
    path.write_bytes(data)
    torch.jit.load(path, _extra_files=facts)
    assert json.loads(facts[FACTS_FILE]) == {"device": "akai"}
