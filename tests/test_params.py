"""params.yaml: the shipped files are valid, and every mistake is named with key, value and limit."""

from pathlib import Path

import pytest
import yaml

from tapemeasure.errors import ParameterError
from tapemeasure.params import HardwareProfile, Params, TapeSettings, lay_over, load_params, updated_settings, validated

ROOT = Path(__file__).resolve().parent.parent


def shipped() -> dict:
    return yaml.safe_load((ROOT / "params.yaml").read_text())


def test_shipped_params_are_valid_and_name_the_three_profiles():
    params = load_params(ROOT / "params.yaml")
    assert {"chowtape_toy", "chowtape_wowflutter", "akai"} <= set(params.devices)
    assert isinstance(params.device("akai"), HardwareProfile)
    assert params.device("chowtape_toy").settings.wow_depth == 0.0


def test_shipped_params_name_every_setting_of_every_stage():
    # a setting that stands only in the model's defaults would be invisible to DVC and to the reader
    values = shipped()
    for stage, model in ((name, field.annotation) for name, field in Params.model_fields.items() if name != "devices"):
        assert set(values[stage]) == set(model.model_fields), stage


@pytest.mark.parametrize("name", ["ci", "paper"])
def test_profiles_overlay_to_valid_params(name):
    values = shipped()
    lay_over(values, yaml.safe_load((ROOT / "profiles" / f"{name}.yaml").read_text()))
    assert validated(Params, values, where=name) != load_params(ROOT / "params.yaml")


def test_a_null_in_a_profile_leaves_the_device_out():
    values = shipped()
    lay_over(values, yaml.safe_load((ROOT / "profiles" / "ci.yaml").read_text()))
    assert "akai_model" in load_params(ROOT / "params.yaml").devices
    assert "akai_model" not in validated(Params, values, where="ci").devices
    assert {"chowtape_toy", "akai"} <= set(values["devices"])


def test_a_null_over_a_plain_value_sets_it():
    values = {"settings": {"hiss_dbfs": -66.0}}
    lay_over(values, {"settings": {"hiss_dbfs": None}})
    assert values == {"settings": {"hiss_dbfs": None}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"track": {"pilott": "auto"}}, ["track.pilott", "unknown key", "did you mean pilot"]),
        ({"hisss": {}}, ["hisss", "unknown key", "did you mean hiss"]),
        ({"align": {"half_taps": "many"}}, ["align.half_taps", "'many'", "integer"]),
        ({"align": {"half_taps": 4}}, ["align.half_taps", "4", "greater than or equal to 8"]),
        ({"stimuli": {"sample_rate": 22050}}, ["stimuli.sample_rate", "22050", "44100, 48000 or 96000"]),
        (
            {"devices": {"chowtape_toy": {"settings": {"drive": 1.5}}}},
            ["devices.chowtape_toy.settings.drive", "1.5", "1"],
        ),
        ({"devices": {"akai": {"settings": {"mtch": "x"}}}}, ["devices.akai.settings.mtch", "unknown key"]),
        ({"devices": {"akai": {"kind": "tapedeck"}}}, ["devices.akai", "tapedeck", "hardware"]),
        ({"stimuli": {"sweeps": {"stop_hz": 10.0}}}, ["stimuli.sweeps", "above start_hz"]),
        ({"stimuli": {"steps": {"frequencies_hz": [30000.0]}}}, ["30000", "below half the sample_rate"]),
        ({"train_nonlinearity": {"learning_rate": float("nan")}}, ["train_nonlinearity.learning_rate", "nan"]),
        (
            {"devices": {"akai": {"train_nonlinearity": {"fir_taps": -1}}}},
            ["devices.akai.train_nonlinearity.fir_taps = -1", "greater than or equal to 0"],
        ),
        (
            {"devices": {"akai": {"train_nonlinearity": {"fir_tap": 8}}}},
            ["devices.akai.train_nonlinearity.fir_tap", "unknown key"],
        ),
    ],
)
def test_wrong_setting_names_key_value_and_limit(change, words):
    values = shipped()
    lay_over(values, change)
    with pytest.raises(ParameterError) as caught:
        validated(Params, values, where="params.yaml")
    for word in words:
        assert word in str(caught.value)


def test_all_wrong_settings_are_told_at_once():
    values = shipped()
    lay_over(values, {"track": {"pilott": 1}, "align": {"half_taps": 4}})
    with pytest.raises(ParameterError) as caught:
        validated(Params, values, where="params.yaml")
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file"),
        ("a: [1", "no valid YAML"),
        ("[1, 2]", "mapping"),
        (b"\xff\xfe\x00", "read"),
        ("track:\n  rate_hz: 100\n  pilot: none\n  rate_hz: 50\n", "rate_hz stands here a second time"),
    ],
)
def test_unreadable_params_file(tmp_path, content, words):
    path = tmp_path / "params.yaml"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        path.write_text(content)
    with pytest.raises(ParameterError, match=words):
        load_params(path)


def test_unknown_device_lists_those_there_are():
    with pytest.raises(ParameterError, match=r"devices\.revox.*chowtape_toy"):
        load_params(ROOT / "params.yaml").device("revox")


def test_a_device_lays_its_own_training_over_the_common_one():
    values = shipped()
    lay_over(values, {"devices": {"akai": {"train_nonlinearity": {"fir_taps": 64, "max_epochs": 3}}}})
    for params in (validated(Params, values, where="p"), Params(**values).model_copy()):
        again = Params.model_validate(params.model_dump(mode="json"))
        assert again.training_of("akai") == params.training_of("akai")
        assert params.training_of("akai").fir_taps == 64
        assert params.training_of("akai").max_epochs == 3
        assert params.training_of("akai").hidden_size == params.train_nonlinearity.hidden_size
    with pytest.raises(ParameterError, match=r"devices\.revox"):
        params.training_of("revox")


def test_settings_are_changed_by_assignments():
    changed = updated_settings(TapeSettings(), ["drive=0.7", "hiss_dbfs=-60", "solver=RK4"])
    assert (changed.drive, changed.hiss_dbfs, changed.solver) == (0.7, -60.0, "RK4")
    assert TapeSettings().drive == 0.5


@pytest.mark.parametrize("text", ["drive", "=1", "drive=[1", "drive=loud", "drve=0.5", "drive=2"])
def test_bad_assignment_is_a_parameter_error(text):
    with pytest.raises(ParameterError, match="--set"):
        updated_settings(TapeSettings(), [text])


def test_settings_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        TapeSettings().drive = 1.0


def test_a_truth_value_is_no_oversampling_factor():
    with pytest.raises(ParameterError, match=r"oversampling = True: input should be 1, 2, 4, 8 or 16"):
        validated(TapeSettings, {"oversampling": True}, where="x")
