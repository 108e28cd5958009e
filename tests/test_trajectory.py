"""The delay trajectory type: what is saved comes back, what is no trajectory is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapemeasure.errors import SignalError, UsageError
from tapemeasure.trajectory import CSV_HEADER, DelayTrajectory, load_trajectory


def wow(n_points=500, rate_hz=100.0, depth_s=1e-3, wow_hz=0.5):
    time = np.arange(n_points) / rate_hz
    delay = 0.16 + depth_s * np.sin(2 * np.pi * wow_hz * time)
    sigma = np.full(n_points, 1e-6)
    return DelayTrajectory(0.0, rate_hz, delay, sigma, np.arange(n_points) % 7 != 3)


@pytest.mark.parametrize("ending", [".csv", ".npz"])
def test_saved_trajectory_comes_back(tmp_path, ending):
    trajectory = wow()
    trajectory.save(tmp_path / f"a{ending}")
    back = load_trajectory(tmp_path / f"a{ending}")
    np.testing.assert_allclose(back.delay_s, trajectory.delay_s, atol=1e-12)
    np.testing.assert_allclose(back.time_s, trajectory.time_s, atol=1e-9)
    np.testing.assert_allclose(back.sigma_s, trajectory.sigma_s, rtol=1e-3)
    np.testing.assert_array_equal(back.valid, trajectory.valid)


def test_infinite_sigma_survives_the_csv(tmp_path):
    DelayTrajectory(0.0, 100.0, np.zeros(2), np.array([np.inf, 1e-6]), np.array([False, True])).save(tmp_path / "a.csv")
    assert np.isinf(load_trajectory(tmp_path / "a.csv").sigma_s[0])


def test_csv_header_is_the_agreed_one(tmp_path):
    wow(3).save(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text().splitlines()[0] == CSV_HEADER == "time_s,delay_s,sigma_s,valid"


def test_equal_trajectories_give_equal_bytes(tmp_path):
    wow().save(tmp_path / "a.npz")
    wow().save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@given(st.floats(0.05, 4.95))
def test_delay_between_points_is_that_of_the_sine(time_s):
    # a cubic spline of 200 points a period is exact to (h/4)^4 of the amplitude: far below a nanosecond
    expected = 0.16 + 1e-3 * np.sin(2 * np.pi * 0.5 * time_s)
    assert wow().at(np.array([time_s]))[0] == pytest.approx(expected, abs=1e-10)


def test_delay_is_held_outside_the_grid():
    trajectory = wow()
    np.testing.assert_allclose(trajectory.at(np.array([-1.0, 99.0])), trajectory.delay_s[[0, -1]], rtol=1e-14)


def test_speed_deviation_of_a_drift_is_its_slope():
    # 100 ppm longer and longer delay = 100 ppm slow playback
    ramp = DelayTrajectory(0.0, 100.0, 1e-4 * np.arange(100) / 100.0, np.zeros(100), np.ones(100, bool))
    np.testing.assert_allclose(ramp.speed_deviation(), -1e-4, rtol=1e-9)


def test_single_point():
    one = DelayTrajectory(0.0, 100.0, np.array([0.1]), np.zeros(1), np.ones(1, bool))
    assert one.at(np.array([5.0]))[0] == 0.1
    assert one.speed_deviation().tolist() == [0.0]


@pytest.mark.parametrize(
    ("delay", "sigma", "valid"),
    [([], [], []), ([0.1, 0.1], [0.0], [True]), ([np.nan], [0.0], [True]), ([np.inf], [0.0], [True])],
)
def test_no_trajectory(delay, sigma, valid):
    with pytest.raises(SignalError, match="delay trajectory"):
        DelayTrajectory(0.0, 100.0, np.array(delay), np.array(sigma), np.array(valid, bool))


def test_unknown_ending(tmp_path):
    with pytest.raises(UsageError, match=r"\.csv or \.npz"):
        wow().save(tmp_path / "a.txt")
    with pytest.raises(UsageError, match="no such file"):
        load_trajectory(tmp_path / "a.csv")


@pytest.mark.parametrize(
    "rows",
    [
        "",
        "\n1,2,x,1",
        "\n0,0.1,0",
        "\n0,0.1,0,1\n1,0.1,0,1\n5,0.1,0,1",
        "\n1,0.1,0,1\n0,0.1,0,1",
        "\n1,0.1,0,1\n1,0.1,0,1",
    ],
    ids=["no row", "no number", "no flag", "uneven", "backwards", "standing still"],
)
def test_rows_that_are_no_trajectory(tmp_path, rows):
    (tmp_path / "a.csv").write_text(CSV_HEADER + rows + "\n")
    with pytest.raises(SignalError, match=r"a\.csv"):
        load_trajectory(tmp_path / "a.csv")


@pytest.mark.parametrize("damage", ["half", "empty", "no archive", "one bit"])
def test_damaged_npz(tmp_path, damage):
    path = tmp_path / "a.npz"
    wow().save(path)
    whole = path.read_bytes()
    if damage == "no archive":
        np.save(tmp_path / "a.npy", np.zeros(3))
        whole = (tmp_path / "a.npy").read_bytes()
    flipped = whole[:300] + bytes([whole[300] ^ 255]) + whole[301:] if len(whole) > 300 else whole
    path.write_bytes({"half": whole[: len(whole) // 2], "empty": b"", "no archive": whole, "one bit": flipped}[damage])
    with pytest.raises(SignalError, match=r"a\.npz"):
        load_trajectory(path)


@pytest.mark.parametrize(("start_s", "rate_hz"), [(0.0, 0.0), (0.0, -1.0), (0.0, np.inf), (np.nan, 100.0)])
def test_time_that_does_not_rise(start_s, rate_hz):
    with pytest.raises(SignalError, match="time must rise"):
        DelayTrajectory(start_s, rate_hz, np.zeros(2), np.zeros(2), np.ones(2, bool))


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n"])
def test_file_that_is_no_trajectory(tmp_path, text):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(SignalError, match=r"a\.csv"):
        load_trajectory(tmp_path / "a.csv")


def test_npz_with_pickled_content_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", start_s=np.array([{}], dtype=object))
    with pytest.raises(SignalError, match=r"a\.npz"):
        load_trajectory(tmp_path / "a.npz")
