"""The recording path: streaming equals one block, files read back exactly, damaged ones are named."""

import json
import struct

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tapemeasure.errors import SignalError, TrainingError, UsageError
from tapemeasure.models.model_file import load_recording_path, save_recording_path
from tapemeasure.models.recording_path import RecordingPath, RecordingPathConfig
from tapemeasure.models.render import render


def network(hidden_size=6, skip=True, seed=1):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return RecordingPath(RecordingPathConfig(hidden_size, skip, 44100))


VARIANTS = {
    "plain": {},
    "filter": {"fir_taps": 40, "lead_samples": 10},
    "lstm": {"cell": "lstm", "fir_taps": 7, "lead_samples": 1},
    "delay": {"static_delay": True},
    "all": {"fir_taps": 9, "lead_samples": 3, "static_delay": True},
}


def variant(name, seed=1):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = RecordingPath(RecordingPathConfig(5, True, 44100, **VARIANTS[name]))
        with torch.no_grad():
            if model.fir is not None:
                model.fir.add_(0.1 * torch.randn_like(model.fir))
    return model


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
    retained = torch.sigmoid(model.cell.bias_ih_l0[5:10])
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
    with pytest.raises(TrainingError, match="version 99 of the format, this program reads 2"):
        load_recording_path(saved)


def test_another_kind_of_model_is_named(saved):
    rewritten(saved, format="tapemeasure generator")
    with pytest.raises(TrainingError, match="tapemeasure generator"):
        load_recording_path(saved)


def test_weights_of_another_size_are_named(saved):
    rewritten(saved, config={"hidden_size": 7, "skip": True, "sample_rate": 44100})
    with pytest.raises(TrainingError, match=r"weight cell\.\w+ has the shape .* its configuration needs"):
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


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("cuts", [(1,), (64, 128), (3, 4, 150)])
def test_every_variant_streams(name, cuts):
    model, samples = variant(name), noise(2, 1, 200)
    with torch.no_grad():
        whole, _ = model(samples)
        state, parts = None, []
        for part in torch.tensor_split(samples, cuts, dim=-1):
            output, state = model(part, state)
            parts.append(output)
    assert torch.allclose(torch.cat(parts, dim=-1), whole, atol=2e-6)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_reads_back_and_trains_all_its_weights(tmp_path, name):
    model = variant(name)
    save_recording_path(model, tmp_path / "m.safetensors")
    loaded, _ = load_recording_path(tmp_path / "m.safetensors")
    assert loaded.config == model.config
    output, _ = loaded(noise(2, 1, 80))
    assert torch.equal(output, model(noise(2, 1, 80))[0])
    output.square().sum().backward()
    for weight_name, weight in loaded.named_parameters():
        assert weight.grad.abs().max() > 0.0, weight_name


def test_the_equations_are_those_of_the_docstring():
    model, samples = variant("all").double(), noise(1, 1, 60).double()
    x = samples[0, 0].numpy()
    weights = {name: value.detach().numpy() for name, value in model.state_dict().items()}
    size, state, before = 5, np.zeros(5), []
    for n in range(60):
        features = np.array([x[n], 8.0 * (x[n] - (x[n - 1] if n else 0.0))])
        of_input = weights["cell.weight_ih_l0"] @ features + weights["cell.bias_ih_l0"]
        of_state = weights["cell.weight_hh_l0"] @ state + weights["cell.bias_hh_l0"]
        reset, update = (1 / (1 + np.exp(-(of_input + of_state)[k * size : (k + 1) * size])) for k in (0, 1))
        new = np.tanh(of_input[2 * size :] + reset * of_state[2 * size :])
        state = new + update * (state - new)
        before.append(weights["output.weight"][0] @ state + weights["output.bias"][0] + weights["skip_gain"] * x[n])
    delay = 2.0 + float(weights["static_delay"])
    taps = [np.prod([(delay - j) / (k - j) for j in range(6) if j != k]) for k in range(6)]
    expected = np.convolve(before, np.convolve(weights["fir"][0], taps))[:60]
    np.testing.assert_allclose(model(samples)[0].detach()[0, 0], expected, atol=1e-10)


@pytest.mark.parametrize("streams", [1, 5])
def test_render_takes_the_lead_out(streams):
    model = RecordingPath(RecordingPathConfig(3, True, 44100, fir_taps=30, lead_samples=12))
    with torch.no_grad():
        model.output.weight.zero_()
    signal = noise(1, 1, 300)[0, 0].double().numpy()
    # the filter starts as a unit impulse at the lead
    np.testing.assert_allclose(render(model, signal, run_in_samples=64, streams=streams), signal, atol=1e-6)


def test_conditions_reach_the_network_and_the_filter_in_their_own_units():
    config = RecordingPathConfig(
        4, True, 44100, fir_taps=3, condition_names=("speed_ips",), condition_centres=(7.5,), condition_scales=(3.75,)
    )
    model, samples = RecordingPath(config), noise(2, 1, 30)
    with torch.no_grad():
        model.fir[1, 0] = 0.5
        slow, _ = model(samples, None, torch.tensor([[7.5], [7.5]]))
        fast, _ = model(samples, None, torch.tensor([[7.5], [15.0]]))
    assert torch.allclose(slow[0], fast[0], atol=1e-6)
    assert not torch.allclose(slow[1], fast[1], atol=1e-2)
    assert model.filter_taps(model.scaled(torch.tensor([[15.0]]))).tolist() == [[pytest.approx(2.0), 0.0, 0.0]]
    with pytest.raises(ValueError, match="the network hears speed_ips"):
        model(samples)


@pytest.mark.parametrize(
    "wrong", [{"cell": "rnn"}, {"fir_taps": 4, "lead_samples": 4}, {"condition_names": ("bias_db",)}]
)
def test_an_impossible_configuration_is_refused(wrong):
    with pytest.raises(ValueError, match=r"neither|does not fit|need as many"):
        RecordingPathConfig(4, True, 44100, **wrong)
