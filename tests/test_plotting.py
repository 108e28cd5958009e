"""Pictures: the right files, the same bytes twice, the right numbers in them, honest about what is missing."""

import errno
import struct
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from tapemeasure import plotting
from tapemeasure.errors import OutputError, UsageError
from tapemeasure.plotting import Curve, speed_spectrum
from tapemeasure.trajectory import DelayStep, DelayTrajectory, steps_until

RATE_HZ = 100.0
FREQUENCY_HZ = np.geomspace(20.0, 20000.0, 60)
LEVEL_DBFS = np.arange(-60.0, 7.0, 6.0)


def trajectory(
    n_points: int = 3000, *, wow_s: float = 1e-4, wow_hz: float = 1.0, lost: slice | None = None
) -> DelayTrajectory:
    time_s = np.arange(n_points) / RATE_HZ
    valid = np.ones(n_points, dtype=np.bool_)
    if lost is not None:
        valid[lost] = False
    return DelayTrajectory(
        start_s=0.0,
        rate_hz=RATE_HZ,
        delay_s=0.16 + wow_s * np.sin(2.0 * np.pi * wow_hz * time_s),
        sigma_s=np.where(valid, 1e-6, np.inf),
        valid=valid,
    )


DRAWINGS: dict[str, Callable[..., None]] = {
    "trajectory": lambda path, **kw: plotting.plot_trajectory(trajectory(lost=slice(900, 1000)), path, **kw),
    "response": lambda path, **kw: plotting.plot_response(
        [Curve("sweep", FREQUENCY_HZ, -np.log10(FREQUENCY_HZ), np.full(60, 0.1))], path, **kw
    ),
    "harmonics": lambda path, **kw: plotting.plot_harmonics(
        [Curve(f"{order}", FREQUENCY_HZ, np.full(60, -20.0 * order)) for order in range(2, 10)], path, **kw
    ),
    "spectrum": lambda path, **kw: plotting.plot_spectrum([Curve("", FREQUENCY_HZ, np.full(60, -110.0))], path, **kw),
    "thd": lambda path, **kw: plotting.plot_thd_against_level(
        [Curve("1 kHz", LEVEL_DBFS, 10.0 ** (LEVEL_DBFS / 20.0))], path, **kw
    ),
    "gain": lambda path, **kw: plotting.plot_gain_against_level(
        [Curve("1 kHz", LEVEL_DBFS, np.zeros(len(LEVEL_DBFS)))], path, **kw
    ),
    "training": lambda path, **kw: plotting.plot_training(
        np.arange(1.0, 5.0),
        train_loss=np.array([0.5, 0.2, np.nan, 0.05]),
        validation_esr=np.array([0.6, 0.3, 0.2, 0.1]),
        best_epoch=4,
        path=path,
        **kw,
    ),
    "errors": lambda path, **kw: plotting.plot_model_errors(
        {"input": 0.5, "gain": None, "fir": 0.01, "gru": 0.0}, path, **kw
    ),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_svg_is_drawn_and_has_the_same_bytes_twice(name, tmp_path):
    first, second = tmp_path / "a.svg", tmp_path / "b.svg"
    DRAWINGS[name](first, title="A title & more")
    DRAWINGS[name](second, title="A title & more")
    assert first.read_bytes() == second.read_bytes()
    root = ElementTree.fromstring(first.read_text(encoding="utf-8"))
    assert float(root.attrib["width"].removesuffix("pt")) > 300
    assert "A title & more" in "".join(root.itertext())
    assert "<dc:date>" not in first.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", DRAWINGS)
def test_an_existing_picture_is_kept_without_force(name, tmp_path):
    path = tmp_path / "picture.svg"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="--force"):
        DRAWINGS[name](path)
    assert path.read_text(encoding="utf-8") == "mine"
    DRAWINGS[name](path, force=True)
    assert path.read_text(encoding="utf-8") != "mine"


def test_png_and_pdf_are_what_their_names_say(tmp_path):
    png, pdf, again = tmp_path / "a.png", tmp_path / "a.pdf", tmp_path / "b.pdf"
    plotting.plot_trajectory(trajectory(), png)
    plotting.plot_trajectory(trajectory(), pdf)
    plotting.plot_trajectory(trajectory(), again)
    data = png.read_bytes()
    assert data.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", data[16:24])
    assert width > 600
    assert height > 600
    assert pdf.read_bytes().startswith(b"%PDF")
    assert pdf.read_bytes() == again.read_bytes()


