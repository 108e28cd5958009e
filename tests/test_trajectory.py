"""The delay trajectory type: what is saved comes back, what is no trajectory is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapemeasure.errors import ParameterError, SignalError, UsageError
from tapemeasure.trajectory import CSV_HEADER, DelayStep, DelayTrajectory, load_trajectory, steps_until


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


SAMPLE_S = 1.0 / 44100.0


def stepped(rate_hz=100.0):
    """Wow with a lost sample at 1.2345 s and two doubled ones at 3 s."""
    smooth = wow(rate_hz=rate_hz)
    steps = (DelayStep(1.2345, -SAMPLE_S), DelayStep(3.0, 2 * SAMPLE_S))
    jumps = steps_until(steps, smooth.time_s)
    return DelayTrajectory(0.0, rate_hz, smooth.delay_s + jumps, smooth.sigma_s, smooth.valid, steps)


def test_a_step_does_not_ring():
    time = np.concatenate([np.linspace(1.18, 1.2344, 500), np.linspace(1.2346, 1.29, 500)])
    jump = np.where(time < 1.2345, 0.0, -SAMPLE_S)
    # the very spline of the smooth part on both sides: a spline through the step would swing by a tenth of a sample
    np.testing.assert_allclose(stepped().at(time), wow().at(time) + jump, atol=1e-12)


def test_a_step_has_no_speed():
    np.testing.assert_allclose(
        stepped().speed_deviation(bandwidth_hz=20.0), wow().speed_deviation(bandwidth_hz=20.0), atol=1e-12
    )


@pytest.mark.parametrize("ending", [".csv", ".npz"])
def test_steps_are_saved(tmp_path, ending):
    stepped().save(tmp_path / f"a{ending}")
    back = load_trajectory(tmp_path / f"a{ending}")
    assert [step.time_s for step in back.steps] == [1.2345, 3.0]
    assert [step.delay_s for step in back.steps] == pytest.approx([-SAMPLE_S, 2 * SAMPLE_S], abs=1e-12)
    np.testing.assert_allclose(back.delay_s, stepped().delay_s, atol=1e-12)


def test_the_csv_of_a_stepped_delay_is_a_plain_table_to_others(tmp_path):
    stepped().save(tmp_path / "a.csv")
    table = np.loadtxt(tmp_path / "a.csv", delimiter=",", skiprows=1)
    assert table.shape == (500, 4)


@pytest.mark.parametrize("line", ["# step_time_s,step_delay_s: x,1", "# step_time_s,step_delay_s: 1"])
def test_a_spoilt_step_is_refused(tmp_path, line):
    (tmp_path / "a.csv").write_text(f"{CSV_HEADER}\n0,0,0,1\n1,0,0,1\n{line}\n")
    with pytest.raises(SignalError, match=r"a\.csv"):
        load_trajectory(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("steps", "text"),
    [((DelayStep(1.0, np.nan),), "not finite"), ((DelayStep(2.0, 1e-5), DelayStep(1.0, 1e-5)), "order of time")],
)
def test_steps_that_are_none(steps, text):
    with pytest.raises(SignalError, match=text):
        DelayTrajectory(0.0, 1.0, np.zeros(3), np.zeros(3), np.ones(3, bool), steps)


@pytest.mark.parametrize("wow_hz", [0.5, 4.0, 12.0])
def test_speed_is_the_derivative_of_a_sine(wow_hz):
    time = np.arange(4000) / 100.0
    sine = DelayTrajectory(0.0, 100.0, 1e-4 * np.sin(2 * np.pi * wow_hz * time), np.zeros(4000), np.ones(4000, bool))
    expected = -1e-4 * 2 * np.pi * wow_hz * np.cos(2 * np.pi * wow_hz * time)
    inside = slice(100, -100)
    speed = sine.speed_deviation(bandwidth_hz=20.0)
    assert np.abs(speed - expected)[inside].max() < 0.01 * np.abs(expected).max()


def test_speed_above_the_bandwidth_is_left_out():
    time = np.arange(4000) / 400.0
    sine = DelayTrajectory(0.0, 400.0, 1e-4 * np.sin(2 * np.pi * 60 * time), np.zeros(4000), np.ones(4000, bool))
    # 60 dB below what the derivative of the sine would be
    assert np.abs(sine.speed_deviation(bandwidth_hz=30.0))[100:-100].max() < 1e-3 * 1e-4 * 2 * np.pi * 60
    with pytest.raises(ParameterError, match="0 Hz"):
        sine.speed_deviation(bandwidth_hz=0.0)


@given(st.sampled_from([50.0, 200.0, 333.0, 1000.0]), st.floats(0.1, 5.0))
def test_another_rate_and_back_is_the_same_delay(rate_hz, wow_hz):
    before = wow(n_points=600, wow_hz=wow_hz)
    back = before.resampled(rate_hz).resampled(100.0)
    n = min(len(back.delay_s), 600)
    # on the way down there is a low-pass, which leaves wow to 80 dB
    np.testing.assert_allclose(back.delay_s[60 : n - 60], before.delay_s[60 : n - 60], atol=2e-4 * 1e-3)
    assert n >= 598
    np.testing.assert_allclose(back.sigma_s, 1e-6)


def test_a_higher_rate_is_valid_only_between_valid_points():
    fine = wow().resampled(200.0)
    np.testing.assert_array_equal(fine.valid[::2], wow().valid)
    assert not fine.valid[5]
    assert not fine.valid[7]
    assert fine.valid[3]


def test_a_lower_rate_has_no_alias_of_the_flutter():
    time = np.arange(4000) / 400.0
    flutter = DelayTrajectory(0.0, 400.0, 1e-4 * np.sin(2 * np.pi * 93 * time), np.zeros(4000), np.ones(4000, bool))
    assert np.abs(flutter.resampled(100.0).delay_s[20:-20]).max() < 1e-3 * 1e-4


def test_a_rate_that_is_none():
    with pytest.raises(ParameterError, match="rate_hz is 0 Hz"):
        wow().resampled(0.0)
