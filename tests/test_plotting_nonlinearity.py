from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from tapemeasure.analysis.compression import compression_curve
from tapemeasure.analysis.distortion import distortion_vs_level, tone_distortion
from tapemeasure.analysis.intermodulation import intermodulation
from tapemeasure.analysis.loops import HysteresisLoop
from tapemeasure.analysis.maximum_output import maximum_output_level
from tapemeasure.errors import UsageError
from tapemeasure.plotting.nonlinearity import loop_curve, plot_compression, plot_intermodulation, plot_loops

RATE = 44100
TIME_S = np.arange(RATE // 2) / RATE


def loop():
    turn = 2 * np.pi * np.arange(512) / 512
    return asdict(
        HysteresisLoop(100.0, -6.0, 0.5 * np.cos(turn), 0.4 * np.cos(turn - 0.1), 1e-4, (1, 3), 0.1, 0.001, 0.1, 0.001)
    )


def curve():
    tones = []
    for level_dbfs in np.arange(-42.0, 7.0, 6.0):
        played = 10 ** (level_dbfs / 20) * np.sin(2 * np.pi * 1000 * TIME_S)
        heard = played - 0.1 * played**3
        tones.append(tone_distortion(played, heard, sample_rate=RATE, frequency_hz=1000.0))
    return distortion_vs_level(tones)


def pair():
    played = 0.4 * np.sin(2 * np.pi * 250 * TIME_S) + 0.1 * np.sin(2 * np.pi * 8000 * TIME_S)
    # no third order: that bar is empty
    heard = played + 0.1 * played**2 + 1e-4 * np.random.default_rng(1).standard_normal(len(played))
    return asdict(intermodulation(played, heard, sample_rate=RATE, frequencies_hz=(250.0, 8000.0)))


def test_loops_are_drawn_closed_and_named(tmp_path: Path) -> None:
    path = tmp_path / "loops.svg"
    plot_loops([loop_curve(loop())], path, title="Loops")
    text = path.read_text()
    assert "100 Hz, -6 dBFS" in text
    assert "input / full scale" in text


def test_limits_are_marked_on_the_compression_curve(tmp_path: Path) -> None:
    path = tmp_path / "compression.svg"
    limit = maximum_output_level(curve())
    plot_compression([asdict(compression_curve(curve()))], path, limits=[asdict(limit)])
    assert f"MOL3 {limit.output_dbfs:.1f} dBFS" in path.read_text()


def test_a_hidden_product_is_said_to_be_hidden(tmp_path: Path) -> None:
    path = tmp_path / "pairs.svg"
    plot_intermodulation([pair()], path)
    text = path.read_text()
    assert "third order: hidden in noise" in text
    assert "250 + 8000 Hz" in text


@pytest.mark.parametrize("draw", [plot_loops, plot_compression, plot_intermodulation])
def test_nothing_to_draw_is_said_and_nothing_overwritten(draw, tmp_path: Path) -> None:
    path = tmp_path / "empty.svg"
    draw([], path)
    assert "not measured" in path.read_text()
    with pytest.raises(UsageError):
        draw([], path)
    with pytest.raises(UsageError, match=r"\.png"):
        draw([], tmp_path / "empty.bmp")


def test_equal_results_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        plot_loops([loop_curve(loop())], tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
