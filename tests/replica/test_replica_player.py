"""The player: what torch plays, in blocks of any length, for any number of channels, in silence as fast as in sound."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tapemeasure.errors import SignalError
from tapemeasure.models.model_file import save_recording_path
from tapemeasure.models.recording_path import RecordingPath, RecordingPathConfig
from tapemeasure.replica.fir_kernels import PART, filter_block, memory_floats, packed_filter
from tapemeasure.replica.kernels import TINY
from tapemeasure.replica.model import GATES, Replica, read_replica
from tapemeasure.replica.player import ReplicaPlayer, played_blocks

SAMPLE_RATE = 44100
SHAPES = [
    pytest.param(RecordingPathConfig(16, True, SAMPLE_RATE), id="gru alone"),
    pytest.param(RecordingPathConfig(5, False, SAMPLE_RATE, fir_taps=1), id="few units, one tap"),
    pytest.param(RecordingPathConfig(8, True, SAMPLE_RATE, static_delay=True), id="static delay alone"),
    pytest.param(
        RecordingPathConfig(64, True, SAMPLE_RATE, fir_taps=3 * PART + 5, lead_samples=40, static_delay=True),
        id="gru with everything",
    ),
    pytest.param(
        RecordingPathConfig(24, True, SAMPLE_RATE, cell="lstm", fir_taps=PART, lead_samples=3), id="lstm, whole part"
    ),
    pytest.param(
        RecordingPathConfig(
            16,
            True,
            SAMPLE_RATE,
            fir_taps=200,
            condition_names=("speed_ips", "bias"),
            condition_centres=(7.5, 0.0),
            condition_scales=(3.75, 2.0),
        ),
        id="conditions",
    ),
]


def model_of(config, seed=1):
    """A model with weights that are neither zero nor those of its start."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = RecordingPath(config)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                weight.add_((0.01 if name == "fir" else 0.1) * torch.randn_like(weight))
    return model


def replica_of(n_units=16, *, cell="gru", taps=(), bias=0.1):
    rng = np.random.default_rng(3)
    rows = GATES[cell] * n_units

    def weights(*shape):
        return (rng.standard_normal(shape) / np.sqrt(n_units)).astype(np.float32)

    return Replica(
        SAMPLE_RATE,
        cell,
        weights(rows, 2),
        weights(rows, n_units),
        weights(rows),
        weights(rows),
        weights(n_units),
        bias,
        0.7,
        np.asarray(taps, dtype=np.float64),
        0,
    )


@pytest.mark.parametrize("config", SHAPES)
def test_the_player_agrees_with_torch(config, tmp_path):
    """Single precision: within 1e-5 of the output's peak of torch in double precision."""
    model = model_of(config)
    save_recording_path(model, tmp_path / "model.safetensors")
    conditions = dict(zip(config.condition_names, (15.0, -1.0), strict=False))
    replica = read_replica(tmp_path, conditions=conditions)
    signal = 0.4 * np.random.default_rng(1).standard_normal((1500, 2))
    with torch.no_grad():
        heard = torch.tensor([list(conditions.values())] * 2, dtype=torch.float64) if conditions else None
        expected = model.double()(torch.from_numpy(signal.T.copy())[:, None], None, heard)[0][:, 0].numpy().T
    output = ReplicaPlayer(replica, n_channels=2).play(signal)
    assert np.abs(output - expected).max() < 1e-5 * np.abs(expected).max()
    assert replica.latency_samples == config.latency_samples


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@given(cuts=st.lists(st.integers(1, 999), max_size=8, unique=True))
def test_blocks_of_any_length_give_the_same_bits(cell, cuts):
    player = ReplicaPlayer(replica_of(9, cell=cell, taps=np.hanning(2 * PART + 30)), n_channels=1)
    signal = np.random.default_rng(2).standard_normal((1000, 1))
    whole = player.play(signal)
    player.reset()
    parts = [player.play(np.ascontiguousarray(part)) for part in np.split(signal, sorted(cuts))]
    assert np.array_equal(np.concatenate(parts), whole)


def test_channels_do_not_hear_each_other():
    replica = replica_of(taps=np.hanning(300))
    signal = np.random.default_rng(1).standard_normal((700, 3))
    together = ReplicaPlayer(replica, n_channels=3).play(signal)
    alone = ReplicaPlayer(replica, n_channels=1).play(np.ascontiguousarray(signal[:, 1:2]))
    assert np.array_equal(together[:, 1:2], alone)


def test_nothing_comes_before_its_cause():
    player = ReplicaPlayer(replica_of(taps=np.hanning(400)), n_channels=1)
    signal = np.random.default_rng(1).standard_normal((800, 1))
    changed = signal.copy()
    changed[500:] += 1.0
    first = player.play(signal)
    player.reset()
    assert np.array_equal(player.play(changed)[:500], first[:500])


@given(n_taps=st.integers(1, 4 * PART), seed=st.integers(0, 99))
def test_the_filter_is_a_convolution(n_taps, seed):
    """Single precision: 1e-6 of the peak; numpy's convolution as oracle."""
    rng = np.random.default_rng(seed)
    taps, signal = rng.standard_normal(n_taps), rng.standard_normal(5 * PART + 17)
    packed = packed_filter(taps)
    samples = signal.astype(np.float32)
    filter_block(packed, np.zeros(memory_floats(len(packed)), np.float32), np.zeros(2, np.int64), samples)
    expected = np.convolve(signal, taps)[: len(signal)]
    assert np.abs(samples - expected).max() < 1e-6 * np.abs(expected).max() * np.sqrt(n_taps)


def test_latency_is_taken_out():
    """A cell that says nothing and a filter that is a pure delay: what comes out is what went in."""
    silent = replica_of(4, taps=np.eye(1, 40, 25)[0], bias=0.0)
    wire = Replica(**{**vars(silent), "readout": np.zeros(4, np.float32), "skip_gain": 1.0, "latency_samples": 25})
    signal = np.random.default_rng(1).standard_normal((100, 2)).astype(np.float32).astype(np.float64)
    for cuts in ([], [10, 50]):
        blocks = list(played_blocks(wire, np.split(signal, cuts), n_channels=2))
        assert np.concatenate(blocks) == pytest.approx(signal, abs=1e-12)


def test_nothing_stays_denormal_behind_a_fade():
    player = ReplicaPlayer(replica_of(taps=np.hanning(300)), n_channels=1)
    fade = 1e-3 * np.geomspace(1.0, 1e-45, 4000)[:, np.newaxis]
    player.play(fade)
    player.play(np.zeros((2000, 1)))
    state = player._memories[:, :32]
    assert np.all((state == 0.0) | (np.abs(state) >= TINY))
    smallest_normal = np.finfo(np.float32).tiny
    rest = player._memories
    assert not np.any((rest != 0.0) & (np.abs(rest) < smallest_normal))


def test_silence_settles():
    """Without input the output stops moving: the model's own offset and no noise."""
    player = ReplicaPlayer(replica_of(16), n_channels=1)
    player.play(np.random.default_rng(1).standard_normal((100, 1)))
    settled = player.play(np.zeros((20000, 1)))[-200:]
    assert np.ptp(settled) < 1e-5


def test_an_empty_block_changes_nothing():
    player = ReplicaPlayer(replica_of(taps=np.ones(3)), n_channels=2)
    assert player.play(np.zeros((0, 2))).shape == (0, 2)
    assert not player._memories.any()


def test_no_channel_is_refused():
    with pytest.raises(SignalError, match="0 channels"):
        ReplicaPlayer(replica_of(), n_channels=0)
