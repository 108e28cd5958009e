"""``tapemeasure measure``: recorded tones alone, equalisation, repeat takes, settings of a machine, and bad takes."""

import json
from pathlib import Path

import numpy as np
import pytest

from tapemeasure.analysis.repeat_takes import stated_sigma
from tapemeasure.cli import main as cli_main
from tapemeasure.io import write_audio
from tapemeasure.params import StimuliParams
from tapemeasure.signals.stimulus import build_stimulus, save_stimulus

RATE = 44100
SMALL = {
    "silence_s": 1.2,
    "pilot": {"kind": "tone"},
    "programme": {"train_s": 1.5, "validation_s": 0.3, "test_s": 0.3},
    "sweeps": {"duration_s": 1.5, "levels_dbfs": [-18.0]},
    "steps": {"frequencies_hz": [1000.0], "levels_dbfs": [-30.0, -24.0, -18.0, -12.0, -6.0, 0.0], "duration_s": 0.4},
    "multitone": {"duration_s": 1.2},
    "two_tones": {"pairs_hz": [[250.0, 8000.0]], "duration_s": 0.6},
}


def run(*arguments: object) -> int | str | None:
    with pytest.raises(SystemExit) as caught:
        cli_main.main(["measure", *(str(argument) for argument in arguments)])
    return caught.value.code


def table(text: str) -> dict[str, str]:
    return {
        label.strip(): value.strip() for label, _, value in (line.strip().partition("  ") for line in text.splitlines())
    }


def tone_file(path: Path, *, frequency_hz: float = 3150.0, level: float = 0.2, seconds: float = 7.0) -> Path:
    """A tone with 0.1 % rms of flutter at 10 Hz and hiss, two tracks."""
    time_s = np.arange(round(seconds * RATE)) / RATE
    swing_s = np.sqrt(2.0) * 1e-3 / (2 * np.pi * 10.0) * np.sin(2 * np.pi * 10.0 * time_s)
    track = level * np.sin(2 * np.pi * frequency_hz * (time_s - swing_s))
    hiss = 2e-4 * np.random.default_rng(1).standard_normal((len(track), 2))
    write_audio(path, np.stack([track, track], axis=1) + hiss, sample_rate=RATE)
    return path


