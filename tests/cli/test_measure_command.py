"""``tapemeasure measure``: one take, a folder of takes, and every way to ask for it wrongly."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from tapemeasure.cli import main as cli_main
from tapemeasure.io import write_audio
from tapemeasure.signals.sweeps import sweep_samples, synchronised_sweep
from tapemeasure.signals.timeline import Pilot, Segment, Timeline
from tapemeasure.signals.tones import tone_samples
from tapemeasure.trajectory import DelayTrajectory

RATE = 44100


def run(*arguments):
    with pytest.raises(SystemExit) as caught:
        cli_main.main(["measure", *(str(argument) for argument in arguments)])
    return caught.value.code


@pytest.fixture(scope="module")
def stimulus():
    """Silence, a sweep of 1 s at -12 dBFS, a step of 1 kHz at -6 dBFS, and their timeline."""
    sweep = synchronised_sweep(start_hz=20.0, stop_hz=20000.0, duration_s=1.0)
    swept = sweep_samples(sweep, sample_rate=RATE, level_dbfs=-12.0)
    step = tone_samples(frequency_hz=1000.0, duration_s=0.4, sample_rate=RATE, level_dbfs=-6.0)
    samples = np.concatenate([np.zeros(RATE), swept, np.zeros(RATE // 2), step, np.zeros(RATE // 2)])
    after = RATE + len(swept) + RATE // 2
    segments = (
        Segment("silence", "silence", 0, RATE),
        Segment("sweep_-12dBFS", "sweep", RATE, len(swept), -12.0, (20.0, 20000.0)),
        Segment("step_-6dBFS", "step", after, len(step), -6.0, (1000.0,)),
    )
    return samples, Timeline(RATE, len(samples), segments, Pilot("none"))


@pytest.fixture
def take(tmp_path, stimulus):
    """Files of a take: input, output with half the level, a third harmonic and hiss, timeline."""
    samples, timeline = stimulus
    hiss = 1e-3 * np.random.default_rng(1).standard_normal(len(samples))
    paths = {name: tmp_path / name for name in ("in.wav", "out.wav", "timeline.json")}
    write_audio(paths["in.wav"], samples, sample_rate=RATE)
    write_audio(paths["out.wav"], 0.5 * (samples - 0.2 * samples**3) + hiss, sample_rate=RATE)
    timeline.save(paths["timeline.json"])
    return paths


def test_table(take, capsys):
    assert run(take["in.wav"], take["out.wav"], "--aligned", "--timeline", take["timeline.json"]) == 0
    answer = capsys.readouterr()
    rows = dict(line.split("  ", 1) for line in answer.out.splitlines() if not line.startswith(" "))
    rows = {label: text.strip() for label, text in rows.items()}
    assert rows["take"] == "out"
    assert rows["response from"] == "sweep_-12dBFS"
    assert float(rows["gain at 1 kHz"].split()[0]) == pytest.approx(-6.1, abs=0.1)
    assert float(rows["noise"].split()[0]) == pytest.approx(-60.0, abs=0.15)
    assert rows["hum, 50 Hz comb"] == "not measured"
    # H3 of x - 0.2 x^3 at half of full scale: 0.25 * 0.2 * 0.25 / (1 - 0.15 * 0.25)
    assert float(rows["THD 1 kHz at -6.0 dBFS"].split()[0]) == pytest.approx(1.30, rel=0.05)
    assert answer.err == ""


def test_json_goes_to_stdout_and_to_the_file(take, tmp_path, capsys):
    file = tmp_path / "take.json"
    arguments = [
        take["in.wav"],
        take["out.wav"],
        "--aligned",
        "--timeline",
        take["timeline.json"],
        "-o",
        file,
        "--json",
    ]
    assert run(*arguments) == 0
    result = json.loads(capsys.readouterr().out)
    assert result == json.loads(file.read_text())
    assert result["response"]["gain_db"] == pytest.approx(-6.1, abs=0.1)
    assert len(result["harmonic_response"]) == 4
    assert result["delay"] is None
    assert set(result["provenance"]["sha256"]) == {"input", "output", "timeline"}
    assert run(*arguments) == 2
    assert "--force" in capsys.readouterr().err


def test_picture(take, tmp_path):
    picture = tmp_path / "response.svg"
    assert run(take["in.wav"], take["out.wav"], "--aligned", "--plot", picture) == 0
    assert picture.read_text().startswith("<?xml")


def test_delay_is_undone_by_a_trajectory(take, tmp_path, stimulus, capsys):
    delay_s = 0.12345
    samples, _ = stimulus
    frequency = np.fft.rfftfreq(2 * len(samples), 1 / RATE)
    shifted = np.fft.irfft(np.fft.rfft(samples, 2 * len(samples)) * np.exp(-2j * np.pi * frequency * delay_s))
    write_audio(take["out.wav"], shifted[: len(samples) + RATE], sample_rate=RATE)
    trajectory = tmp_path / "delay.csv"
    points = np.ones(60)
    DelayTrajectory(0.0, 10.0, delay_s * points, 1e-6 * points, points > 0).save(trajectory)
    arguments = [take["in.wav"], take["out.wav"], "--timeline", take["timeline.json"], "--trajectory", trajectory]
    assert run(*arguments, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["delay"]["method"] == "file"
    assert result["delay"]["mean_delay_s"] == pytest.approx(delay_s)
    frequency_hz = np.array(result["response"]["frequency_hz"])
    band = (frequency_hz > 50.0) & (frequency_hz < 18000.0)
    assert np.max(np.abs(np.array(result["response"]["magnitude_db"])[band])) < 0.1
    assert np.max(np.abs(np.array(result["response"]["phase_deg"])[band])) < 1.0


def test_table_without_a_valid_delay(take, tmp_path, capsys):
    trajectory = tmp_path / "delay.csv"
    points = np.zeros(20)
    DelayTrajectory(0.0, 10.0, points, points + np.inf, points > 0).save(trajectory)
    assert run(take["in.wav"], take["out.wav"], "--trajectory", trajectory) == 0
    assert re.search(r"^delay +not measured$", capsys.readouterr().out, re.MULTILINE)


def test_folder_of_takes(take, tmp_path, capsys):
    folder = tmp_path / "takes"
    folder.mkdir()
    for name in ("first", "second"):
        (folder / f"{name}_input.wav").write_bytes(take["in.wav"].read_bytes())
        (folder / f"{name}_output.wav").write_bytes(take["out.wav"].read_bytes())
    assert run(folder, "--aligned", "--timeline", take["timeline.json"], "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert [found["name"] for found in result["takes"]] == ["first", "second"]
    assert result["takes"][0]["response"] == result["takes"][1]["response"]
    # a bad take does not stop the others, but it is told and fails the command
    (folder / "second_output.wav").write_bytes(b"")
    assert run(folder, "--aligned", "--json") == 1
    answer = capsys.readouterr()
    assert "1 of 2 takes could not be measured: second" in answer.err
    result = json.loads(answer.out)
    assert "empty" in result["takes"][1]["error"]
    assert result["takes"][0]["response"]["source"] == "programme"


def test_folder_that_record_fills(take, tmp_path, capsys):
    folder = tmp_path / "raw" / "take01"
    folder.mkdir(parents=True)
    for end, name in (("_input.wav", "in.wav"), ("_output.wav", "out.wav"), ("_input.json", "timeline.json")):
        (folder / f"take01{end}").write_bytes(take[name].read_bytes())
    assert run(folder.parent, "--aligned", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    [found] = result["takes"]
    assert found["name"] == "take01"
    assert found["response"]["name"] == "sweep_-12dBFS"
    assert set(result["provenance"]["sha256"]) == {"take01/take01_input.wav", "take01/take01_output.wav"}


def test_wrong_usage(take, tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert run(take["in.wav"]) == 2
    assert run(empty) == 2
    assert "holds no <name>_input.wav" in capsys.readouterr().err
    assert run(take["in.wav"], tmp_path / "none.wav", "--aligned") == 2
    assert run(take["in.wav"], take["out.wav"], "--aligned", "--plot", tmp_path / "picture.bmp") == 2
    assert ".svg" in capsys.readouterr().err
    assert run(take["in.wav"], take["out.wav"], "--harmonics", "20") == 2


def test_bad_takes_are_exit_1(take, stimulus, tmp_path, capsys):
    samples, timeline = stimulus
    pair = [take["in.wav"], take["out.wav"]]
    longer = replace(timeline, length_samples=len(samples) + 1)
    longer.save(tmp_path / "longer.json")
    assert run(*pair, "--aligned", "--timeline", tmp_path / "longer.json") == 1
    assert "the timeline is for" in capsys.readouterr().err
    assert run(*pair, "--aligned", "--channel", "2") == 1
    assert "channel 2 was asked for" in capsys.readouterr().err
    write_audio(take["out.wav"], np.zeros(len(samples)), sample_rate=RATE)
    assert run(*pair, "--aligned") == 1
    assert "all zeros" in capsys.readouterr().err
    write_audio(take["out.wav"], samples, sample_rate=48000)
    assert run(*pair, "--aligned") == 1
    error = capsys.readouterr().err
    assert f"{pair[1]} is 48000 Hz, {pair[0]} is 44100 Hz; resample one of them" in error
    assert error.startswith("measure: ")


def test_the_real_machine_from_its_music(akai_recordings, capsys):
    pair = [akai_recordings / "io_5_input.wav", akai_recordings / "io_5_output.wav"]
    assert run(*pair, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["response"]["source"] == "programme"
    assert result["response"]["gain_db"] == pytest.approx(0.0, abs=3.0)
    assert result["delay"]["mean_delay_s"] == pytest.approx(0.1605, abs=0.001)
    assert result["noise"] is None


def test_wow_and_flutter_of_the_real_machine_with_its_heads_and_parts(akai_recordings, capsys):
    pair = [akai_recordings / "io_1_input.wav", akai_recordings / "io_1_output.wav"]
    assert run(*pair, "--head-delay", "160.4", "--speed", "7.5", "--part", "roller=28.9", "--json") == 0
    flutter = json.loads(capsys.readouterr().out)["wow_flutter"]
    assert flutter["head_delay_s"] == pytest.approx(0.1604)
    assert len(flutter["blind_bands_hz"]) > 5
    assert flutter["weighted_2sigma_pct"] < 0.2
    assert flutter["drift_pct"] is None
    assert run(*pair) == 0
    rows = capsys.readouterr().out
    assert re.search(r"^wow and flutter, weighted, two-sigma +0\.21\d* \+- 0\.0\d+ %$", rows, re.MULTILINE)
    assert re.search(r"^DIN 45 500: wow and flutter, weighted +undecided", rows, re.MULTILINE)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--part", "capstan=6"], "--speed"),
        (["--speed", "7.5", "--part", "capstan"], "capstan=6.0"),
        (["--speed", "7.5", "--part", "capstan=-1"], "above 0"),
    ],
)
def test_wrong_parts_are_exit_2(take, options, words, capsys):
    assert run(take["in.wav"], take["out.wav"], *options) == 2
    assert words in capsys.readouterr().err


def test_the_flutter_is_drawn(akai_recordings, take, tmp_path, capsys):
    pair = [akai_recordings / "io_1_input.wav", akai_recordings / "io_1_output.wav"]
    path = tmp_path / "flutter.svg"
    assert run(*pair, "--plot-flutter", path) == 0
    assert path.is_file()
    assert run(*pair, "--plot-flutter", path) == 2
    assert run(take["in.wav"], take["out.wav"], "--aligned", "--plot-flutter", tmp_path / "other.svg") == 2
    assert "--aligned" in capsys.readouterr().err
