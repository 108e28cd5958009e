"""Several machines in one picture, and the gallery of the tape machine."""

from xml.etree import ElementTree

import numpy as np
import pytest

from tapemeasure import plotting
from tapemeasure.errors import UsageError
from tapemeasure.plotting import Curve, speed_density
from tapemeasure.plotting.gallery import Gallery, plot_gallery
from tapemeasure.trajectory import DelayTrajectory

RATE_HZ = 100.0
BANDS_HZ = 1000.0 * 10.0 ** (np.arange(-10, 13) / 10.0)


def trajectory(delay_s, *, rate_hz=RATE_HZ, valid=True):
    n_points = len(delay_s)
    return DelayTrajectory(0.0, rate_hz, delay_s, np.zeros(n_points), np.full(n_points, valid))


def wobble(wow_hz, *, n_points=6000, rate_hz=RATE_HZ, amplitude_s=1e-4):
    time_s = np.arange(n_points) / rate_hz
    return trajectory(0.16 + amplitude_s * np.sin(2.0 * np.pi * wow_hz * time_s), rate_hz=rate_hz)


def texts(path):
    return "".join(ElementTree.fromstring(path.read_text(encoding="utf-8")).itertext())


@pytest.mark.parametrize("wow_hz", [1.0, 4.6, 20.0])
def test_density_integrates_to_the_rms_of_the_speed(wow_hz):
    """A delay A sin(2 pi f t) is a speed deviation of 2 pi f A / sqrt(2) rms."""
    frequency_hz, density = speed_density([wobble(wow_hz)])
    rms_pct = np.sqrt(np.sum(density**2) * (frequency_hz[1] - frequency_hz[0]))
    assert rms_pct == pytest.approx(100.0 * 2.0 * np.pi * wow_hz * 1e-4 / np.sqrt(2.0), rel=0.02)


def test_density_of_noise_does_not_depend_on_the_length_of_the_take():
    """White delay noise of std s at 100 points a second: s sqrt(2 / 100) per root hertz, times 2 pi f."""
    noise = 1e-6 * np.random.default_rng(3).standard_normal(200000)
    for n_points in (2000, 200000):
        frequency_hz, density = speed_density([trajectory(noise[:n_points])])
        expected = 100.0 * 2.0 * np.pi * frequency_hz * 1e-6 * np.sqrt(2.0 / RATE_HZ)
        tolerance = 3.0 * 4.34 / np.sqrt(n_points / 500 * len(frequency_hz))
        assert 20.0 * np.log10(np.median(density / expected)) == pytest.approx(0.0, abs=tolerance + 0.2)


def test_takes_are_put_together_by_power_and_across_rates():
    """Two takes, one with a line: half the power. Rates of points may differ."""
    alone = speed_density([wobble(5.0)])[1].max()
    _, density = speed_density([wobble(5.0), wobble(5.0, amplitude_s=0.0, n_points=12000, rate_hz=200.0)])
    assert density.max() == pytest.approx(alone / np.sqrt(2.0), rel=0.02)


def test_trajectories_without_evidence_or_too_short_are_left_out():
    usable = wobble(5.0)
    lost = trajectory(usable.delay_s * 3.0, valid=False)
    short = trajectory(usable.delay_s[:40])
    np.testing.assert_array_equal(speed_density([lost, usable, short])[1], speed_density([usable])[1])
    assert speed_density([lost, short])[0].size == 0
    assert speed_density([])[1].size == 0


def test_pictures_name_their_machines_and_units(tmp_path):
    speed = [Curve(name, *speed_density([wobble(hz)])) for name, hz in (("deck", 2.0), ("model", 9.0))]
    plotting.plot_speed_density(speed, tmp_path / "speed.svg")
    hiss = [Curve(name, BANDS_HZ, np.full(len(BANDS_HZ), level)) for name, level in (("deck", -80.0), ("model", -82.0))]
    plotting.plot_third_octaves(hiss, tmp_path / "hiss.svg")
    for name, unit in (("speed.svg", "% per √Hz"), ("hiss.svg", "dBFS")):
        shown = texts(tmp_path / name)
        assert all(part in shown for part in ("deck", "model", unit))


@pytest.mark.parametrize("draw", [plotting.plot_speed_density, plotting.plot_third_octaves])
@pytest.mark.parametrize("curves", [[], [Curve("a", np.array([1.0, 2.0]), np.full(2, np.nan))]])
def test_nothing_finite_is_said_to_be_not_measured(draw, curves, tmp_path):
    draw(curves, tmp_path / "empty.svg")
    assert "not measured" in texts(tmp_path / "empty.svg")


def test_a_machine_that_stands_still_does_not_stretch_the_axis(tmp_path):
    """Rounding errors of a constant delay, twelve decades below, are left outside."""
    still = Curve("still", np.array([1.0, 10.0]), np.array([1e-14, 1e-13]))
    plotting.plot_speed_density(
        [Curve("moving", np.array([1.0, 10.0]), np.array([0.1, 0.01])), still], tmp_path / "a.svg"
    )
    shown = texts(tmp_path / "a.svg")
    assert "0.01" in shown
    assert "1e-" not in shown


def gallery():
    share = np.linspace(0.0, 2.0 * np.pi, 50)
    levels_dbfs = np.arange(-30.0, 1.0, 6.0)
    return Gallery(
        loops=[Curve(f"bias {bias:g}", np.sin(share), np.sin(share - 0.5 + bias)) for bias in (0.0, 0.5)],
        distortion=[Curve("1000 Hz", levels_dbfs, np.geomspace(0.1, 7.0, len(levels_dbfs)))],
        published_distortion=[Curve("1000 Hz, the plug-in", levels_dbfs, np.geomspace(0.1, 7.0, len(levels_dbfs)))],
        response=[Curve("7.5 ips", BANDS_HZ, np.zeros(len(BANDS_HZ)))],
        speed=[Curve("deck", *speed_density([wobble(3.0)]))],
    )


def test_the_gallery_has_four_panels_with_titles_and_units(tmp_path):
    first, second = tmp_path / "a.svg", tmp_path / "b.svg"
    plot_gallery(gallery(), first)
    plot_gallery(gallery(), second)
    assert first.read_bytes() == second.read_bytes()
    shown = texts(first)
    for part in ("over bias", "Distortion over level", "over tape speed", "speed deviation", "dBFS", "/ Hz", "7.5 ips"):
        assert part in shown


def test_a_gallery_without_curves_is_drawn_and_an_existing_one_kept(tmp_path):
    empty = Gallery(loops=[], distortion=[], published_distortion=[], response=[], speed=[])
    plot_gallery(empty, tmp_path / "empty.svg")
    assert texts(tmp_path / "empty.svg").count("not measured") == 4
    with pytest.raises(UsageError, match="--force"):
        plot_gallery(gallery(), tmp_path / "empty.svg")
