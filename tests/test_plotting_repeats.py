"""Pictures of repeat takes and of the deviation from a curve: what they hold, and nothing to draw."""

from pathlib import Path

import numpy as np
import pytest

from tapemeasure.errors import UsageError
from tapemeasure.plotting.deviation import plot_deviation
from tapemeasure.plotting.repeat_takes import plot_spread

FIGURES = [
    {"figure": "wow_flutter.wow_pct", "spread": 0.02, "spread_sigma": 0.01, "stated_sigma": 0.01},
    {"figure": "noise.level_dbfs", "spread": 0.1, "spread_sigma": 0.05, "stated_sigma": None},
]
DEVIATION = {
    "frequency_hz": np.array([40.0, 1000.0, 12500.0]),
    "deviation_db": np.array([2.0, 0.0, -4.0]),
    "sigma_db": np.full(3, 0.1),
    "low_hz": 40.0,
    "high_hz": 12500.0,
}


def test_spread_names_what_states_an_uncertainty(tmp_path: Path) -> None:
    path = tmp_path / "spread.svg"
    plot_spread(FIGURES, path, title="Spread")
    text = path.read_text()
    assert "wow_flutter.wow_pct" in text
    assert "noise.level_dbfs" not in text
    with pytest.raises(UsageError, match="exists"):
        plot_spread(FIGURES, path)


def test_deviation_names_its_takes(tmp_path: Path) -> None:
    path = tmp_path / "deviation.svg"
    plot_deviation({"first take": DEVIATION}, path)
    assert "first take" in path.read_text()


def test_nothing_to_draw_is_said(tmp_path: Path) -> None:
    plot_spread([], tmp_path / "spread.png")
    plot_deviation({}, tmp_path / "deviation.png")
    assert (tmp_path / "spread.png").stat().st_size > 0
    assert (tmp_path / "deviation.png").stat().st_size > 0