def machine(samples: np.ndarray, *, seed: int, hiss: float = 1e-3) -> np.ndarray:
    """A tape as far as these tests need one: a soft curve, 160 ms late, hiss."""
    late = np.zeros((round(0.16 * RATE) + len(samples) + RATE // 2, samples.shape[1]))
    late[round(0.16 * RATE) :][: len(samples)] = 0.7 * (samples - 0.15 * samples**3)
    return late + hiss * np.random.default_rng(seed).standard_normal(late.shape)


@pytest.fixture(scope="module")
def takes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three takes of one machine with a tone pilot."""
    folder = tmp_path_factory.mktemp("takes")
    stimulus = build_stimulus(StimuliParams.model_validate(SMALL))
    for number in (1, 2, 3):
        audio, timeline = save_stimulus(stimulus, folder)
        (folder / f"take{number}_input.wav").write_bytes(audio.read_bytes())
        (folder / f"take{number}_input.json").write_bytes(timeline.read_bytes())
        write_audio(folder / f"take{number}_output.wav", machine(stimulus.samples, seed=number), sample_rate=RATE)
    for path in (audio, timeline):
        path.unlink()
    return folder


@pytest.fixture(scope="module")
def measured(takes: Path) -> dict[str, object]:
    result = takes.parent / "all.json"
    assert run(takes, "-o", result, "--force", "--plot-spread", takes.parent / "spread.svg") == 0
    loaded: dict[str, object] = json.loads(result.read_text())
    return loaded


def test_a_recorded_tone_needs_no_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "flutter.svg"
    assert run("--tone", tone_file(tmp_path / "tape.wav"), "--plot-flutter", picture) == 0
    rows = table(capsys.readouterr().out)
    assert float(rows["flutter, 6-100 Hz"].split()[0]) == pytest.approx(0.1, rel=0.02)
    assert "scrape, above 100 Hz" in rows
    assert rows["DIN 45 500: speed error"].startswith("pass")
    assert picture.read_text().startswith("<?xml")


def test_an_erased_stretch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    full = tone_file(tmp_path / "full.wav", frequency_hz=1000.0)
    rest = tone_file(tmp_path / "rest.wav", frequency_hz=1000.0, level=0.2 * 10 ** (-55 / 20))
    assert run("--tone", full, "--nominal", 1000, "--erased", rest, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["erasure"]["erasure_db"] == pytest.approx(55.0, abs=0.3)
    assert set(result["provenance"]["sha256"]) == {"tone", "erased"}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--nominal", 1000), "no tone near 1000 Hz"),
        (("--channel", 3), "channel 3"),
        (("--timeline", "x.json"), "--tone measures one recording alone"),
        (("--part", "capstan=6"), "give --speed too"),
        (("--plot", "x.svg"), "--plot draws responses"),
        (("--machine", "nobody"), "nobody"),
    ],
)
def test_a_tone_asked_for_wrongly(
    tmp_path: Path, arguments: tuple[object, ...], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--tone", tone_file(tmp_path / "tape.wav", seconds=2.0), *arguments) in (1, 2)
    assert text in capsys.readouterr().err


def test_repeat_takes_tell_their_spread(measured: dict, takes: Path) -> None:
    spread = {figure["figure"]: figure for figure in measured["spread"]}
    level = spread["noise.level_dbfs"]
    assert level["n_takes"] == 3
    assert level["mean"] == pytest.approx(-60.0, abs=0.1)
    assert level["spread"] < 0.3
    assert "maximum_output.output_dbfs" in spread
    assert (takes.parent / "spread.svg").is_file()


def test_every_figure_states_its_uncertainty(measured: dict) -> None:
    spread = {figure["figure"]: figure["stated_sigma"] for figure in measured["spread"]}
    lacking = {figure for figure, sigma in spread.items() if sigma is None}
    assert lacking == set()
    assert len(spread) > 40
    assert stated_sigma({"wow_pct": 1.0}, "wow_pct") is None


def test_a_tone_pilot_tells_scrape_and_dropouts(measured: dict) -> None:
    (first, *_) = measured["takes"]
    assert first["wow_flutter"]["bandwidth_hz"] > 500.0
    assert first["wow_flutter"]["scrape_pct"] is not None
    assert first["dropouts"]["per_minute"] == 0.0
    assert first["programme_response"]["gain_db"] == pytest.approx(20 * np.log10(0.7), abs=0.5)
    assert first["equalisation"]["rms_db"] < 0.1


def test_equalisation_and_settings_of_a_machine(
    takes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = (takes / "take1_input.wav", takes / "take1_output.wav", "--timeline", takes / "take1_input.json")
    assert (
        run(*one, "--equalisation", "iec", "--speed", 7.5, "--plot-equalisation", tmp_path / "iec.png", "--json") == 0
    )
    told = json.loads(capsys.readouterr().out)["equalisation"]
    # a flat machine against the flux of 70 us: what the standard takes away at 12.5 kHz is too much
    assert told["largest_hz"] == pytest.approx(12500.0, rel=0.03)
    assert told["largest_db"] == pytest.approx(10 * np.log10(1 + 30.2) - 10 * np.log10(1 + 0.1934), abs=0.4)
    params = tmp_path / "params.yaml"
    known = "{speed_ips: 7.5, equalisation: iec, head_delay_ms: 160.0}"
    params.write_text(f"devices:\n  akai:\n    kind: hardware\n    machine: {known}\n")
    assert run(*one, "--machine", "akai", "--params", params, "--json") == 0
    again = json.loads(capsys.readouterr().out)
    assert again["equalisation"] == told
    assert again["wow_flutter"]["head_delay_s"] == pytest.approx(0.16)
    assert again["wow_flutter"]["blind_bands_hz"][0][0] == 0.0
    assert run(*one, "--equalisation", "iec") == 2
    assert "--speed" in capsys.readouterr().err
    assert run(*one, "--equalisation", "iec", "--speed", 9.0) in (1, 2)
    assert "9" in capsys.readouterr().err


@pytest.fixture(scope="module")
def played(takes: Path) -> np.ndarray:
    return build_stimulus(StimuliParams.model_validate(SMALL)).samples


def bad(takes: Path, tmp_path: Path, output: np.ndarray, *more: object) -> int | str | None:
    write_audio(tmp_path / "bad.wav", output, sample_rate=RATE)
    return run(takes / "take1_input.wav", tmp_path / "bad.wav", "--timeline", takes / "take1_input.json", *more)


def test_no_sweep_in_the_output(takes: Path, played: np.ndarray, tmp_path: Path, capsys) -> None:
    output = machine(played, seed=1)
    timeline = json.loads((takes / "take1_input.json").read_text())
    sweep = next(segment for segment in timeline["segments"] if segment["kind"] == "sweep")
    start = sweep["start_samples"]
    output[start : start + sweep["length_samples"] + RATE // 2, 0] = 0.0
    assert bad(takes, tmp_path, output) == 0
    answer = capsys.readouterr()
    assert "sweep_-18dBFS" in answer.err
    assert "response from" in answer.out
    assert "programme" in answer.out


def test_a_take_too_soft_for_its_noise(takes: Path, played: np.ndarray, tmp_path: Path, capsys) -> None:
    assert bad(takes, tmp_path, machine(1e-4 * played, seed=1, hiss=1e-2)) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_a_clipped_take_is_told(takes: Path, played: np.ndarray, tmp_path: Path, capsys) -> None:
    assert bad(takes, tmp_path, np.clip(3.0 * machine(played, seed=1), -1.0, 1.0)) == 0
    assert "clipped" in capsys.readouterr().err


def test_a_pilot_alone(takes: Path, played: np.ndarray, tmp_path: Path, capsys) -> None:
    output = machine(played, seed=1)
    output[:, 0] = 0.0
    assert bad(takes, tmp_path, output) == 1
    assert "all zeros" in capsys.readouterr().err


def test_a_mono_output(takes: Path, played: np.ndarray, tmp_path: Path, capsys) -> None:
    assert bad(takes, tmp_path, machine(played, seed=1)[:, :1]) == 0
    rows = table(capsys.readouterr().out)
    assert "response from" in rows


def test_a_speed_ten_per_cent_off(takes: Path, played: np.ndarray, tmp_path: Path, capsys) -> None:
    moments = np.arange(round(len(played) / 1.1)) * 1.1
    fast = np.stack([np.interp(moments, np.arange(len(played)), channel) for channel in played.T], axis=1)
    code = bad(takes, tmp_path, machine(fast, seed=1))
    answer = capsys.readouterr()
    assert "Traceback" not in answer.err
    if code == 0:
        rows = table(answer.out)
        assert float(rows["speed error"].split()[0]) == pytest.approx(10.0, abs=0.3)
        assert rows["DIN 45 500: speed error"].startswith("fail")
    else:
        assert code == 1
