"""``tapemeasure emulate`` and ``tapemeasure export``: files, delay, warnings, exit codes."""

import json

import numpy as np
import pytest
import soundfile
import torch

from tapemeasure.cli.main import main
from tapemeasure.devices.base import StreamingDevice
from tapemeasure.devices.neural import NeuralDevice
from tapemeasure.errors import MismatchError, SignalError
from tapemeasure.io import read_audio, write_audio, write_json
from tapemeasure.models.model_file import save_recording_path
from tapemeasure.models.recording_path import RecordingPath, RecordingPathConfig
from tapemeasure.trajectory import DelayTrajectory

SAMPLE_RATE = 44100
GOOD = {"device": "akai", "validation_esr": 0.01, "fir_validation_esr": 0.02}
WORSE = {**GOOD, "fir_validation_esr": 0.005}


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments)])
    return ended.value.code


def save(path, *, facts=GOOD, **config):
    torch.manual_seed(4)
    save_recording_path(RecordingPath(RecordingPathConfig(6, True, SAMPLE_RATE, **config)), path, facts=facts)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a trained model and a stereo file of 0.5 s."""
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "data/models/akai/model.safetensors", fir_taps=30, lead_samples=7)
    save(tmp_path / "lstm.safetensors", cell="lstm")
    samples = 0.1 * np.random.default_rng(0).standard_normal((22050, 2))
    write_audio(tmp_path / "in.wav", samples, sample_rate=SAMPLE_RATE)
    return tmp_path


def held(delay_s, duration_s=1.0):
    n_points = int(100 * duration_s)
    return DelayTrajectory(0.0, 100.0, np.full(n_points, delay_s), np.zeros(n_points), np.ones(n_points, dtype=bool))


def test_a_file_comes_out_as_the_device_plays_it(folder, capsys):
    assert run("emulate", "in.wav", "out.wav", "--model", "data/models/akai", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    output, sample_rate = read_audio("out.wav")
    stimulus, _ = read_audio("in.wav")
    device = NeuralDevice(folder / "data/models/akai")
    expected = device.run(stimulus, sample_rate=SAMPLE_RATE)
    assert isinstance(device, StreamingDevice)
    assert output == pytest.approx(expected.samples, abs=1e-6)
    assert (sample_rate, told["n_samples"], told["n_channels"]) == (SAMPLE_RATE, 22050, 2)
    assert told["latency_removed_samples"] == expected.latency_samples == 7.0
    assert told["realtime_factor"] > 0.0
    assert told["warnings"] == []
    assert told["model_facts"] == GOOD
    assert set(told["provenance"]["sha256"]) == {"input", "model"}


def test_a_delay_is_put_on(folder, capsys):
    """10 ms: the output is 441 samples longer and later."""
    held(0.01).save("delay.csv")
    assert run("emulate", "in.wav", "dry.wav", "--model", "lstm.safetensors") == 0
    assert run("emulate", "in.wav", "late.wav", "--model", "lstm.safetensors", "--delay", "delay.csv") == 0
    dry, late = read_audio("dry.wav")[0], read_audio("late.wav")[0]
    assert len(late) == len(dry) + 441
    assert late[541:-100] == pytest.approx(dry[100:-100], abs=1e-4)
    assert "delay.csv" in capsys.readouterr().out


def learned_machine(folder):
    """Generators of delay and hiss beside the model, as the pipeline keeps them."""
    from tapemeasure.generators.base import measured_delay
    from tapemeasure.generators.hiss import fit_hiss
    from tapemeasure.generators.sinusoids import fit_sinusoids
    from tapemeasure.generators.store import save_delay_generator, save_hiss_generator

    generator = np.random.default_rng(1)
    time_s = np.arange(3000) / 100.0
    delay_s = 0.02 + 5e-5 * np.sin(2.0 * np.pi * 3.0 * time_s) + 1e-6 * generator.standard_normal(3000)
    wobble = DelayTrajectory(0.0, 100.0, delay_s, np.zeros(3000), np.ones(3000, dtype=bool))
    place = folder / "data/generators"
    facts = {"generator": "lines"}
    save_delay_generator(fit_sinusoids(measured_delay([wobble])), place / "delay/akai/delay.safetensors", facts=facts)
    hiss = 1e-3 * generator.standard_normal((2 * SAMPLE_RATE, 1))
    save_hiss_generator(fit_hiss([hiss], sample_rate=SAMPLE_RATE), place / "hiss/akai/hiss.safetensors")


def test_a_whole_replica_wobbles_and_hisses_by_its_seed(folder, capsys):
    learned_machine(folder)
    command = ("emulate", "in.wav", "out.wav", "--model", "data/models/akai", "--force", "--delay", "generated")
    played = []
    for seed in (3, 3, 4):
        assert run(*command, "--hiss", "generated", "--seed", seed, "--json") == 0
        told = json.loads(capsys.readouterr().out)
        played.append(read_audio("out.wav")[0])
    assert told["delay"] == "generated (lines, seed 4)"
    np.testing.assert_array_equal(played[0], played[1])
    n = min(map(len, played))
    assert not np.allclose(played[0][:n], played[2][:n], atol=1e-5)
    # about 20 ms late, within the wobble
    assert len(played[0]) == pytest.approx(22050 + 882, abs=10)


def test_hiss_is_another_one_in_every_channel(folder):
    learned_machine(folder)
    command = ("emulate", "in.wav", "out.wav", "--model", "data/models/akai", "--force")
    assert run(*command) == 0
    dry = read_audio("out.wav")[0]
    assert run(*command, "--hiss", "generated", "--hiss-db", "6") == 0
    hiss = read_audio("out.wav")[0] - dry
    # white noise of 22050 samples: its level within 2 %, its correlation within 0.02
    assert np.std(hiss, axis=0) == pytest.approx(1e-3 * 10.0 ** (6.0 / 20.0), rel=0.03)
    assert abs(np.corrcoef(hiss.T)[0, 1]) < 0.03


def test_drive_is_undone_behind_the_tape(folder):
    command = ("emulate", "in.wav", "out.wav", "--model", "data/models/akai", "--force")
    assert run(*command, "--saturation-db", "6") == 0
    driven = read_audio("out.wav")[0]
    stimulus, _ = read_audio("in.wav")
    gain = 10.0 ** (6.0 / 20.0)
    expected = NeuralDevice(folder / "data/models/akai").run(gain * stimulus, sample_rate=SAMPLE_RATE).samples / gain
    assert driven == pytest.approx(expected, abs=1e-6)


def test_a_generator_is_named_by_its_kind(folder, capsys):
    """The kept one where it is of that kind, else the one beside it."""
    from tapemeasure.generators.store import load_delay_generator, save_delay_generator

    learned_machine(folder)
    kept = folder / "data/generators/delay/akai/delay.safetensors"
    model, _ = load_delay_generator(kept)
    command = ("emulate", "in.wav", "out.wav", "--model", "akai", "--force")
    for options in (("--delay", "sinusoids"), ("--delay", "lines"), ("--delay", "generated"), ("--hiss", "noise")):
        assert run(*command, *options) == 0
    capsys.readouterr()
    assert run(*command, "--delay", "random_phase") == 2
    assert "there are delay.safetensors" in capsys.readouterr().err
    other = kept.with_name("delay_random_phase.safetensors")
    save_delay_generator(model, other, facts={"generator": "random_phase"})
    assert run(*command, "--delay", "random_phase", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["delay"] == "generated (random_phase, seed 1)"
    assert run(*command, "--hiss", "diffusion") == 2
    assert "no hiss generator of the kind diffusion" in capsys.readouterr().err


def test_so_many_minutes_are_played(folder, capsys):
    """Half a second of input over and over, cut where the time is over."""
    command = ("emulate", "in.wav", "out.wav", "--model", "akai", "--json", "--force")
    assert run(*command, "--minutes", "0.02") == 0
    assert json.loads(capsys.readouterr().out)["n_samples"] == 52920
    repeated, _ = read_audio("out.wav")
    stimulus, _ = read_audio("in.wav")
    looped = np.concatenate([stimulus] * 3)[:52920]
    expected = NeuralDevice(folder / "data/models/akai").run(looped, sample_rate=SAMPLE_RATE).samples
    assert repeated == pytest.approx(expected, abs=1e-6)
    assert run(*command, "--minutes", "0.005") == 0
    np.testing.assert_array_equal(read_audio("out.wav")[0][:13000], repeated[:13000])
    assert run(*command, "--minutes", "nan") == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--delay", "generated"), "has no generator of delay"),
        (("--hiss", "generated"), "has no generator of hiss"),
        (("--wow", "2"), "add --delay generated"),
        (("--hum-db", "2"), "add --hiss generated"),
    ],
)
def test_what_cannot_be_put_on_is_told(folder, capsys, options, message):
    assert run("emulate", "in.wav", "out.wav", "--model", "data/models/akai", *options) == 2
    assert message in capsys.readouterr().err
    assert not (folder / "out.wav").exists()


def test_negative_amounts_are_told(folder, capsys):
    learned_machine(folder)
    options = ("--delay", "generated", "--wow", "-1")
    assert run("emulate", "in.wav", "out.wav", "--model", "data/models/akai", *options) == 2
    assert "amount of wow" in capsys.readouterr().err


def test_the_measured_delay_is_that_of_the_models_device(folder, capsys):
    command = ("emulate", "in.wav", "out.wav", "--model", "data/models/akai", "--delay", "measured")
    assert run(*command) == 2
    assert "no tracked delay" in capsys.readouterr().err
    held(0.002, 0.2).save(folder / "data/delays/akai/io_4.npz")
    held(0.004).save(folder / "data/delays/akai/io_5.npz")
    assert run(*command) == 0
    assert "ends at 0.2 s of 0.5 s" in capsys.readouterr().err
    assert len(read_audio("out.wav")[0]) == 22050 + 89
    assert run(*command, "--take", "io_5", "--force") == 0
    assert len(read_audio("out.wav")[0]) == 22050 + 177
    capsys.readouterr()
    assert run(*command, "--take", "io_9", "--force") == 2
    assert "there are io_4, io_5" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("in.wav", "out.wav", "--model", "none"), 2, "none: no such file"),
        (("none.wav", "out.wav", "--model", "lstm.safetensors"), 2, "none.wav: no such file"),
        (("in.wav", "in.wav", "--model", "lstm.safetensors", "--force"), 2, "is read by this command"),
        (("in.wav", "lstm.safetensors", "--model", "lstm.safetensors"), 2, "must end in .wav"),
        (("in.wav", "out.wav", "--model", "lstm.safetensors", "--set", "bias=1"), 2, "no condition bias"),
        (("in.wav", "out.wav", "--model", "lstm.safetensors", "--set", "bias"), 2, "give a name and a number"),
        (("in.wav", "out.wav", "--model", "lstm.safetensors", "--take", "x"), 2, "add that"),
        (("in.wav", "out.wav", "--model", "lstm.safetensors", "--delay", "no.csv"), 2, "no.csv: no such file"),
        (("in.wav", "out.wav", "--model", "in.wav"), 1, "not a model of this program"),
        (("slow.wav", "out.wav", "--model", "lstm.safetensors"), 1, "trained at 44100 Hz, the signal has 22050 Hz"),
        (("spoilt.wav", "out.wav", "--model", "lstm.safetensors"), 1, "NaN or infinite"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_written(folder, capsys, arguments, code, words):
    write_audio("slow.wav", np.ones((50, 1)), sample_rate=22050)
    write_audio("spoilt.wav", np.full((50, 1), np.nan), sample_rate=SAMPLE_RATE)
    assert run("emulate", *arguments) == code
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error
    assert not (folder / "out.wav").exists()


def test_what_the_user_should_know_is_told(folder, capsys):
    save("worse.safetensors", facts=WORSE)
    save("quiet.safetensors", facts={**GOOD, "input_peak_dbfs": -40.0})
    write_audio("silent.wav", np.zeros((500, 1)), sample_rate=SAMPLE_RATE)
    write_audio("loud.wav", np.full((500, 1), 2.0), sample_rate=SAMPLE_RATE)
    for source, model, words in (
        ("in.wav", "worse", "not below that of a plain linear filter (0.005)"),
        ("in.wav", "quiet", "above that of its training"),
        ("loud.wav", "lstm", "6.0 dB above that of full scale"),
        ("silent.wav", "lstm", "is silent"),
    ):
        assert run("emulate", source, "out.wav", "--model", f"{model}.safetensors", "--force") == 0
        assert words in capsys.readouterr().err


def test_the_device_refuses_what_would_stay_in_its_state(folder):
    device = NeuralDevice(folder / "lstm.safetensors")
    with pytest.raises(MismatchError, match="48000 Hz"):
        device.run(np.zeros((10, 1)), sample_rate=48000)
    with pytest.raises(SignalError, match="NaN"):
        device.stream([np.full((10, 1), np.nan)], n_samples=10, n_channels=1, sample_rate=SAMPLE_RATE).capture()


def test_a_replica_is_a_device_of_simulate(folder, capsys):
    command = ("simulate", "in.wav", "out.wav", "--device", "neural")
    assert run(*command) == 2
    assert "--set model=" in capsys.readouterr().err
    assert run(*command, "--set", "model=data/models/akai", "--truth", "t.csv") == 2
    assert "no delay of its own" in capsys.readouterr().err
    assert run(*command, "--set", "model=data/models/akai") == 0
    assert run("emulate", "in.wav", "same.wav", "--model", "data/models/akai") == 0
    assert np.array_equal(read_audio("out.wav")[0], read_audio("same.wav")[0])


@pytest.mark.parametrize(("kind", "ending"), [("onnx", "onnx"), ("rtneural", "json"), ("torchscript", "pt")])
def test_a_model_is_exported_under_the_devices_name(folder, capsys, kind, ending):
    if kind == "onnx":
        pytest.importorskip("onnxruntime")
    assert run("export", "data/models/akai", "--to", kind, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (folder / f"akai.{ending}").stat().st_size > 1000
    assert told["largest_difference"] < 1e-5
    metadata = told["metadata"]
    assert (metadata["device"], metadata["sample_rate"], metadata["latency_samples"]) == ("akai", SAMPLE_RATE, 7)
    assert metadata["validation_esr"] == 0.01
    assert len(metadata["provenance"]["sha256"]["model"]) == 64
    assert run("export", "data/models/akai", "--to", kind) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_model_worse_than_a_filter_needs_force(folder, capsys):
    save("worse.safetensors", facts=WORSE)
    command = ("export", "worse.safetensors", "--to", "rtneural", "-o", "x.json")
    assert run(*command) == 1
    assert "--force" in capsys.readouterr().err
    assert not (folder / "x.json").exists()
    assert run(*command, "--force") == 0
    assert "because of --force" in capsys.readouterr().err


def test_no_filter_only_on_demand_and_told(folder, capsys):
    save("filtered.safetensors", cell="lstm", fir_taps=30, lead_samples=7)
    command = ("export", "filtered.safetensors", "--to", "rtneural", "--plain", "-o", "x.json")
    assert run(*command) == 2
    assert "--without-filter" in capsys.readouterr().err
    assert run(*command, "--without-filter", "--json") == 0
    printed = capsys.readouterr()
    assert "ESR of" in printed.err
    assert 0.0 <= json.loads(printed.out)["metadata"]["without_filter_esr"] < 1.0
    assert [layer["type"] for layer in json.loads((folder / "x.json").read_text())["layers"]] == ["lstm", "dense"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--to", "onnx", "--plain"), "--plain is for --to rtneural"),
        (("--to", "onnx", "--take", "x"), "are for --to pair"),
        (("--to", "onnx", "-o", "x.json"), "must end in .onnx"),
        (("--to", "pair", "--input", "in.wav"), "belong together"),
        (("--to", "pair"), "takes of akai are not known"),
        (("--to", "pair", "--take", "x", "--input", "in.wav", "--aligned", "in.wav"), "leave it out"),
    ],
)
def test_wrong_requests_are_named(folder, capsys, arguments, words):
    assert run("export", "data/models/akai", *arguments) == 2
    assert words in capsys.readouterr().err


def test_a_pair_of_the_devices_take(folder, capsys):
    write_json("data/captures/akai/takes.json", {"takes": [{"name": "io_1", "input": "in.wav"}]})
    stimulus, _ = read_audio("in.wav")
    command = ("export", "data/models/akai", "--to", "pair")
    assert run(*command) == 2
    assert "run the pipeline as far as align" in capsys.readouterr().err
    write_audio("data/aligned/akai/io_1.wav", 0.5 * stimulus, sample_rate=SAMPLE_RATE)
    write_json("data/aligned/akai/io_1.json", {"esr_after": 0.1})
    assert run(*command) == 0
    assert "replicate check says nothing" in capsys.readouterr().err
    for name in ("input", "output"):
        facts = soundfile.info(folder / "akai_nam" / f"{name}.wav")
        assert (facts.channels, facts.samplerate, facts.subtype) == (1, 48000, "PCM_24")
        assert facts.frames == 24000
    told = json.loads((folder / "akai_nam/pair.json").read_text())
    assert told["alignment"] == {"esr_after": 0.1}
    assert told["accepted"]
    assert run(*command, "--take", "io_7") == 2
    assert "there are: io_1" in capsys.readouterr().err


def test_a_pair_that_nam_would_refuse_needs_force(folder, capsys):
    """Nine seconds twice, with a second output that is another one; the input is taken over byte by byte."""
    passage = 0.1 * np.random.default_rng(1).standard_normal(9 * 48000)
    stimulus = np.concatenate([passage, np.zeros(48000), passage])
    soundfile.write("sweep.wav", stimulus, 48000, subtype="PCM_24")
    stimulus[-len(passage) :] *= 1.2
    write_audio("aligned.wav", stimulus, sample_rate=48000)
    command = ("export", "akai", "--to", "pair", "--input", "sweep.wav", "--aligned", "aligned.wav", "-o", "nam")
    assert run(*command) == 1
    assert "NAM accepts 0.01" in capsys.readouterr().err
    assert not (folder / "nam").exists()
    assert run(*command, "--force", "--json") == 0
    # the factor 1.2 against the second passage: (0.2 / 1.2) ** 2
    assert json.loads(capsys.readouterr().out)["replicate_esr"] == pytest.approx(0.2**2 / 1.2**2, rel=1e-3)
    assert (folder / "nam/input.wav").read_bytes() == (folder / "sweep.wav").read_bytes()
