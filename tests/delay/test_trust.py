import numpy as np
import pytest

from tapemeasure.delay.trust import CAPTURE_S, Grid, evident, scatter, telling

GRID = Grid(110, 44100.0)


def test_what_is_bridged_is_not_evident_nor_what_lies_beside_it() -> None:
    sigma = np.full(1000, 1e-6)
    sigma[400:500] = 9e-6
    found = evident(sigma, np.ones(1000, dtype=np.bool_), GRID)
    # 25 ms are 10 knots
    np.testing.assert_array_equal(np.flatnonzero(~found), np.arange(390, 510))


def test_a_file_that_is_uncertain_throughout_is_still_evident() -> None:
    assert evident(np.full(500, 8e-6), np.ones(500, dtype=np.bool_), GRID).all()
    assert not evident(np.full(500, CAPTURE_S), np.ones(500, dtype=np.bool_), GRID).any()


def test_the_ends_of_what_is_known_are_no_gaps() -> None:
    known = np.zeros(300, dtype=np.bool_)
    known[50:250] = True
    np.testing.assert_array_equal(evident(np.full(300, 1e-6), known, GRID), known)


def test_nothing_known_is_nothing_evident() -> None:
    assert not evident(np.full(50, np.inf), np.zeros(50, dtype=np.bool_), GRID).any()


@pytest.mark.parametrize("power", [0.25, 1.0, 9.0])
def test_scatter_is_the_power_of_the_errors_where_the_slope_is(power: float) -> None:
    from tapemeasure.delay.kernels import add_normal_equations

    rng = np.random.default_rng(1)
    slope, model = rng.standard_normal(110_000), rng.standard_normal(110_000)
    error = np.sqrt(power) * rng.standard_normal(110_000)
    # what is loud in silence is no matter
    slope[::3], error[::3] = 0.0, 100.0
    sums = np.zeros((6, 1001))
    add_normal_equations(slope, error, np.zeros_like(slope), model, 0, 110, sums)
    assert np.median(scatter(sums)) == pytest.approx(power, rel=0.05)


def test_what_hardly_tells_is_left_out_of_what_is_learned() -> None:
    sums = np.ones((6, 1000))
    sums[1, 300:320] = 1e-3
    told = telling(sums, GRID)
    assert not told[302:318].any()
    assert told[:299].all()
    assert told[321:].all()
