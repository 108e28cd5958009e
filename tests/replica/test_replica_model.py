"""Reading a trained model without torch: what is wrong with a file or a condition is named."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

from tapemeasure.errors import TrainingError, UsageError
from tapemeasure.model_file import ModelFile, read_model_file, write_model_file
from tapemeasure.models.delay_line import lagrange_taps as torch_taps
from tapemeasure.models.model_file import save_recording_path
from tapemeasure.models.recording_path import RecordingPath, RecordingPathConfig
from tapemeasure.replica.model import FORMAT, VERSION, lagrange_taps, read_replica


@pytest.fixture
def model_file(tmp_path):
    torch.manual_seed(0)
    config = RecordingPathConfig(
        4, True, 44100, fir_taps=8, condition_names=("speed_ips",), condition_centres=(7.5,), condition_scales=(3.75,)
    )
    path = tmp_path / "device" / "model.safetensors"
    save_recording_path(
        RecordingPath(config), path, facts={"validation_esr": 0.01, "fir_validation_esr": 0.02, "device": "x"}
    )
    return path


def changed(path, *, config=None, tensors=None):
    """The file with some of its content replaced."""
    content = read_model_file(path, format_name=FORMAT, version=VERSION)
    new = ModelFile({**content.config, **(config or {})}, content.facts, {**content.tensors, **(tensors or {})})
    write_model_file(new, path, format_name=FORMAT, version=VERSION)


def test_file_and_folder_are_the_same_model(model_file):
    from_file = read_replica(model_file, conditions={"speed_ips": 15.0})
    from_folder = read_replica(model_file.parent, conditions={"speed_ips": 15})
    assert np.array_equal(from_file.taps, from_folder.taps)
    assert from_file.conditions == {"speed_ips": 15.0}
    assert not from_file.worse_than_filter


def test_a_condition_changes_filter_and_biases(model_file):
    changed(model_file, tensors={"fir": np.arange(16.0, dtype=np.float32).reshape(2, 8)})
    centre = read_replica(model_file, conditions={"speed_ips": 7.5})
    fast = read_replica(model_file, conditions={"speed_ips": 15.0})
    assert np.array_equal(centre.taps, np.arange(8.0))
    # a scale of 3.75 makes 15 ips a condition of 2
    assert fast.taps == pytest.approx(np.arange(8.0) + 2.0 * np.arange(8.0, 16.0))
    assert not np.array_equal(centre.input_bias, fast.input_bias)


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ({}, r"needs speed_ips; give --set speed_ips=7.5"),
        ({"speed_ips": 15.0, "bias": 1.0}, r"no condition bias; it knows speed_ips"),
        ({"speed_ips": float("nan")}, r"speed_ips is nan"),
    ],
)
def test_wrong_conditions_are_named(model_file, conditions, words):
    with pytest.raises(UsageError, match=words):
        read_replica(model_file, conditions=conditions)


def test_a_missing_file_or_folder_is_named(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        read_replica(tmp_path / "none.safetensors")
    with pytest.raises(UsageError, match=r"holds no model\.safetensors"):
        read_replica(tmp_path)


@pytest.mark.parametrize("keep", [0, 5, 40, -1])
def test_a_truncated_file_is_refused(model_file, keep):
    model_file.write_bytes(model_file.read_bytes()[:keep])
    with pytest.raises(TrainingError, match=r"not a model|damaged"):
        read_replica(model_file, conditions={"speed_ips": 7.5})


def test_another_version_is_refused(model_file):
    content = read_model_file(model_file, format_name=FORMAT, version=VERSION)
    write_model_file(content, model_file, format_name=FORMAT, version=VERSION + 1)
    with pytest.raises(TrainingError, match=f"version {VERSION + 1} of the format"):
        read_replica(model_file, conditions={"speed_ips": 7.5})


def test_another_size_is_refused(model_file):
    changed(model_file, config={"hidden_size": 5})
    with pytest.raises(TrainingError, match=r"weight cell\.bias_hh_l0 has the shape \(12,\).*needs \(15,\)"):
        read_replica(model_file, conditions={"speed_ips": 7.5})


@pytest.mark.parametrize("config", [{"cell": "rnn"}, {"hidden_size": "many"}, {"condition_names": None}])
def test_a_spoilt_configuration_is_refused(model_file, config):
    changed(model_file, config=config)
    with pytest.raises(TrainingError, match="damaged model file"):
        read_replica(model_file, conditions={"speed_ips": 7.5})


def test_weights_that_are_not_finite_are_refused(model_file):
    changed(model_file, tensors={"output.bias": np.array([np.nan], np.float32)})
    with pytest.raises(TrainingError, match=r"output\.bias holds NaN"):
        read_replica(model_file, conditions={"speed_ips": 7.5})


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.mark.parametrize("write", [pickle.dump, torch.save])
def test_an_untrusted_pickle_is_not_unpickled(tmp_path, write):
    sprung, path = tmp_path / "sprung", tmp_path / "model.pt"
    with path.open("wb") as file:
        write(Trap(str(sprung)), file)
    with pytest.raises(TrainingError, match="not a model"):
        read_replica(path)
    assert not sprung.exists()


@pytest.mark.parametrize("fraction", [0.0, 0.25, 0.5, 1.0])
def test_lagrange_taps_are_those_of_the_training(fraction):
    expected = torch_taps(torch.tensor(fraction, dtype=torch.float64)).numpy()
    assert lagrange_taps(fraction) == pytest.approx(expected, abs=1e-12)


def test_torch_is_not_needed(model_file):
    program = (
        "import sys, numpy; from tapemeasure.devices.neural import NeuralDevice;"
        f"device = NeuralDevice({str(model_file)!r}, {{'speed_ips': 7.5}});"
        "device.run(numpy.zeros((10, 1)), sample_rate=44100); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
