import numpy as np
import pytest

from tapemeasure.analysis.rotating_parts import RotatingPart
from tapemeasure.analysis.wow_flutter import measure_wow_flutter
from tapemeasure.errors import UsageError
from tapemeasure.plotting.flutter import plot_wow_flutter
from tapemeasure.trajectory import DelayTrajectory


def flutter(delay_s: np.ndarray, **known):
    sure = np.ones(len(delay_s), dtype=bool)
    return measure_wow_flutter(DelayTrajectory(0.0, 200.0, delay_s, np.full(len(delay_s), 1e-9), sure), **known)


def test_lines_parts_and_blind_bands_are_drawn(tmp_path) -> None:
    time_s = np.arange(4000) / 200.0
    found = flutter(
        1e-5 * np.sin(2 * np.pi * 10.106 * time_s),
        head_delay_s=0.16,
        parts=[RotatingPart("capstan", 6.0)],
        speed_ips=7.5,
    )
    path = tmp_path / "flutter.svg"
    plot_wow_flutter(found.as_dict(), path, title="Wow and flutter")
    text = path.read_text()
    for word in ("Wow and flutter", "10.1 capstan", "blind", "speed deviation / % rms"):
        assert word in text
    first = path.read_bytes()
    plot_wow_flutter(found.as_dict(), path, title="Wow and flutter", force=True)
    assert path.read_bytes() == first
    with pytest.raises(UsageError, match="exists"):
        plot_wow_flutter(found.as_dict(), path)


def test_a_still_tape_says_so(tmp_path) -> None:
    path = tmp_path / "still.svg"
    still = {**flutter(np.zeros(4000)).as_dict(), "deviation_pct": np.zeros(3), "frequency_hz": np.arange(1.0, 4.0)}
    plot_wow_flutter(still, path)
    assert "not measured" in path.read_text()
