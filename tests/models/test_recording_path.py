"""The recording path: streaming equals one block, files read back exactly, damaged ones are named."""

import json
import struct

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tapemeasure.errors import SignalError, TrainingError, UsageError
from tapemeasure.models.recording_path import (
    RecordingPath,
    RecordingPathConfig,
    load_recording_path,
    save_recording_path,
)
from tapemeasure.models.render import render


def network(hidden_size=6, skip=True, seed=1):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return RecordingPath(RecordingPathConfig(hidden_size, skip, 44100))


def noise(*shape, seed=1):
    return 0.3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def rewritten(path, **changes):
    """The file at `path` with entries of its own header changed."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    outer = json.loads(data[8 : 8 + length])
    header = json.loads(outer["__metadata__"]["tapemeasure"]) | changes
    outer["__metadata__"]["tapemeasure"] = json.dumps(header)
    text = json.dumps(outer).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


@pytest.mark.parametrize("skip", [True, False])
@given(cuts=st.lists(st.integers(1, 199), max_size=5, unique=True))
@settings(max_examples=15, deadline=None)
def test_blocks_of_any_length_give_what_one_block_gives(skip, cuts):
    model, samples = network(skip=skip), noise(3, 1, 200)
    with torch.no_grad():
        whole, final = model(samples)
        state, parts = None, []
        for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), 200], strict=True):
            part, state = model(samples[..., start:stop], state)
            parts.append(part)
    assert torch.allclose(torch.cat(parts, dim=-1), whole, atol=1e-6)
    assert torch.allclose(state.hidden, final.hidden, atol=1e-6)
    assert torch.equal(state.last, final.last)


def test_shape_and_start_from_silence():
    model = network()
    samples = noise(2, 1, 50)
    output, state = model(samples, model.start(2))
    assert output.shape == (2, 1, 50)
    assert torch.equal(output, model(samples)[0])
    assert not state.detached().hidden.requires_grad


def test_signals_of_a_batch_do_not_touch_each_other():
    model, samples = network(), noise(3, 1, 80)
    with torch.no_grad():
        assert torch.allclose(model(samples)[0][1:2], model(samples[1:2])[0], atol=1e-6)


def test_the_network_is_causal():
    model, samples = network(), noise(1, 1, 80)
    changed = samples.clone()
    changed[..., 40:] += 1.0
    with torch.no_grad():
        assert torch.equal(model(samples)[0][..., :40], model(changed)[0][..., :40])


def test_gradients_reach_every_weight():
    model = network()
    model(noise(2, 1, 60))[0].square().sum().backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().max() > 0.0, name


def test_update_gates_start_with_memories_from_1_to_1000_samples():
    model = network(hidden_size=5)
    retained = torch.sigmoid(model.gru.bias_ih_l0[5:10])
    memory_samples = 1.0 / (1.0 - retained) - 1.0
    assert memory_samples.tolist() == pytest.approx([1000 ** (k / 4) for k in range(5)], rel=1e-3)


@pytest.mark.parametrize("skip", [True, False])
def test_a_saved_model_reads_back_exactly(tmp_path, skip):
    model = network(skip=skip)
    path = tmp_path / "model.safetensors"
    save_recording_path(model, path, facts={"best_epoch": 3})
    loaded, facts = load_recording_path(path)
    assert facts == {"best_epoch": 3}
    assert loaded.config == model.config
    assert torch.equal(loaded(noise(1, 1, 99))[0], model(noise(1, 1, 99))[0])
    first = path.read_bytes()
    save_recording_path(loaded, path, facts=facts)
    assert path.read_bytes() == first


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.safetensors"
    save_recording_path(network(), path)
    return path


def test_a_missing_file_is_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        load_recording_path(tmp_path / "none.safetensors")


@pytest.mark.parametrize("kept", [0, 4, 40, 600, -1])
def test_a_truncated_file_is_named(saved, kept):
    saved.write_bytes(saved.read_bytes()[:kept])
    with pytest.raises(TrainingError, match=r"model\.safetensors"):
        load_recording_path(saved)


def test_a_pickle_is_not_opened(tmp_path):
    path = tmp_path / "model.safetensors"
    torch.save(network().state_dict(), path)
    with pytest.raises(TrainingError, match="header cannot be read"):
        load_recording_path(path)


def test_another_version_is_named(saved):
    rewritten(saved, version=99)
    with pytest.raises(TrainingError, match="version 99 of the format, this program reads 1"):
        load_recording_path(saved)


def test_another_kind_of_model_is_named(saved):
    rewritten(saved, format="tapemeasure generator")
    with pytest.raises(TrainingError, match="tapemeasure generator"):
        load_recording_path(saved)


def test_weights_of_another_size_are_named(saved):
    rewritten(saved, config={"hidden_size": 7, "skip": True, "sample_rate": 44100})
    with pytest.raises(TrainingError, match=r"weight gru\.\w+ has the shape .* hidden_size 7 needs"):
        load_recording_path(saved)


def test_a_missing_or_left_over_weight_is_named(saved):
    rewritten(saved, config={"hidden_size": 6, "skip": False, "sample_rate": 44100})
    with pytest.raises(TrainingError, match="skip_gain"):
        load_recording_path(saved)


@pytest.mark.parametrize("config", [{}, {"hidden_size": "many", "skip": True, "sample_rate": 44100}])
def test_a_wrong_configuration_is_named(saved, config):
    rewritten(saved, config=config)
    with pytest.raises(TrainingError, match="damaged model file"):
        load_recording_path(saved)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    model = network()
    with torch.no_grad():
        model.output.bias.fill_(float("nan"))
    save_recording_path(model, tmp_path / "model.safetensors")
    with pytest.raises(TrainingError, match=r"output\.bias holds NaN"):
        load_recording_path(tmp_path / "model.safetensors")


def test_rendering_side_by_side_equals_streaming():
    model = network()
    samples = noise(20001).numpy().astype(np.float64)
    streamed = render(model, samples, run_in_samples=14000, streams=1)
    side_by_side = render(model, samples, run_in_samples=14000, streams=16)
    assert streamed.shape == samples.shape
    assert streamed.dtype == np.float64
    # after a run-in of 14 times the longest memory little more than rounding is left
    np.testing.assert_allclose(side_by_side, streamed, atol=2e-5)


def test_rendering_is_the_forward_pass():
    model = network()
    samples = noise(500).numpy().astype(np.float64)
    with torch.no_grad():
        expected = model(torch.tensor(samples, dtype=torch.float32)[None, None])[0].numpy()[0, 0]
    np.testing.assert_allclose(render(model, samples, run_in_samples=0, streams=1), expected, atol=1e-6)


def test_a_signal_shorter_than_the_streams_keeps_its_length():
    assert render(network(), np.ones(5), run_in_samples=3).shape == (5,)


def test_an_empty_signal_is_refused():
    with pytest.raises(SignalError, match="empty"):
        render(network(), np.zeros(0), run_in_samples=3)