@pytest.mark.parametrize("name", ["picture.jpg", "picture", "picture.csv"])
def test_another_ending_is_refused_with_the_choices(name, tmp_path):
    with pytest.raises(UsageError, match=r"\.png, \.svg or \.pdf"):
        plotting.plot_trajectory(trajectory(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OutputError, match="could not be written"):
        plotting.plot_trajectory(trajectory(), tmp_path / "file" / "picture.png")


def test_a_lost_pilot_is_shaded_and_named(tmp_path):
    plotting.plot_trajectory(trajectory(lost=slice(100, 200)), tmp_path / "lost.svg")
    plotting.plot_trajectory(trajectory(), tmp_path / "whole.svg")
    assert "no evidence" in (tmp_path / "lost.svg").read_text(encoding="utf-8")
    assert "no evidence" not in (tmp_path / "whole.svg").read_text(encoding="utf-8")


def test_lost_samples_are_marked_and_named(tmp_path):
    whole = trajectory()
    plotting.plot_trajectory(whole, tmp_path / "told.svg", lost_samples_s=[3.0])
    stepped = DelayTrajectory(0.0, RATE_HZ, whole.delay_s, whole.sigma_s, whole.valid, (DelayStep(3.0, 1e-5),))
    plotting.plot_trajectory(stepped, tmp_path / "held.svg")
    plotting.plot_trajectory(whole, tmp_path / "none.svg")
    for name, marked in (("told", True), ("held", True), ("none", False)):
        assert ("lost sample" in (tmp_path / f"{name}.svg").read_text(encoding="utf-8")) is marked


def test_a_step_is_no_line_of_the_speed(tmp_path):
    whole = trajectory(n_points=6000)
    steps = (DelayStep(20.0, 1e-3),)
    jump = steps_until(steps, whole.time_s)
    stepped = DelayTrajectory(0.0, RATE_HZ, whole.delay_s + jump, whole.sigma_s, whole.valid, steps)
    np.testing.assert_allclose(speed_spectrum(stepped)[1], speed_spectrum(whole)[1], rtol=1e-6, atol=1e-9)


def test_the_mean_delay_counts_valid_points_only(tmp_path):
    whole = trajectory(wow_s=0.0)
    delay_s = whole.delay_s.copy()
    valid = whole.valid.copy()
    delay_s[:1500], valid[:1500] = 0.5, False
    plotting.plot_trajectory(DelayTrajectory(0.0, RATE_HZ, delay_s, whole.sigma_s, valid), tmp_path / "picture.svg")
    assert "mean 160.000 ms" in (tmp_path / "picture.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("case", "text"),
    [
        (trajectory(n_points=1), "too short for a spectrum"),
        (trajectory(wow_s=0.0), "the delay is constant"),
        (trajectory(lost=slice(None)), "no evidence anywhere"),
    ],
)
def test_degenerate_trajectories_are_drawn_and_say_what_is_missing(case, text, tmp_path):
    plotting.plot_trajectory(case, tmp_path / "picture.svg")
    assert text in (tmp_path / "picture.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["plot_response", "plot_harmonics", "plot_spectrum", "plot_thd_against_level"])
@pytest.mark.parametrize("curves", [[], [Curve("hidden", FREQUENCY_HZ, np.full(60, np.nan))]])
def test_nothing_finite_is_said_to_be_not_measured(name, curves, tmp_path):
    getattr(plotting, name)(curves, tmp_path / "picture.svg")
    assert "not measured" in (tmp_path / "picture.svg").read_text(encoding="utf-8")


def test_minus_infinity_and_zeros_do_not_break_the_axes(tmp_path):
    levels = np.where(FREQUENCY_HZ < 1000.0, -np.inf, -100.0)
    plotting.plot_spectrum([Curve("gap", FREQUENCY_HZ, levels)], tmp_path / "a.svg")
    plotting.plot_thd_against_level([Curve("0", LEVEL_DBFS, np.zeros(len(LEVEL_DBFS)))], tmp_path / "b.svg")
    assert "not measured" not in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_bars_tell_their_values_and_what_was_not_measured(tmp_path):
    plotting.plot_model_errors({"filter": 0.0123, "network": None}, tmp_path / "picture.svg")
    text = (tmp_path / "picture.svg").read_text(encoding="utf-8")
    assert "1.23 %" in text
    assert "not measured" in text


@pytest.mark.parametrize("wow_hz", [0.5, 1.0, 9.3])
def test_speed_spectrum_reads_the_rms_of_a_sine(wow_hz):
    """A delay A sin(2 pi f t) is a speed deviation of 2 pi f A / sqrt(2) rms; f lies on a bin of the 10 s window."""
    frequency_hz, amplitude_pct = speed_spectrum(trajectory(n_points=6000, wow_hz=wow_hz))
    peak = int(np.argmax(amplitude_pct))
    assert frequency_hz[peak] == pytest.approx(wow_hz, abs=0.06)
    assert amplitude_pct[peak] == pytest.approx(100.0 * 2.0 * np.pi * wow_hz * 1e-4 / np.sqrt(2.0), rel=0.02)


def test_speed_spectrum_ignores_delay_and_drift():
    whole = trajectory(n_points=6000)
    drifting = DelayTrajectory(0.0, RATE_HZ, whole.delay_s + 1.0 + 1e-5 * whole.time_s, whole.sigma_s, whole.valid)
    np.testing.assert_allclose(speed_spectrum(drifting)[1], speed_spectrum(whole)[1], rtol=1e-6, atol=1e-9)


def test_speed_spectrum_of_a_short_trajectory_is_empty():
    frequency_hz, amplitude_pct = speed_spectrum(trajectory(n_points=63))
    assert frequency_hz.size == amplitude_pct.size == 0


def test_drawing_leaves_matplotlib_settings_alone(tmp_path):
    import matplotlib

    before = dict(matplotlib.rcParams)
    plotting.plot_trajectory(trajectory(), Path(tmp_path / "picture.png"))
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_a_full_disk_is_told_and_leaves_nothing(ending, tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OutputError, match="the disk is full"):
        plotting.plot_trajectory(trajectory(), tmp_path / f"picture.{ending}")
    assert list(tmp_path.iterdir()) == []
